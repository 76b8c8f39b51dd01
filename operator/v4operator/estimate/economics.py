"""What tokens cost on devices of one's own, and against the hosted API. Pure arithmetic.

Prices are arguments with dates; nothing is looked up. US dollars, tokens, hours.
"""

from dataclasses import dataclass

from v4operator.model.published import ApiPrice

SECONDS_PER_HOUR = 3600
HOURS_PER_MONTH = 720  # thirty days, as the published break-even volumes count
_MILLION = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The shape of the requests that are paid for, in tokens.

    `cache_hit_ratio` is the share of prompt tokens that a prefix cache holds.
    """

    prompt_tokens: float
    answer_tokens: float
    cache_hit_ratio: float = 0.0

    @property
    def total_tokens(self) -> float:
        """Prompt and answer of one request."""
        return self.prompt_tokens + self.answer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """One's own price against one API price, both in US dollars per million tokens.

    `own_usd` holds at the rate that was given, full use unless said otherwise. Volumes are tokens
    (prompt and answer) in a month of 720 hours: `volume_tokens` is what the API sells for the
    month's rent of the devices, `capacity_tokens` what they can do in it.
    """

    price: ApiPrice
    own_usd: float
    api_usd: float
    volume_tokens: float
    capacity_tokens: float

    @property
    def utilization_ratio(self) -> float:
        """Own price over the API's: the use at which both cost the same."""
        return self.own_usd / self.api_usd

    @property
    def attainable(self) -> bool:
        """Whether any use of these devices beats that price; above 1 none does."""
        return self.utilization_ratio <= 1.0


def usd_per_million_tokens(usd_per_hour: float, tokens_per_second: float) -> float:
    """Price of a million tokens: hourly price x 1e6 / (3600 x rate), both of the same devices.

    Raises:
        ValueError: a rate that is not above 0.
    """
    if tokens_per_second <= 0.0:
        raise ValueError(f"tokens_per_second: found {tokens_per_second}; allowed: above 0")
    return usd_per_hour * _MILLION / (SECONDS_PER_HOUR * tokens_per_second)


def api_usd_per_request(price: ApiPrice, traffic: Traffic) -> float:
    """What the hosted API takes for one request of that shape, cache discount included."""
    hits = traffic.prompt_tokens * traffic.cache_hit_ratio
    misses = traffic.prompt_tokens - hits
    total = (
        hits * price.cache_hit_usd
        + misses * price.cache_miss_usd
        + traffic.answer_tokens * price.answer_usd
    )
    return total / _MILLION


def api_usd_per_million_tokens(price: ApiPrice, traffic: Traffic) -> float:
    """The API's blended price of a million tokens of such traffic, prompt and answer."""
    return api_usd_per_request(price, traffic) * _MILLION / traffic.total_tokens


def break_even(
    price: ApiPrice, traffic: Traffic, *, usd_per_hour: float, tokens_per_second: float
) -> BreakEven:
    """Devices that cost `usd_per_hour` together and do `tokens_per_second`, against `price`.

    Raises:
        ValueError: a rate that is not above 0.
    """
    api = api_usd_per_million_tokens(price, traffic)
    return BreakEven(
        price=price,
        own_usd=usd_per_million_tokens(usd_per_hour, tokens_per_second),
        api_usd=api,
        volume_tokens=usd_per_hour * HOURS_PER_MONTH / api * _MILLION,
        capacity_tokens=tokens_per_second * SECONDS_PER_HOUR * HOURS_PER_MONTH,
    )
