"""Units and colours with one meaning on every board."""

from collections.abc import Mapping

from grafana_foundation_sdk.models import dashboard

COUNT = "none"
RATIO = "percentunit"
SECONDS = "s"
BYTES = "bytes"  # powers of 1024, as HBM is counted
DOLLARS = "currencyUSD"
REQUESTS_PER_SECOND = "reqps"
TOKENS = "si: tok"
TOKENS_PER_SECOND = "si: tok/s"

GOOD = "green"
WARN = "yellow"
BAD = "red"
NEUTRAL = "text"
QUIET = "#8e8e8e"  # a grey that reads on white and on black

OBSERVED = "blue"
EXPECTED = "orange"
LIMIT = "red"
FORECAST = "purple"

THROUGHPUT_VERDICTS: Mapping[str, str] = {
    "Healthy": GOOD,
    "MixChanged": GOOD,
    "Unknown": QUIET,
    "Overloaded": WARN,
    "AcceptanceDropped": WARN,
    "SickReplica": BAD,
    "Degraded": BAD,
    "Stalled": BAD,
}
HBM_VERDICTS: Mapping[str, str] = {
    "fits": GOOD,
    "fits-tight": WARN,
    "unknown": QUIET,
    "unsupported": BAD,
    "weights-exceed": BAD,
    "admission-exceed": BAD,
    "concurrency-exceed": BAD,
}
PHASES: Mapping[str, str] = {
    "ready": GOOD,
    "starting": WARN,
    "pending": WARN,
    "draining": WARN,
    "unschedulable": BAD,
    "crashed": BAD,
}
LIMITERS: Mapping[str, str] = {"none": GOOD}  # everything else keeps the count from what it needs

Steps = tuple[tuple[float | None, str], ...]
"""Colours from a value upwards; the first has no value."""

NONE_IS_GOOD: Steps = ((None, GOOD), (1, BAD))
PLAIN: Steps = ((None, NEUTRAL),)
# Below 0.85 the throughput alerts fire; on a sound fleet the ratio stays above 0.95.
EFFICIENCY: Steps = ((None, BAD), (0.85, WARN), (0.95, GOOD))
# Above nine tenths an engine begins to preempt; the KV alert stands there too.
KV_USAGE: Steps = ((None, GOOD), (0.75, WARN), (0.9, BAD))
EFFICIENCY_LINE: Steps = ((None, "transparent"), (0.85, WARN))
KV_LINE: Steps = ((None, "transparent"), (0.9, BAD))
# A default objective promises 99 %; half of it gone is worth a look.
ATTAINMENT: Steps = ((None, BAD), (0.99, WARN), (0.995, GOOD))


def fixed(color: str) -> dashboard.DynamicConfigValue:
    """An override: this colour and no other."""
    return dashboard.DynamicConfigValue(
        id_val="color", value={"mode": "fixed", "fixedColor": color}
    )


def mapping(colors: Mapping[str, str]) -> dashboard.DynamicConfigValue:
    """An override: words in their colours."""
    options = {
        word: {"color": color, "index": index} for index, (word, color) in enumerate(colors.items())
    }
    return dashboard.DynamicConfigValue(
        id_val="mappings", value=[{"type": "value", "options": options}]
    )
