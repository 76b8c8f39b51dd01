"""The V4Deployment resource, `v4serving.dev/v1alpha1`: the spec as a person writes it.

The single source of the CRD. Every field has a description, every default its reason. Rules that
span fields stand in validators here; what a catalogue must know (is there such a checkpoint?) is
checked in `manifest`. v1alpha1 changes by addition only.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from v4operator.api.quantity import parse_duration, parse_memory, parse_memory_budget
from v4operator.model.deployment import HbmBudget, ScalingMode

GROUP = "v4serving.dev"
API_VERSION = f"{GROUP}/v1alpha1"
KIND = "V4Deployment"

# What the engines listen on unless told otherwise (vLLM 0.33, SGLang 0.5.23).
DEFAULT_METRICS_PORT = {"sglang": 30000, "vllm": 8000}


def _amount(parse: Any) -> BeforeValidator:
    """Accept the text form only: a bare number would leave its unit to be guessed."""

    def from_text(value: Any) -> Any:
        if isinstance(value, str):
            return parse(value)
        raise PydanticCustomError(
            "amount", "{allowed}", {"allowed": "text with a unit, in quotes", "nearest": None}
        )

    return BeforeValidator(from_text)


Duration = Annotated[float, _amount(parse_duration), Field(gt=0)]
Memory = Annotated[int, _amount(parse_memory)]
Budget = Annotated[HbmBudget, _amount(parse_memory_budget)]


class Spec(BaseModel):
    """What all parts of the resource share: camelCase outside, nothing unknown, nothing changed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        validate_default=False,
    )


class CustomModel(Spec):
    """A fine-tune: same architecture as a published checkpoint, weights of its own size."""

    base: Annotated[str, Field(max_length=200, description="The checkpoint it was tuned from.")]
    weight_bytes: Annotated[Memory, Field(description="Size of its weights, such as 160GB.")]


class ModelSpec(Spec):
    """Which model is served."""

    checkpoint: Annotated[
        str | None,
        Field(max_length=200, description="Published checkpoint, by its name in the catalogue."),
    ] = None
    custom: Annotated[
        CustomModel | None, Field(description="A fine-tune, instead of `checkpoint`.")
    ] = None
    max_context_tokens: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_048_576,
            description="Longest context a request may have. Default: the engine's argument, "
            "else the checkpoint's own maximum.",
        ),
    ] = None
    kv_cache_dtype: Annotated[
        Literal["auto", "fp8", "fp8_ds_mla", "bf16"],
        Field(description="Format of the KV cache. Default auto: the engine's own choice."),
    ] = "auto"

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.checkpoint is None) == (self.custom is None):
            raise _rule("exactly one of checkpoint and custom")
        return self


class MetricsEndpoint(Spec):
    """Where an engine answers with its metrics."""

    port: Annotated[
        int | None, Field(ge=1, le=65535, description="Default: 30000 SGLang, 8000 vLLM.")
    ] = None
    path: Annotated[
        str, Field(max_length=200, pattern=r"^/", description="Path of the metrics.")
    ] = "/metrics"


class EngineSpec(Spec):
    """Which engine serves it."""

    name: Annotated[Literal["sglang", "vllm"], Field(description="The serving engine.")]
    version: Annotated[
        str | None,
        Field(
            max_length=60,
            description="Its version, such as 0.5.23. Default: what the running engine reports, "
            "else the newest that the catalogue knows.",
        ),
    ] = None
    args: Annotated[
        list[Annotated[str, Field(max_length=4096)]],
        Field(max_length=200, description="Arguments of the engine beyond those rendered."),
    ] = []
    metrics: Annotated[MetricsEndpoint, Field(description="Where it answers with metrics.")] = (
        MetricsEndpoint()
    )


class AcceleratorSpec(Spec):
    """The devices of one replica."""

    product: Annotated[
        str, Field(max_length=200, description="Catalogue id or node-label product name.")
    ]
    count: Annotated[int, Field(ge=1, le=1024, description="Devices per replica.")]


class ParallelismSpec(Spec):
    """How one replica is spread over its devices."""

    tensor: Annotated[
        int | None,
        Field(
            ge=1,
            le=1024,
            description="Attention tensor parallelism within one data-parallel rank. "
            "Default: the devices that data and pipeline leave.",
        ),
    ] = None
    data: Annotated[int, Field(ge=1, le=1024, description="Data-parallel attention ranks.")] = 1
    pipeline: Annotated[int, Field(ge=1, le=64, description="Pipeline stages.")] = 1
    expert: Annotated[bool, Field(description="Spread routed experts over all devices.")] = False


class TargetRef(Spec):
    """An existing workload to adopt."""

    api_version: Annotated[str, Field(max_length=200, description="Such as apps/v1.")]
    kind: Annotated[str, Field(max_length=100, description="Such as Deployment.")]
    name: Annotated[str, Field(max_length=253, description="Name in the same namespace.")]


class WorkloadSpec(Spec):
    """What runs the replicas: exactly one of the three."""

    template: Annotated[
        dict[str, Any] | None, Field(description="Pod template of a Deployment to own.")
    ] = None
    target_ref: Annotated[TargetRef | None, Field(description="A workload to adopt.")] = None
    endpoints: Annotated[
        list[Annotated[str, Field(max_length=2048, pattern=r"^https?://")]] | None,
        Field(max_length=500, description="Engines by address; they are watched, not scaled."),
    ] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.template, self.target_ref, self.endpoints]
        if sum(part is not None for part in given) != 1:
            raise _rule("exactly one of template, targetRef and endpoints")
        return self


class BehaviorSpec(Spec):
    """Pace of scaling."""

    shrink_window: Annotated[
        Duration,
        Field(
            description="A shrink goes no lower than the highest recommendation of this window. "
            "Default 10m: longer than an 8-minute start, so that a dip shorter than a start "
            "costs nothing."
        ),
    ] = 600.0
    drain_timeout: Annotated[
        Duration,
        Field(
            description="How long a replica that is taken out may finish its requests. "
            "Default 10m: a reasoning answer of 16k tokens at 33 ms takes nine minutes."
        ),
    ] = 600.0


class ScalingSpec(Spec):
    """Who sets the number of replicas, and within which bounds."""

    mode: Annotated[
        ScalingMode,
        Field(description="Automatic scales, Recommend only says what it would do, Disabled looks"),
    ] = ScalingMode.AUTOMATIC
    min_replicas: Annotated[
        int, Field(ge=0, le=1000, description="Never fewer. Default 1: scale to zero is not asked.")
    ] = 1
    max_replicas: Annotated[
        int,
        Field(ge=1, le=1000, description="Never more. Default 10: a bound on the bill until set."),
    ] = 10
    paused: Annotated[bool, Field(description="Keep watching, change nothing.")] = False
    behavior: Annotated[BehaviorSpec, Field(description="Pace of scaling.")] = BehaviorSpec()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise _rule(
                f"minReplicas <= maxReplicas (they are {self.min_replicas} and {self.max_replicas})"
            )
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

    source: Annotated[
        Literal["Scrape"], Field(description="Scrape: straight from the engines.")
    ] = "Scrape"
    interval: Annotated[
        Duration,
        Field(ge=1, le=60, description="Between two readings. Default 5s: a scrape costs 1 ms."),
    ] = 5.0


class V4DeploymentSpec(Spec):
    """What is served, on what, and what is promised."""

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
    metrics: Annotated[MetricsSpec, Field(description="How the replicas are observed.")] = (
        MetricsSpec()
    )


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


def _rule(allowed: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{allowed}", {"allowed": allowed, "nearest": None})
