"""What is exported of device time and money, in US dollars. What has no known price has no series.

The bill is integrated over every cycle; `report.totals` says what becomes of gaps.
"""

from collections.abc import Iterator

from v4operator.estimate.cost import devices_held
from v4operator.report.families import Family, Kind, Row, counter, gauge
from v4operator.report.seen import Seen

_PRICE = "spec.cost, else the catalogue"


def _hourly(seen: Seen) -> float | None:
    price, observation = seen.listed.device_usd_per_hour, seen.observation
    if price is None:
        return None
    replicas = tuple(r.replica for r in observation.replicas)
    return price * devices_held(replicas, observation.deployment.memory.devices)


def _api_prices(seen: Seen) -> Iterator[Row]:
    price = seen.listed.api
    if price is not None:
        yield ("input",), price.cache_miss_usd
        yield ("cached-input",), price.cache_hit_usd
        yield ("output",), price.answer_usd


MONEY: tuple[Family[Seen], ...] = (
    counter(
        "v4_deployment_device_seconds_total",
        "Device-seconds of replicas that hold devices, ready or not; GPU-hours are these / 3600.",
        "the workload, at every cycle",
        lambda seen: seen.totals.device_seconds,
    ),
    counter(
        "v4_deployment_unaccounted_seconds_total",
        "Time between two cycles too far apart to know what existed: in neither device-seconds "
        "nor cost.",
        "the operator's clock",
        lambda seen: seen.totals.unaccounted_seconds,
    ),
    counter(
        "v4_deployment_cost_dollars_total",
        "Price of those device-seconds.",
        _PRICE,
        lambda seen: seen.totals.cost_usd,
    ),
    gauge(
        "v4_deployment_device_price_dollars_per_hour",
        "Price of one device for an hour.",
        _PRICE,
        lambda seen: seen.listed.device_usd_per_hour,
    ),
    gauge(
        "v4_deployment_cost_dollars_per_hour",
        "Price of an hour of the devices that are held now.",
        _PRICE,
        _hourly,
    ),
    gauge(
        "v4_deployment_cost_budget_dollars_per_hour",
        "What all replicas together may cost an hour; absent where no budget is set.",
        "spec.cost",
        lambda seen: seen.observation.deployment.cost.budget_usd_per_hour,
    ),
    Family(
        name="v4_deployment_api_dollars_per_million_tokens",
        kind=Kind.GAUGE,
        help="List price of the hosted API for the same model at this hour, by kind of token.",
        source="the catalogue",
        labels=("kind",),
        rows=_api_prices,
    ),
)
