"""Our side of the guide's figures on speed and money: published rows and fitted laws. Pure."""

from v4operator.catalogue.resolve import accelerator
from v4operator.estimate.economics import Traffic, break_even, usd_per_million_tokens
from v4operator.estimate.profiles import Operation, at_concurrency, mix_of_shape, sequence_limit
from v4operator.model.catalogue import Catalogue, PerformanceProfile
from v4operator.model.guide import Ours, Question
from v4operator.model.published import ApiPrice, ThroughputPoint, ThroughputSeries

_WHERE = "guide.yaml"
_MILLI = 1e-3
_BILLION = 1e9
# The shape of the published benchmark (SGLang cookbook v0.5.15) that every figure here is about.
_PROMPT, _ANSWER = 8192, 1024


def measurement(question: Question, catalogue: Catalogue) -> Ours:
    """The published numbers of that quantity under those conditions, lowest to highest."""
    found = [
        row.figure
        for row in catalogue.published.measurements
        if row.quantity == question.quantity
        and row.checkpoint == question.checkpoint
        and question.accelerator in {None, row.accelerator}
        and question.context_tokens in {1, row.context_tokens}
    ]
    if not found:
        return Ours(text="no published figure", source="catalogue")
    low, high = min(f.value for f in found), max(f.value for f in found)
    text = f"{high:g} tok/s" if low == high else f"{low:g} to {high:g} tok/s"
    return Ours(text=text, value=high, source=f"{found[0].tag}: {found[0].source}")


def series(question: Question, catalogue: Catalogue) -> Ours:
    """Total tokens a second of the whole replica in the published benchmark."""
    found, point = _point(question, catalogue, question.accelerator)
    value = (point.total_tokens_per_second or 0.0) * found.devices
    text = f"{value:,.0f} tok/s, prompt and answer, at {question.concurrency} requests"
    return Ours(text=text, value=value, source=_source(found))


def speed_ratio(question: Question, catalogue: Catalogue) -> Ours:
    """One device against the other in the same benchmark, same number of devices and requests."""
    first, faster = _point(question, catalogue, question.accelerator)
    _, slower = _point(question, catalogue, question.other)
    ratio = (faster.total_tokens_per_second or 0.0) / (slower.total_tokens_per_second or 1.0)
    text = (
        f"{ratio:.1f} x at {question.concurrency} requests ({faster.total_tokens_per_second:,.0f} "
        f"against {slower.total_tokens_per_second:,.0f} tok/s per device)"
    )
    return Ours(text=text, value=ratio, source=_source(first))


def price_spread(question: Question, catalogue: Catalogue) -> Ours:
    """Dollars per million tokens at full use on one device and the other, and their ratio."""
    first, _ = _point(question, catalogue, question.accelerator)
    low, high = (
        _full_price(question, catalogue, name) for name in (question.accelerator, question.other)
    )
    text = f"{high / low:.1f} x: {low:.2f} and {high:.2f} USD/Mtok at full use"
    return Ours(text=text, value=high / low, source=f"{_source(first)}; dated GPU prices")


def ttft(question: Question, catalogue: Catalogue) -> Ours:
    """Median time to first token in the published benchmark."""
    found, point = _point(question, catalogue, question.accelerator)
    value = (point.ttft_seconds or 0.0) / _MILLI
    text = f"{value:,.0f} ms at {question.concurrency} requests, 8192-token prompts"
    return Ours(text=text, value=value, source=_source(found))


def operation(question: Question, catalogue: Catalogue) -> Ours:
    """What that many requests get by the profile's law."""
    profile, found = _operation(question, catalogue)
    text = (
        f"{found.decode_tokens_per_second:,.0f} tok/s of answers in all, "
        f"{1 / found.inter_token_latency_seconds:.0f} for each of {question.concurrency}"
    )
    return Ours(text=text, value=found.decode_tokens_per_second, source=profile.source.source)


def stream(question: Question, catalogue: Catalogue) -> Ours:
    """Tokens a second of one of that many requests."""
    profile, found = _operation(question, catalogue)
    value = 1.0 / found.inter_token_latency_seconds
    text = f"{value:.0f} tok/s for one of {question.concurrency} requests"
    return Ours(text=text, value=value, source=profile.source.source)


def answer_time(question: Question, catalogue: Catalogue) -> Ours:
    """Seconds that an answer of the mode's length takes at that load."""
    profile, found = _operation(question, catalogue)
    length = next(
        row.tokens for row in catalogue.published.answer_lengths if row.mode == question.mode
    )
    value = length.value * found.inter_token_latency_seconds
    text = f"{value:.0f} s for {length.value:,.0f} tokens"
    return Ours(text=text, value=value, source=f"{profile.source.source}; {length.source}")


def api_price(question: Question, catalogue: Catalogue) -> Ours:
    """Every dated price of one part; the number is the newest."""
    rows = _api_prices(question, catalogue)
    prices = [r.answer_usd if question.part == "answer" else r.cache_miss_usd for r in rows]
    told = [f"{price:g} ({row.label})" for price, row in zip(prices, rows, strict=True)]
    return Ours(text="; ".join(told), value=prices[-1], source=rows[-1].provenance.source)


def cache_discount(question: Question, catalogue: Catalogue) -> Ours:
    """How many times cheaper a cached prompt token is, by date; the number is the newest."""
    rows = _api_prices(question, catalogue)
    told = [f"{row.cache_discount:.0f} x ({row.label})" for row in rows]
    last = rows[-1]
    return Ours(text="; ".join(told), value=last.cache_discount, source=last.provenance.source)


def volume(question: Question, catalogue: Catalogue) -> Ours:
    """Tokens a month that the API sells for the rent of the devices, and what they can do."""
    found, point = _point(question, catalogue, question.accelerator)
    price = next(
        row for row in _api_prices(question, catalogue) if row.since[:10] == question.since
    )
    result = break_even(
        price,
        Traffic(prompt_tokens=_PROMPT, answer_tokens=_ANSWER),
        usd_per_hour=_usd_per_hour(question, catalogue, question.accelerator),
        tokens_per_second=(point.total_tokens_per_second or 0.0) * found.devices,
    )
    value = result.volume_tokens / _BILLION
    text = (
        f"{value:.0f} G tokens/month on {found.devices} x {found.accelerator} "
        f"({result.utilization_ratio:.0%} of the {result.capacity_tokens / _BILLION:.0f} G that "
        "they can do)"
    )
    return Ours(text=text, value=value, source=f"{_source(found)}; dated prices")


def _point(
    question: Question, catalogue: Catalogue, device: str | None
) -> tuple[ThroughputSeries, ThroughputPoint]:
    wanted = (question.checkpoint, device, question.devices)
    for row in catalogue.published.throughput:
        point = row.at(question.concurrency)
        if (row.checkpoint, row.accelerator, row.devices) == wanted and point is not None:
            return row, point
    raise KeyError(f"no published benchmark of {wanted} at {question.concurrency} requests")


def _operation(question: Question, catalogue: Catalogue) -> tuple[PerformanceProfile, Operation]:
    wanted = (question.checkpoint, question.accelerator, question.devices)
    profile = next(
        p for p in catalogue.profiles if (p.checkpoint, p.accelerator, p.devices) == wanted
    )
    mix = mix_of_shape(_PROMPT, _ANSWER)
    limit = sequence_limit(profile, mix, None)
    return profile, at_concurrency(profile.step, mix, question.concurrency, limit=limit)


def _api_prices(question: Question, catalogue: Catalogue) -> list[ApiPrice]:
    return [row for row in catalogue.published.api_prices if row.product == question.product]


def _full_price(question: Question, catalogue: Catalogue, device: str | None) -> float:
    found, point = _point(question, catalogue, device)
    rate = (point.total_tokens_per_second or 0.0) * found.devices
    return usd_per_million_tokens(_usd_per_hour(question, catalogue, device), rate)


def _usd_per_hour(question: Question, catalogue: Catalogue, device: str | None) -> float:
    price = accelerator(catalogue, device or "", where=_WHERE).price_usd_per_hour
    if price is None:
        raise KeyError(f"no price of {device}")
    return price.value * question.devices


def _source(found: ThroughputSeries) -> str:
    return f"{found.provenance.tag}: {found.provenance.source}"
