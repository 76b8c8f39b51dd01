"""What is exported of HBM and KV cache: planned, and as the engines report it. Bytes per device."""

from collections.abc import Iterator

from v4operator.model.hbm import HbmVerdict
from v4operator.report.families import Family, Kind, Row, gauge, states
from v4operator.report.seen import Seen

_PLAN = "the HBM account of the plan"
_ENGINES = "what the engines report, of the fullest replica"


def _planned(seen: Seen) -> Iterator[Row]:
    """Central figures; a cache for which nothing is left is 0, the verdict tells what lacks."""
    report = seen.forecast.hbm
    cache, overhead = report.kv_cache_bytes, report.overhead_bytes
    if report.weights_bytes is not None:
        yield ("weights",), float(report.weights_bytes)
    if cache is not None:
        yield ("kv-cache",), max(0.0, cache.central)
    if overhead is not None:
        yield ("overhead",), overhead.central


def _live(seen: Seen) -> Iterator[Row]:
    live = seen.forecast.live_hbm
    if live is not None:
        yield ("weights",), live.weights.value
        yield ("kv-cache",), live.kv_pool.value
        yield ("overhead",), live.overhead.value


def _visible(seen: Seen) -> float | None:
    live = seen.forecast.live_hbm
    return live.visible_bytes if live else seen.forecast.hbm.visible_bytes


def _kv_capacity(seen: Seen) -> float | None:
    """Tokens in steady decode; a replica's own figure is measured where its engine tells."""
    live, ready = seen.forecast.live_hbm, len(seen.observation.ready)
    each = live.kv_capacity_tokens if live else seen.forecast.hbm.kv_capacity_tokens
    return None if each is None else float(max(0, each) * ready)


MEMORY: tuple[Family[Seen], ...] = (
    states(
        "v4_deployment_hbm_verdict",
        "Verdict on memory: 1 for the one that holds.",
        _PLAN,
        label="verdict",
        values=tuple(verdict.value for verdict in HbmVerdict),
        held=lambda seen: seen.forecast.hbm.verdict.value,
    ),
    gauge(
        "v4_deployment_hbm_budget_bytes",
        "HBM budget of one device.",
        _PLAN,
        lambda seen: seen.forecast.hbm.budget_bytes,
    ),
    gauge(
        "v4_deployment_hbm_required_bytes",
        "HBM that one device needs for what was asked.",
        _PLAN,
        lambda seen: seen.forecast.hbm.required_bytes,
    ),
    gauge(
        "v4_deployment_hbm_weights_bytes",
        "HBM that the weights take on one device.",
        _PLAN,
        lambda seen: seen.forecast.hbm.weights_bytes,
    ),
    gauge(
        "v4_deployment_hbm_device_bytes",
        "Bytes of one device that an engine can allocate.",
        "the catalogue",
        _visible,
    ),
    Family(
        name="v4_deployment_hbm_bytes",
        kind=Kind.GAUGE,
        help="What one device is planned to hold, by component; the parts add up.",
        source=_PLAN,
        labels=("component",),
        rows=_planned,
    ),
    Family(
        name="v4_deployment_hbm_live_bytes",
        kind=Kind.GAUGE,
        help="What one device holds, by component; the parts add up.",
        source=_ENGINES,
        labels=("component",),
        rows=_live,
    ),
    gauge(
        "v4_deployment_kv_capacity_tokens",
        "Tokens of context that the KV caches of the ready replicas hold in steady decode.",
        _ENGINES + ", else the plan",
        _kv_capacity,
    ),
)
