"""The table of what is exported of a deployment and of a replica: name, help, and where it is read.

Base units, no colons, a series only where the figure is known. Deployment and replica names are
label values; whatever else varies without bound (messages, URLs, revisions) is not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from v4operator.model.forecast import Forecast, ReplicaForecast
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Phase
from v4operator.model.verdict import Verdict

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One deployment as it was last reported."""

    observation: Observation
    forecast: Forecast
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenReplica:
    """One replica of it, and what the forecast says of it."""

    observed: ReplicaObservation
    forecast: ReplicaForecast | None

    @property
    def reading(self) -> EngineReading | None:
        """The reading while it is fresh: a stale gauge is not exported as if it were current."""
        return self.observed.reading if self.observed.fresh else None


@dataclass(frozen=True, slots=True)
class Gauge(Generic[_T]):
    """One gauge: no series where `value` gives `None`."""

    name: str
    help: str
    value: Callable[[_T], float | None]


def _of_reading(
    pick: Callable[[EngineReading], float | None],
) -> Callable[[SeenReplica], float | None]:
    return lambda seen: None if seen.reading is None else pick(seen.reading)


def _of_forecast(
    pick: Callable[[ReplicaForecast], float | None],
) -> Callable[[SeenReplica], float | None]:
    return lambda seen: None if seen.forecast is None else pick(seen.forecast)


REPLICA_GAUGES: tuple[Gauge[SeenReplica], ...] = (
    Gauge(
        "v4_replica_up",
        "Whether the replica's metrics are fresh (1) or not (0).",
        lambda seen: float(seen.observed.fresh),
    ),
    Gauge(
        "v4_replica_ready",
        "Whether the replica serves (1) or is starting, blocked or leaving (0).",
        lambda seen: float(seen.observed.replica.phase is Phase.READY),
    ),
    Gauge(
        "v4_replica_routable",
        "Whether requests are routed to the replica.",
        lambda seen: float(seen.observed.replica.routable),
    ),
    Gauge(
        "v4_replica_metrics_age_seconds",
        "Age of the last good reading of the replica's metrics.",
        lambda seen: seen.observed.age_seconds,
    ),
    Gauge(
        "v4_replica_running_requests",
        "Requests that the engine is running.",
        _of_reading(lambda reading: reading.running_requests),
    ),
    Gauge(
        "v4_replica_waiting_requests",
        "Requests that wait inside the engine.",
        _of_reading(lambda reading: reading.waiting_requests),
    ),
    Gauge(
        "v4_replica_kv_cache_usage_ratio",
        "Share of the KV cache in use, of the fullest rank.",
        _of_reading(lambda reading: reading.kv_usage_ratio),
    ),
    Gauge(
        "v4_replica_decode_tokens_per_second",
        "Decode speed over the last minutes.",
        _of_forecast(lambda told: told.observed_tokens_per_second),
    ),
    Gauge(
        "v4_replica_expected_decode_tokens_per_second",
        "Decode speed that the capacity model expects at the same batch, context and prefill.",
        _of_forecast(lambda told: told.expected_tokens_per_second),
    ),
    Gauge(
        "v4_replica_decode_efficiency_ratio",
        "Observed over expected decode tokens; absent while it cannot be told.",
        _of_forecast(lambda told: told.efficiency_ratio),
    ),
    Gauge(
        "v4_replica_speed_ratio",
        "What the replica counts for in capacity, in healthy replicas.",
        _of_forecast(lambda told: told.speed_ratio),
    ),
)

DEPLOYMENT_GAUGES: tuple[Gauge[Seen], ...] = (
    Gauge(
        "v4_deployment_spec_min_replicas",
        "Lower bound of the count.",
        lambda seen: seen.observation.deployment.scaling.min_replicas,
    ),
    Gauge(
        "v4_deployment_spec_max_replicas",
        "Upper bound of the count.",
        lambda seen: seen.observation.deployment.scaling.max_replicas,
    ),
    Gauge(
        "v4_deployment_current_replicas",
        "Count that the workload holds.",
        lambda seen: seen.verdict.decision.current,
    ),
    Gauge(
        "v4_deployment_desired_replicas",
        "Count that the last decision asks of the workload.",
        lambda seen: seen.verdict.decision.desired,
    ),
    Gauge(
        "v4_deployment_recommended_replicas",
        "Count that the forecast asks for within bounds, before vetoes.",
        lambda seen: seen.verdict.decision.wanted,
    ),
    Gauge(
        "v4_deployment_ready_replicas",
        "Replicas that serve.",
        lambda seen: len(seen.observation.ready),
    ),
    Gauge(
        "v4_deployment_fresh_replicas",
        "Ready replicas whose metrics are fresh.",
        lambda seen: len(seen.observation.fresh),
    ),
    Gauge(
        "v4_deployment_demand_replicas",
        "Present demand in units of one healthy replica's work at the objective.",
        lambda seen: _demand(seen, seen.forecast.demand.now_replicas),
    ),
    Gauge(
        "v4_deployment_horizon_demand_replicas",
        "Demand expected at the horizon, in the same units.",
        lambda seen: _demand(seen, seen.forecast.demand.horizon_replicas),
    ),
    Gauge(
        "v4_deployment_horizon_seconds",
        "How far the demand is forecast.",
        lambda seen: seen.forecast.demand.horizon_seconds,
    ),
    Gauge(
        "v4_deployment_start_up_seconds",
        "Learned time from creation to ready of a new replica.",
        lambda seen: seen.forecast.start_up_seconds,
    ),
    Gauge(
        "v4_deployment_admission_limit_requests",
        "Running requests per replica that keep the objectives: the limit to set at a gateway.",
        lambda seen: seen.forecast.capacity.sequences if seen.forecast.capacity else None,
    ),
    Gauge(
        "v4_deployment_replica_capacity_decode_tokens_per_second",
        "Decode speed of one healthy replica at the objectives and the present mix.",
        lambda seen: (
            seen.forecast.capacity.decode_tokens_per_second if seen.forecast.capacity else None
        ),
    ),
    Gauge(
        "v4_deployment_capacity_confidence_ratio",
        "Trust in the capacity: 0 a prior of another version, 1 fitted on this fleet.",
        lambda seen: seen.forecast.capacity.confidence if seen.forecast.capacity else None,
    ),
    Gauge(
        "v4_deployment_decode_efficiency_ratio",
        "Observed over expected decode tokens of the fleet; absent while it cannot be told.",
        lambda seen: seen.forecast.throughput.efficiency_ratio,
    ),
    Gauge(
        "v4_deployment_hbm_budget_bytes",
        "HBM budget of one device.",
        lambda seen: seen.forecast.hbm.budget_bytes,
    ),
    Gauge(
        "v4_deployment_hbm_required_bytes",
        "HBM that one device needs for what was asked.",
        lambda seen: seen.forecast.hbm.required_bytes,
    ),
    Gauge(
        "v4_deployment_hbm_weights_bytes",
        "HBM that the weights take on one device.",
        lambda seen: seen.forecast.hbm.weights_bytes,
    ),
    Gauge(
        "v4_deployment_last_decision_timestamp_seconds",
        "When the last decision was made; it moves with every cycle.",
        lambda seen: seen.verdict.decision.time,
    ),
)


def replicas_of(seen: Seen) -> tuple[SeenReplica, ...]:
    """The replicas of the last observation, in its order."""
    told = {r.name: r for r in seen.forecast.replicas}
    return tuple(
        SeenReplica(observed=r, forecast=told.get(r.replica.name))
        for r in seen.observation.replicas
    )


def _demand(seen: Seen, value: float) -> float | None:
    return value if seen.forecast.demand.computable else None
