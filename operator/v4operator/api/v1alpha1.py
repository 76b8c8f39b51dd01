"""The V4Deployment resource, `v4serving.dev/v1alpha1`: the spec as a person writes it.

The single source of the CRD. Every field has a description, every default its reason. Rules that
span fields stand in validators here; what a catalogue must know (is there such a checkpoint?) is
checked in `manifest`. v1alpha1 changes by addition only.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from v4operator.api.cost import CostSpec
from v4operator.api.demand import DemandSpec
from v4operator.api.fields import Budget, Duration, EntryName, Spec, broken
from v4operator.api.markers import Atomic, Cel, Preserved, rules
from v4operator.api.scaling import ScalingSpec
from v4operator.api.serving import AcceleratorSpec, EngineSpec, ModelSpec, ParallelismSpec

GROUP = "v4serving.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "V4Deployment"

# What the engines listen on unless told otherwise (vLLM 0.33, SGLang 0.5.23, NIM LLM 2.0, llama.cpp
# 0c1e570, vllm-mlx 0.6.0, which is the MLX server that has metrics).
DEFAULT_METRICS_PORT = {
    "sglang": 30000,
    "vllm": 8000,
    "vllm-ascend": 8000,
    "nim": 8000,
    "llamacpp": 8080,
    "mlx": 8000,
}
# NIM serves its metrics, its own (1.x) or its backend's (2.x), under its API.
DEFAULT_METRICS_PATH = dict.fromkeys(DEFAULT_METRICS_PORT, "/metrics") | {"nim": "/v1/metrics"}

# Rules that span fields: each also stands in a validator below, with the same words.
_ONE_WORKLOAD = Cel(
    rule="[has(self.template), has(self.targetRef), has(self.endpoints)]"
    ".filter(given, given).size() == 1",
    message="exactly one of template, targetRef and endpoints",
)
_ROLLOUT_MOVES = Cel(
    rule="self.maxSurge + self.maxUnavailable > 0",
    message="maxSurge and maxUnavailable are not both 0",
)
# Said in Python by `manifest`, which knows the product that is meant.
_WHOLE_LAYOUT = Cel(
    rule="self.parallelism.data * self.parallelism.pipeline * (has(self.parallelism.tensor) ? "
    "self.parallelism.tensor : self.accelerator.count / "
    "(self.parallelism.data * self.parallelism.pipeline)) == self.accelerator.count",
    message="tensor x data x pipeline = accelerator.count",
    field_path=".parallelism",
)
_ENTRY_OF_PROMETHEUS = Cel(
    rule="!has(self.prometheus) || self.source == 'Prometheus'",
    message="prometheus is named only where source is Prometheus",
)
_INTERVAL_BOUNDED = Cel(
    rule="duration(self) >= duration('1s') && duration(self) <= duration('60s')",
    message="between 1s and 60s",
)


class TargetRef(Spec):
    """An existing workload to adopt."""

    api_version: Annotated[str, Field(max_length=200, description="Such as apps/v1.")]
    kind: Annotated[str, Field(max_length=100, description="Such as Deployment.")]
    name: Annotated[str, Field(max_length=253, description="Name in the same namespace.")]


class RolloutSpec(Spec):
    """How the replicas of an owned Deployment are replaced when its template changes."""

    model_config = ConfigDict(json_schema_extra=rules(_ROLLOUT_MOVES))

    max_surge: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Replicas above the count. Default 0: a successor needs no spare device.",
        ),
    ] = 0
    max_unavailable: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Replicas below the count. Default 1: one at a time makes room.",
        ),
    ] = 1

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if not self.max_surge and not self.max_unavailable:
            raise broken(_ROLLOUT_MOVES.message)
        return self


class WorkloadSpec(Spec):
    """What runs the replicas: exactly one of the three."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_WORKLOAD))

    template: Annotated[
        dict[str, Any] | None,
        Field(
            max_length=8,  # a pod template has four
            description="Pod template of a Deployment to own: metadata and spec as a Pod has them.",
        ),
        Preserved(),
    ] = None
    target_ref: Annotated[TargetRef | None, Field(description="A workload to adopt.")] = None
    endpoints: Annotated[
        list[Annotated[str, Field(max_length=2048, pattern=r"^https?://")]] | None,
        Field(max_length=500, description="Engines by address; they are watched, not scaled."),
        Atomic(),
    ] = None
    rollout: Annotated[
        RolloutSpec, Field(description="Of an owned Deployment: how its replicas are replaced.")
    ] = RolloutSpec()

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.template, self.target_ref, self.endpoints]
        if sum(part is not None for part in given) != 1:
            raise broken(_ONE_WORKLOAD.message)
        return self


class ObjectivesSpec(Spec):
    """What a request is promised."""

    ttft: Annotated[
        Duration, Field(description="Time to first token. Default 2s: interactive use.")
    ] = 2.0
    inter_token_latency: Annotated[
        Duration,
        Field(description="Mean time per output token. Default 33ms: 30 tokens a second."),
    ] = 0.033
    attainment: Annotated[
        float, Field(gt=0, lt=1, description="Share of requests that must meet both. Default 0.99")
    ] = 0.99


class HbmPolicy(StrEnum):
    """What happens at apply when the budget is exceeded."""

    WARN = "Warn"
    ENFORCE = "Enforce"


class HbmSpec(Spec):
    """The memory budget of each device."""

    policy: Annotated[
        HbmPolicy, Field(description="Warn (default) tells, Enforce refuses at apply.")
    ] = HbmPolicy.WARN
    budget: Annotated[
        Budget | None,
        Field(
            description="Per device: a share of the visible bytes (90%) or bytes (130Gi, 130GB). "
            "Default: the engine's own fraction. The smaller of both counts."
        ),
    ] = None
    concurrency: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Requests of maxContextTokens that one replica must hold at once. "
            "Default 1: the least that makes the context usable.",
        ),
    ] = 1


class MetricsSpec(Spec):
    """How the replicas are observed."""

    model_config = ConfigDict(json_schema_extra=rules(_ENTRY_OF_PROMETHEUS))

    source: Annotated[
        Literal["Scrape", "Prometheus"],
        Field(
            description="Scrape (default): straight from the engines. Prometheus: from a server of "
            "the operator's settings that scrapes them, at that server's own pace."
        ),
    ] = "Scrape"
    prometheus: Annotated[
        EntryName | None,
        Field(
            description="Name of that server's entry in the operator's settings. Default: the "
            "entry that is the default there, or the only one.",
        ),
    ] = None
    interval: Annotated[
        Duration,
        Field(ge=1, le=60, description="Between two readings. Default 5s: a scrape costs 1 ms."),
        _INTERVAL_BOUNDED,
    ] = 5.0

    @property
    def server(self) -> str | None:
        """The entry that is asked, "" the default one; `None` where engines are scraped."""
        return (self.prometheus or "") if self.source == "Prometheus" else None

    @model_validator(mode="after")
    def _entry_of_prometheus(self) -> Self:
        if self.prometheus is not None and self.source != "Prometheus":
            raise broken(_ENTRY_OF_PROMETHEUS.message)
        return self


class V4DeploymentSpec(Spec):
    """What is served, on what, and what is promised."""

    model_config = ConfigDict(json_schema_extra=rules(_WHOLE_LAYOUT))

    model: Annotated[ModelSpec, Field(description="Which model is served.")]
    engine: Annotated[EngineSpec, Field(description="Which engine serves it.")]
    accelerator: Annotated[AcceleratorSpec, Field(description="The devices of one replica.")]
    parallelism: Annotated[ParallelismSpec, Field(description="Spread over the devices.")] = (
        ParallelismSpec()
    )
    workload: Annotated[WorkloadSpec, Field(description="What runs the replicas.")]
    replicas: Annotated[
        int | None,
        Field(ge=0, le=1000, description="Recommend and Disabled only: the count to keep."),
    ] = None
    scaling: Annotated[ScalingSpec, Field(description="The number of replicas.")] = ScalingSpec()
    objectives: Annotated[ObjectivesSpec, Field(description="What a request is promised.")] = (
        ObjectivesSpec()
    )
    hbm: Annotated[HbmSpec, Field(description="The memory budget of each device.")] = HbmSpec()
    cost: Annotated[CostSpec, Field(description="What devices cost and may cost.")] = CostSpec()
    metrics: Annotated[MetricsSpec, Field(description="How the replicas are observed.")] = (
        MetricsSpec()
    )
    demand: Annotated[
        DemandSpec | None,
        Field(description="What waits in front of the replicas. Default: nothing is held there."),
    ] = None


class ObjectMeta(BaseModel):
    """The part of an object's metadata that is read; the rest passes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "default"
    generation: int = 1


class V4Deployment(Spec):
    """One V4Deployment as it stands in a manifest."""

    api_version: Literal["v4serving.dev/v1alpha1"]
    kind: Literal["V4Deployment"]
    metadata: ObjectMeta
    spec: V4DeploymentSpec
    status: Any = None
