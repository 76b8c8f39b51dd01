"""What a V4Deployment serves: the model, the engine, and the devices of one replica."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from v4operator.api.fields import Memory, Spec, broken
from v4operator.api.markers import Atomic, Cel, PrinterColumn, Selectable, rules

# Rules that span fields: each also stands in a validator below, with the same words.
_ONE_MODEL = Cel(
    rule="has(self.checkpoint) != has(self.custom)",
    message="exactly one of checkpoint and custom",
)
_ONE_NODE = Cel(
    rule="self.nodes == 1",
    message="1: a replica that spans nodes is not served yet",
    field_path=".nodes",
)


class CustomModel(Spec):
    """A fine-tune: same architecture as a published checkpoint, weights of its own size."""

    base: Annotated[str, Field(max_length=200, description="The checkpoint it was tuned from.")]
    weight_bytes: Annotated[Memory, Field(description="Size of its weights, such as 160GB.")]


class ModelSpec(Spec):
    """Which model is served."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_MODEL))

    checkpoint: Annotated[
        str | None,
        Field(max_length=200, description="Published checkpoint, by its name in the catalogue."),
        Selectable(),
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
            raise broken(_ONE_MODEL.message)
        return self


class MetricsEndpoint(Spec):
    """Where an engine answers with its metrics."""

    port: Annotated[
        int | None,
        Field(
            ge=1,
            le=65535,
            description="Default: 30000 SGLang, 8080 llama.cpp, 8000 all others.",
        ),
    ] = None
    path: Annotated[
        str | None,
        Field(
            max_length=200,
            pattern=r"^/",
            description="Path of the metrics. Default: /v1/metrics NIM, /metrics all others.",
        ),
    ] = None


class EngineSpec(Spec):
    """Which engine serves it."""

    name: Annotated[
        Literal["sglang", "vllm", "vllm-ascend", "nim", "llamacpp", "mlx"],
        Field(description="The serving engine."),
        PrinterColumn(name="Engine"),
        Selectable(),
    ]
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
        Atomic(),
    ] = Field(default_factory=list)
    metrics: Annotated[MetricsEndpoint, Field(description="Where it answers with metrics.")] = (
        MetricsEndpoint()
    )


class AcceleratorSpec(Spec):
    """The devices of one replica."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_NODE))

    product: Annotated[
        str,
        Field(max_length=200, description="Catalogue id or node-label product name."),
        Selectable(),
    ]
    count: Annotated[int, Field(ge=1, le=1024, description="Devices per replica.")]
    nodes: Annotated[
        int, Field(ge=1, le=64, description="Nodes that one replica spans. Reserved: only 1.")
    ] = 1

    @model_validator(mode="after")
    def _one_node(self) -> Self:
        if self.nodes != 1:
            raise broken(_ONE_NODE.message)
        return self


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
