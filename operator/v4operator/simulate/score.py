"""Judges a run beside the clairvoyant fleet and the constant one: the rows that are published.

rho is billed hours over those of the clairvoyant fleet with the plain router at the target; a run
that misses the target gets none, since a cost without the service is no cost. The keys of
`document` are those of `v4-operator simulate -o json` and stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import exp, isnan, log

import numpy as np

from v4operator.simulate.fast.oracle import Optimum, clairvoyant, smallest_constant
from v4operator.simulate.fast.result import Percentiles
from v4operator.simulate.ground import Ground
from v4operator.simulate.harness import Run

_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the same requests cost whoever knows the future, and whoever never scales.

    Hours of devices; `None` where no fleet meets the target. `schedule` is the clairvoyant count in
    each slot of `slot_seconds` with the plain router.
    """

    oracle_gpu_hours: float | None
    oracle_gateway_gpu_hours: float | None
    constant_replicas: int | None
    constant_gpu_hours: float | None
    slot_seconds: float
    schedule: tuple[int, ...]


def bounds_of(ground: Ground) -> Bounds:
    """Search both clairvoyant fleets and the smallest constant one; a minute for a day."""
    plain = replace(ground.setting, overload="plain", quota=None, blind=(), failed_starts=0.0)
    best = _optimum(ground, overload_plain=True)
    gateway = _optimum(ground, overload_plain=False)
    start_up = ground.setting.start_up_seconds
    try:
        constant: int | None = smallest_constant(ground.trace, plain, ground.target)
    except ValueError:
        constant = None
    hours = ground.trace.duration / _HOUR_SECONDS * plain.profile.engine_devices
    return Bounds(
        oracle_gpu_hours=best.gpu_hours(start_up) if best else None,
        oracle_gateway_gpu_hours=gateway.gpu_hours(start_up) if gateway else None,
        constant_replicas=constant,
        constant_gpu_hours=constant * hours if constant else None,
        slot_seconds=best.schedule.slot_seconds if best else 0.0,
        schedule=tuple(best.schedule.counts.tolist()) if best else (),
    )


def _optimum(ground: Ground, *, overload_plain: bool) -> Optimum | None:
    """The clairvoyant fleet; nothing where no fleet meets the target."""
    setting = replace(
        ground.setting,
        overload="plain" if overload_plain else "gateway",
        quota=None,
        blind=(),
        failed_starts=0.0,
    )
    try:
        return clairvoyant(ground.trace, setting, ground.target)
    except ValueError:
        return None


def rho(run: Run, bounds: Bounds, target: float) -> float | None:
    """Billed hours over the clairvoyant ones, where the run met the target."""
    if bounds.oracle_gpu_hours is None or run.result.attainment < target:
        return None
    return run.result.gpu_hours / bounds.oracle_gpu_hours


def gap_closed(run: Run, bounds: Bounds, target: float) -> float | None:
    """The share of what scaling can save that was saved: 1 for the clairvoyant fleet."""
    constant, oracle = bounds.constant_gpu_hours, bounds.oracle_gpu_hours
    if constant is None or oracle is None or run.result.attainment < target or constant <= oracle:
        return None
    return (constant - run.result.gpu_hours) / (constant - oracle)


def document(name: str, run: Run, ground: Ground, bounds: Bounds | None) -> dict[str, object]:
    """One row, as JSON: times in seconds, hours of devices, ratios from 0 to 1."""
    result = run.result
    row: dict[str, object] = {
        "policy": name,
        "attainment": result.attainment,
        "target": ground.target,
        "gpuHours": result.gpu_hours,
        "oracleGpuHours": bounds.oracle_gpu_hours if bounds else None,
        "oracleGatewayGpuHours": bounds.oracle_gateway_gpu_hours if bounds else None,
        "constantGpuHours": bounds.constant_gpu_hours if bounds else None,
        "rho": rho(run, bounds, ground.target) if bounds else None,
        "gapClosed": gap_closed(run, bounds, ground.target) if bounds else None,
        "scalingActions": len(run.changes),
        "reversals": run.reversals,
        "ttft": _percentiles(result.ttft),
        "itl": _percentiles(result.tpot),
        "misses": dict(result.misses),
        "requests": result.requests,
        "attainmentWorstHour": result.attainment_worst_hour,
        "attainmentWorstFiveMinutes": result.attainment_worst_five_minutes,
        "loadingGpuHours": result.loading_hours,
        "drainingGpuHours": result.draining_hours,
        "idleGpuHours": result.idle_hours,
        "cacheHitRatio": result.cache_hit_ratio,
        "shrinksWhileBlind": sum(
            run.shrinks_within(blind.begin, blind.end)
            for blind in ground.setting.blind
            if blind.ordinal is None
        ),
        "decisions": run.decisions,
        "secondsPerDecision": run.decision_seconds / run.decisions if run.decisions else 0.0,
    }
    if bounds is not None and bounds.schedule:
        row |= _beside_the_oracle(run, bounds)
    return row


def geometric_mean(values: Iterable[float]) -> float | None:
    """Of ratios; nothing for none."""
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs)) if logs else None


def _percentiles(of: Percentiles) -> dict[str, float | None]:
    values = {"p50": of.p50, "p95": of.p95, "p99": of.p99}
    return {name: None if isnan(value) else value for name, value in values.items()}


def _beside_the_oracle(run: Run, bounds: Bounds) -> dict[str, object]:
    """Device-hours with more, and with fewer, ready replicas than the clairvoyant fleet has."""
    schedule = np.array(bounds.schedule)
    slots = np.arange(len(schedule), dtype=np.float64)
    middles = np.asarray((slots + 0.5) * bounds.slot_seconds, np.float64)
    series = run.result.series
    more = series.at(middles, series.ready) - schedule
    hours = bounds.slot_seconds / _HOUR_SECONDS * run.result.devices
    return {
        "overOracleGpuHours": float(np.maximum(more, 0).sum() * hours),
        "underOracleGpuHours": float(np.maximum(-more, 0).sum() * hours),
    }
