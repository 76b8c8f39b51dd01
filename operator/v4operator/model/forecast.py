"""estimate -> decide: what a replica carries, what will be asked, who is too slow."""

from dataclasses import dataclass
from enum import StrEnum

from v4operator.model.hbm import Finding, HbmReport
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.step import StepTime


class ThroughputVerdict(StrEnum):
    """Why a replica or the fleet decodes as fast as it does."""

    HEALTHY = "Healthy"
    OVERLOADED = "Overloaded"
    SICK_REPLICA = "SickReplica"
    ACCEPTANCE_DROPPED = "AcceptanceDropped"
    MIX_CHANGED = "MixChanged"
    STALLED = "Stalled"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What requests look like at present, in tokens: means over the last minutes."""

    prompt_tokens: float
    prefill_tokens: float
    decode_tokens: float
    context_tokens: float


class CapacityBound(StrEnum):
    """What limits a replica first."""

    INTER_TOKEN_LATENCY = "inter-token latency"
    TTFT = "time to first token"
    KV_POOL = "KV pool"
    MAX_RUNNING = "running-request limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one healthy replica carries while it keeps the objectives, at the present mix.

    `sequences` is also the admission limit to be set at a gateway. `confidence` runs from 0 (a
    catalogue prior of another engine version) to 1 (fitted on this fleet over a wide range).
    """

    sequences: float
    decode_tokens_per_second: float
    requests_per_second: float
    inter_token_latency_seconds: float
    bound: CapacityBound
    confidence: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the fleet is asked for, in units of one replica's work at the objective.

    `now_replicas` is the present demand (0.5 = half a replica), `horizon_replicas` the demand at
    `now + horizon_seconds`. Both hold one replica for each of the `silent_replicas`: a ready one
    that is not seen counts as fully loaded. `computable` is false where too little was seen;
    `reason` says why, and the figures then tell of the part that was. `spread_ratio` is the spread
    of unforeseen growth (of its logarithm) that the reserve comes from, `spread_seconds` how much
    of the fleet's own evidence is in it; `surging` that the last polls break with the minutes
    before, and tell the demand, `unsettled` that they may: another look soon tells how far.
    `least_used_share` is the share of its time that a replica has to be used for at the horizon to
    be provided (`None`: by a reserve, where no gateway is known).
    `full_work_ratio` is what full replicas have been seen to do over what the law expects, and the
    demand is counted in (1: nothing was seen, or just that).
    """

    computable: bool
    reason: str | None
    now_replicas: float
    horizon_replicas: float
    horizon_seconds: float
    trend_replicas_per_second: float
    decode_tokens_per_second: float
    prefill_tokens_per_second: float
    waiting_requests: float
    silent_replicas: int = 0
    spread_ratio: float | None = None
    spread_seconds: float = 0.0
    surging: bool = False
    unsettled: bool = False
    least_used_share: float | None = None
    full_work_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaForecast:
    """One replica against the model, over the last minutes.

    `efficiency_ratio` is observed / expected decode tokens at the same batch, context and prefill
    (`None`: too little load or calibrating). `speed_ratio` is what the replica counts for in
    capacity: 1 healthy, 0.5 half speed, 0 a silent or stalled one.
    `expected_decode_tokens` is what the model expected since the previous forecast (a counter's
    increment), `observed_decode_tokens` what came.
    """

    name: str
    observed_tokens_per_second: float | None
    expected_tokens_per_second: float | None
    efficiency_ratio: float | None
    confidence: float
    speed_ratio: float
    verdict: ThroughputVerdict
    sentence: str
    expected_decode_tokens: float
    observed_decode_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetThroughput:
    """The fleet's verdict, the replica it names if any, and the sentence with the figures."""

    verdict: ThroughputVerdict
    replica: str | None
    sentence: str
    efficiency_ratio: float | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Everything that `decide` weighs, besides the observation itself.

    `hbm` is the planned verdict, its pool measured where the engines report it; `live_hbm` is what
    the fullest replica holds (`None`: not told, or nobody to tell).
    """

    now: float
    hbm: HbmReport
    step: StepTime | None
    mix: Mix | None
    capacity: Capacity | None
    demand: Demand
    start_up_seconds: float
    start_up_source: str
    replicas: tuple[ReplicaForecast, ...]
    throughput: FleetThroughput
    findings: tuple[Finding, ...]
    live_hbm: LiveHbm | None = None
