"""What is exported of a deployment's demand, capacity and throughput."""

from collections.abc import Iterable, Iterator

from v4operator.model.forecast import ThroughputVerdict
from v4operator.report.families import Family, Kind, Row, counter, gauge, states
from v4operator.report.seen import Seen
from v4operator.report.series.replica import context_of

_DEMAND = "the forecast of demand"
_MODEL = "the capacity model"
_ENGINES = "the engines' metrics"

_EXTRA = (-1, 0, 1, 2, 3)
"""Replicas more than there are: one fewer is the question of every shrink, and a quota that is
raised by more than three at once is raised by a person who plans."""


def _demand(seen: Seen, value: float) -> float | None:
    return value if seen.forecast.demand.computable else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _observed(seen: Seen) -> float | None:
    told = (r.forecast for r in seen.fresh)
    return _sum(t.observed_tokens_per_second for t in told if t)


def _expected(seen: Seen) -> float | None:
    told = (r.forecast for r in seen.fresh)
    return _sum(t.expected_tokens_per_second for t in told if t)


def _context(seen: Seen) -> float | None:
    """Of all running requests of the fleet: a mean of sums, not of means."""
    held = [each for r in seen.fresh if (each := context_of(r.observed.recent)) is not None]
    running = sum(requests for _, requests in held)
    return sum(tokens for tokens, _ in held) / running if running > 0.0 else None


def _capacities(seen: Seen) -> Iterator[Row]:
    """Ready replicas at their measured speed, a silent one as a healthy one, and some more."""
    capacity, ready = seen.forecast.capacity, seen.observation.ready
    if capacity is None:
        return
    speeds = {told.name: told.speed_ratio for told in seen.forecast.replicas}
    fleet = sum(speeds.get(r.replica.name, 1.0) if r.fresh else 1.0 for r in ready)
    for extra in _EXTRA:
        if len(ready) + extra >= 0:
            replicas = max(0.0, fleet + extra)
            yield (str(extra),), replicas * capacity.decode_tokens_per_second


LOAD: tuple[Family[Seen], ...] = (
    gauge(
        "v4_deployment_gateway_waiting_requests",
        "Requests that wait in front of the replicas; absent while that is not known.",
        "spec.demand.query",
        lambda seen: (
            seen.observation.gateway.waiting_requests if seen.observation.gateway else None
        ),
    ),
    counter(
        "v4_deployment_gateway_lost_requests_total",
        "Requests that were turned away or gave up there, as the gateway counts them.",
        "spec.demand.lostQuery",
        lambda seen: seen.observation.gateway.lost_total if seen.observation.gateway else None,
    ),
    gauge(
        "v4_deployment_demand_replicas",
        "Present demand in units of one healthy replica's work at the objective.",
        _DEMAND,
        lambda seen: _demand(seen, seen.forecast.demand.now_replicas),
    ),
    gauge(
        "v4_deployment_horizon_demand_replicas",
        "Demand expected at the horizon, in the same units.",
        _DEMAND,
        lambda seen: _demand(seen, seen.forecast.demand.horizon_replicas),
    ),
    gauge(
        "v4_deployment_forecast_due_demand_replicas",
        "Demand that was forecast for now one horizon ago, in the same units.",
        _DEMAND,
        lambda seen: seen.totals.due_replicas,
    ),
    gauge(
        "v4_deployment_horizon_seconds",
        "How far the demand is forecast.",
        _DEMAND,
        lambda seen: seen.forecast.demand.horizon_seconds,
    ),
    gauge(
        "v4_deployment_start_up_seconds",
        "Learned time from creation to ready of a new replica.",
        "starts that were seen",
        lambda seen: seen.forecast.start_up_seconds,
    ),
    gauge(
        "v4_deployment_admission_limit_requests",
        "Running requests per replica that keep the objectives: the limit to set at a gateway.",
        _MODEL,
        lambda seen: seen.forecast.capacity.sequences if seen.forecast.capacity else None,
    ),
    gauge(
        "v4_deployment_replica_capacity_decode_tokens_per_second",
        "Decode speed of one healthy replica at the objectives and the present mix.",
        _MODEL,
        lambda seen: (
            seen.forecast.capacity.decode_tokens_per_second if seen.forecast.capacity else None
        ),
    ),
    Family(
        name="v4_deployment_capacity_decode_tokens_per_second",
        kind=Kind.GAUGE,
        help="Decode speed of the fleet at the objectives with so many ready replicas more.",
        source=_MODEL,
        labels=("extra",),
        rows=_capacities,
    ),
    gauge(
        "v4_deployment_capacity_confidence_ratio",
        "Trust in the capacity: 0 a prior of another version, 1 fitted on this fleet.",
        _MODEL,
        lambda seen: seen.forecast.capacity.confidence if seen.forecast.capacity else None,
    ),
    gauge(
        "v4_deployment_decode_tokens_per_second",
        "Decode speed of the fresh replicas together, over the last minutes.",
        _ENGINES,
        _observed,
    ),
    gauge(
        "v4_deployment_expected_decode_tokens_per_second",
        "Decode speed that the capacity model expects of them at their load.",
        _MODEL,
        _expected,
    ),
    gauge(
        "v4_deployment_mean_context_tokens",
        "Mean context of the running requests of the fleet over the last minute.",
        _ENGINES,
        _context,
    ),
    gauge(
        "v4_deployment_decode_efficiency_ratio",
        "Observed over expected decode tokens of the fleet; absent while it cannot be told.",
        _MODEL,
        lambda seen: seen.forecast.throughput.efficiency_ratio,
    ),
    states(
        "v4_deployment_throughput_verdict",
        "Verdict on throughput of the fleet: 1 for the one that holds.",
        _MODEL,
        label="verdict",
        values=tuple(verdict.value for verdict in ThroughputVerdict),
        held=lambda seen: seen.forecast.throughput.verdict.value,
    ),
)
