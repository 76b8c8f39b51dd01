"""report -> adapters: what people read of one V4Deployment, as frozen values.

Figures are quantised (`report.quantise`), so that a fleet at rest has the same status twice. `None`
is "not known" throughout. Times are Unix seconds.
"""

from dataclasses import dataclass

from v4operator.model.deployment import Key
from v4operator.model.hbm import Finding
from v4operator.model.running import ConfiguredValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition; `last_transition_time` moves with `status` only."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: float
    observed_generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStatus:
    """Sums over the fresh replicas; `kv_usage_ratio` is their mean."""

    decode_tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    kv_usage_ratio: float | None
    running_requests: float | None
    waiting_requests: float | None
    fresh_replicas: int
    ready_replicas: int
    gateway_waiting_requests: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityStatus:
    """What the model expects of the fleet at its load, and of one replica at the objective.

    `sequences_per_replica` is the admission limit to be set at a gateway or an engine.
    `demand_replicas` is the demand now, `horizon_demand_replicas` the one `horizon_seconds` ahead.
    """

    expected_tokens_per_second: float | None
    efficiency_ratio: float | None
    confidence_ratio: float
    sequences_per_replica: int | None
    decode_tokens_per_second_per_replica: float | None
    bound: str | None
    demand_replicas: float | None
    horizon_demand_replicas: float | None
    horizon_seconds: float
    start_up_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HbmStatus:
    """The verdict on memory, per device, in bytes."""

    verdict: str
    sentence: str
    budget_bytes: int | None
    required_bytes: int | None
    weights_bytes: int | None
    kv_cache_bytes: int | None
    max_concurrency: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """One replica. `unknown` says why there is no fresh reading, `verdict` how it decodes."""

    name: str
    phase: str
    routable: bool
    tokens_per_second: float | None
    expected_tokens_per_second: float | None
    efficiency_ratio: float | None
    running_requests: float | None
    waiting_requests: float | None
    kv_usage_ratio: float | None
    age_seconds: float | None
    unknown: str | None
    verdict: str
    sentence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VetoStatus:
    """A rule that bounded the decision."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatus:
    """The decision in short; the full record is logged. `time` is when it became what it is."""

    time: float
    action: str
    current: int | None
    wanted: int | None
    desired: int | None
    reason: str
    sentence: str
    vetoes: tuple[VetoStatus, ...]
    alternative: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputStatus:
    """The fleet's verdict and the replica it names, if any."""

    verdict: str
    replica: str | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsStatus:
    """What a row of a list shows, in words; `-` is not known."""

    checkpoint: str = "-"
    tokens_per_second: str = "-"
    kv: str = "-"
    hbm: str = "-"
    state: str = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it."""

    key: Key
    observed_generation: int
    replicas: int
    ready_replicas: int
    desired_replicas: int | None
    observed: ObservedStatus
    capacity: CapacityStatus
    hbm: HbmStatus
    replica_statuses: tuple[ReplicaStatus, ...]
    last_decision: DecisionStatus
    throughput: ThroughputStatus
    findings: tuple[Finding, ...]
    conditions: tuple[Condition, ...]
    selector: str | None = None
    configuration: tuple[ConfiguredValue, ...] = ()
    columns: ColumnsStatus = ColumnsStatus()
