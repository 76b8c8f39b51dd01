"""What the user asked for, checked and with every default filled in."""

from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from v4operator.model.layout import Layout


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Name of one V4Deployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ScalingMode(StrEnum):
    """Who sets the number of replicas."""

    AUTOMATIC = "Automatic"
    RECOMMEND = "Recommend"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A floor at set times: from each `start` (cron, in `zone`) on, for `duration_seconds`."""

    name: str
    start: str
    zone: tzinfo
    duration_seconds: float
    min_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Bounds and pace of the replica count; the reasons for the defaults stand in `api`.

    `warm_replicas` are kept ready above what the demand takes.
    """

    mode: ScalingMode
    min_replicas: int
    max_replicas: int
    paused: bool
    shrink_window_seconds: float
    drain_timeout_seconds: float
    warm_replicas: int = 0
    schedules: tuple[Schedule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """What a request is promised."""

    ttft_seconds: float
    inter_token_latency_seconds: float
    attainment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How many replicas of an owned fleet may be above and below the count while it is replaced."""

    max_surge: int = 0
    max_unavailable: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HbmBudget:
    """The user's own limit per device: a share of the visible bytes, or bytes. One of the two."""

    ratio: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Everything that decides whether a replica fits its devices.

    `None` means "the engine's or the checkpoint's own default". `weight_bytes` overrides the
    catalogue for a fine-tune of `checkpoint`, `visible_bytes` for the device at hand.
    `args_unreadable` says why the arguments are not known; then no default stands in for them.
    """

    checkpoint: str
    engine: str
    engine_version: str | None
    engine_args: tuple[str, ...]
    accelerator: str
    devices: int
    layout: Layout
    max_context_tokens: int | None
    concurrency: int
    budget: HbmBudget | None
    weight_bytes: int | None = None
    kv_cache_dtype: str | None = None
    moe_kernel: str | None = None
    visible_bytes: int | None = None
    args_unreadable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What devices cost and may cost, in US dollars an hour. `None`: the catalogue's; no budget."""

    device_usd_per_hour: float | None = None
    budget_usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayQueries:
    """PromQL that counts the requests in front of the replicas: those waiting, and those lost.

    `server` names the Prometheus that is asked, "" the default one.
    """

    waiting: str
    lost: str | None
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One V4Deployment as the stages see it.

    `metrics_server` names the Prometheus that has the metrics ("": the default one); without one
    the engines are scraped. `replicas` is the count that a person asks for where nobody else sets
    it (Recommend, Disabled). `gateway` is what tells of requests held back in front of them.
    """

    key: Key
    generation: int
    memory: MemoryPlan
    enforce_hbm: bool
    scaling: Scaling
    objectives: Objectives
    endpoints: tuple[str, ...]
    metrics_port: int
    metrics_path: str
    metrics_interval_seconds: float
    replicas: int | None = None
    cost: Cost = Cost()
    rollout: Rollout = Rollout()
    metrics_server: str | None = None
    gateway: GatewayQueries | None = None
