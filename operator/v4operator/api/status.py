"""The status of a V4Deployment, as people and `kubectl` read it.

The schema of what `report` writes; nothing is computed here. A figure that may be null and has no
default says by null that it is not known, which is another thing than 0. No part of it is required,
so that an older operator may write under a newer schema.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from v4operator.api.markers import Atomic, ListMap, PrinterColumn

# Characters: names of pods and addresses, named reasons, and sentences (the server's own bound on
# the message of a condition is 32768; ours are a few hundred).
Name = Annotated[str, Field(max_length=2048)]
Word = Annotated[str, Field(max_length=253)]
Sentence = Annotated[str, Field(max_length=32768)]
# Replicas that scaling may ask for; findings and rules that a decision can name are a few dozen.
_REPLICAS, _LISTED = 1000, 200


def _nothing_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class StatusPart(BaseModel):
    """What all parts of the status share: camelCase outside, nothing unknown."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        json_schema_extra=_nothing_required,
    )


class ObservedPart(StatusPart):
    """Sums over the replicas with a fresh reading."""

    decode_tokens_per_second: Annotated[
        float | None,
        Field(description="Tokens that are decoded a second."),
    ]
    prompt_tokens_per_second: Annotated[
        float | None, Field(description="Prompt tokens that are taken in a second.")
    ]
    kv_usage_ratio: Annotated[
        float | None,
        Field(description="Mean share of the KV cache in use, 0 to 1."),
    ]
    running_requests: Annotated[float | None, Field(description="Requests that decode now.")]
    waiting_requests: Annotated[float | None, Field(description="Requests that queue inside.")]
    fresh_replicas: Annotated[int, Field(description="Replicas whose reading is not stale.")]
    ready_replicas: Annotated[int, Field(description="Replicas that are ready.")]
    gateway_waiting_requests: Annotated[
        float | None,
        Field(description="Requests that wait in front of them, by spec.demand.query."),
    ]


class CapacityPart(StatusPart):
    """What the capacity model expects of the fleet."""

    expected_tokens_per_second: Annotated[
        float | None, Field(description="Tokens a second expected at this batch and context.")
    ]
    efficiency_ratio: Annotated[float | None, Field(description="Observed over expected.")]
    confidence_ratio: Annotated[float, Field(description="How far the model is trusted, 0 to 1.")]
    sequences_per_replica: Annotated[
        int | None, Field(description="Requests that one replica may run and keep the objective.")
    ]
    decode_tokens_per_second_per_replica: Annotated[
        float | None, Field(description="Tokens a second of one replica at the objective.")
    ]
    bound: Annotated[Word | None, Field(description="What limits a replica at the objective.")]
    demand_replicas: Annotated[float | None, Field(description="Replicas that demand needs now.")]
    horizon_demand_replicas: Annotated[
        float | None, Field(description="Replicas that demand will need at the horizon.")
    ]
    horizon_seconds: Annotated[float, Field(description="How far ahead is looked.")]
    start_up_seconds: Annotated[float, Field(description="Expected time from start to ready.")]


class HbmPart(StatusPart):
    """The verdict on memory, per device."""

    verdict: Annotated[Word, Field(description="fits, fits-tight, or what fails first.")]
    sentence: Annotated[Sentence, Field(description="The verdict with its figures.")]
    budget_bytes: Annotated[int | None, Field(description="What may be filled.")]
    required_bytes: Annotated[int | None, Field(description="What is asked for.")]
    weights_bytes: Annotated[int | None, Field(description="Weights after loading.")]
    kv_cache_bytes: Annotated[int | None, Field(description="Left for KV at central overhead.")]
    max_concurrency: Annotated[
        int | None, Field(description="Requests of the maximum context that one replica holds.")
    ]


class ThroughputPart(StatusPart):
    """The verdict on the fleet's speed."""

    verdict: Annotated[Word, Field(description="Healthy, or what is wrong.")]
    replica: Annotated[Name | None, Field(description="The replica that it names, if any.")]
    sentence: Annotated[Sentence, Field(description="The verdict with its figures.")]


class ReplicaPart(StatusPart):
    """One replica."""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})

    name: Annotated[Name, Field(description="Its pod, or its address.")]
    phase: Annotated[Word, Field(description="Where it is in its life.")]
    routable: Annotated[bool, Field(description="Whether new requests are sent to it.")]
    tokens_per_second: Annotated[float | None, Field(description="Tokens it decodes a second.")]
    expected_tokens_per_second: Annotated[
        float | None, Field(description="Tokens a second expected at its batch and context.")
    ]
    efficiency_ratio: Annotated[float | None, Field(description="Observed over expected.")]
    running_requests: Annotated[float | None, Field(description="Requests that decode now.")]
    waiting_requests: Annotated[float | None, Field(description="Requests that queue inside.")]
    kv_usage_ratio: Annotated[float | None, Field(description="Share of its KV cache in use.")]
    age_seconds: Annotated[float | None, Field(description="Age of its last reading.")]
    unknown: Annotated[Sentence | None, Field(description="Why there is no fresh reading.")]
    verdict: Annotated[Word, Field(description="How it decodes.")]
    sentence: Annotated[Sentence | None, Field(description="The verdict with its figures.")]


class VetoPart(StatusPart):
    """A rule that bounded the decision."""

    reason: Annotated[Word, Field(description="Its name.")]
    message: Annotated[Sentence, Field(description="What it says here.")]


class DecisionPart(StatusPart):
    """The last decision in short; the full record is logged."""

    time: Annotated[
        str, Field(description="Since when.", json_schema_extra={"format": "date-time"})
    ]
    action: Annotated[Word, Field(description="hold, grow or shrink.")]
    current: Annotated[int | None, Field(description="Replicas that the workload held.")]
    wanted: Annotated[int | None, Field(description="Replicas that the forecast asks for.")]
    desired: Annotated[int | None, Field(description="Replicas that are asked of the workload.")]
    reason: Annotated[Word, Field(description="The reason's name.")]
    sentence: Annotated[Sentence, Field(description="What was decided, and why.")]
    vetoes: Annotated[
        list[VetoPart],
        Field(max_length=_LISTED, description="Rules that bounded it."),
        Atomic(),
    ]
    alternative: Annotated[Sentence | None, Field(description="What was rejected, and why.")]


class FindingPart(StatusPart):
    """Something a person should know."""

    reason: Annotated[Word, Field(description="Its name.")]
    message: Annotated[Sentence, Field(description="What was found.")]
    hint: Annotated[Sentence | None, Field(description="What would help.")]


class ConfiguredPart(StatusPart):
    """One value of the effective configuration of an engine."""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})

    name: Annotated[Word, Field(description="What is configured.")]
    value: Annotated[Sentence, Field(description="Its value.")]
    source: Annotated[Name, Field(description="Who says so: engine, a pod, or spec.")]


class ConditionPart(StatusPart):
    """One condition, as Kubernetes has them."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["type", "status", "reason", "message", "lastTransitionTime"]
        }
    )

    type: Annotated[Word, Field(description="What is told, in CamelCase.")]
    status: Annotated[Word, Field(description="True, False or Unknown.")]
    reason: Annotated[Word, Field(description="Why, as one CamelCase word.")]
    message: Annotated[Sentence, Field(description="Why, as a sentence.")]
    last_transition_time: Annotated[
        str,
        Field(
            description="When the status last changed.", json_schema_extra={"format": "date-time"}
        ),
    ]
    observed_generation: Annotated[int, Field(description="Generation of the spec it is about.")]


class ColumnsPart(StatusPart):
    """What `kubectl get` shows; `-` is not known."""

    checkpoint: Annotated[
        Word, Field(description="Without whose it is."), PrinterColumn(name="Checkpoint")
    ]
    tokens_per_second: Annotated[
        Word, Field(description="Tokens that are decoded a second."), PrinterColumn(name="TPS")
    ]
    kv: Annotated[Word, Field(description="KV cache in use."), PrinterColumn(name="KV")]
    hbm: Annotated[
        Word,
        Field(description="What a device holds, else would hold, of its budget."),
        PrinterColumn(name="HBM"),
    ]
    state: Annotated[
        Word, Field(description="Healthy, or what is wrong."), PrinterColumn(name="Status")
    ]


class V4DeploymentStatus(StatusPart):
    """What the operator sees and decides; it writes all of it."""

    observed_generation: Annotated[int, Field(description="Generation of the spec it is about.")]
    replicas: Annotated[int, Field(description="Replicas that are not on their way out.")]
    selector: Annotated[
        Sentence | SkipJsonSchema[None],
        Field(description="Selects the pods; for the scale subresource."),
    ] = None
    desired_replicas: Annotated[
        int | None,
        Field(description="Replicas that are asked of the workload."),
        PrinterColumn(name="Desired"),
    ]
    ready_replicas: Annotated[
        int, Field(description="Replicas that are ready."), PrinterColumn(name="Ready")
    ]
    observed: Annotated[ObservedPart, Field(description="Sums over the fresh replicas.")]
    capacity: Annotated[CapacityPart, Field(description="What the capacity model expects.")]
    hbm: Annotated[HbmPart, Field(description="The verdict on memory, per device.")]
    throughput: Annotated[ThroughputPart, Field(description="The verdict on speed.")]
    replica_statuses: Annotated[
        list[ReplicaPart],
        Field(max_length=_REPLICAS, description="Each replica."),
        ListMap(keys=("name",)),
    ]
    last_decision: Annotated[DecisionPart, Field(description="The last decision in short.")]
    findings: Annotated[
        list[FindingPart],
        Field(max_length=_LISTED, description="What a person should know."),
        Atomic(),
    ]
    configuration: Annotated[
        list[ConfiguredPart],
        Field(
            max_length=_LISTED,
            description="The engine's configuration that is planned with: what the engine reports "
            "over what its pod says over the spec.",
        ),
        ListMap(keys=("name",)),
    ]
    columns: Annotated[ColumnsPart, Field(description="What a row of a list shows.")]
    conditions: Annotated[
        list[ConditionPart],
        Field(max_length=_LISTED, description="The state in Kubernetes' own form."),
        ListMap(keys=("type",)),
    ]
