"""What is known about checkpoints, accelerators and engines before anything runs.

Values only; `v4operator.catalogue` reads and checks the data files and makes these.
"""

from dataclasses import dataclass, field

from v4operator.model.figures import Figure
from v4operator.model.published import Provenance, Published
from v4operator.model.step import StepTime


@dataclass(frozen=True, slots=True, kw_only=True)
class KvLayout:
    """KV cache of one architecture: entries per layer kind (v4-capacity 2.1 and 2.2)."""

    layers: int
    swa_only_layers: int
    csa_layers: int
    hca_layers: int
    entry_bytes: int
    indexer_bytes: int
    window_tokens: int
    state_bytes_per_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights in bytes, split by how they are sharded. `draft_bytes` is MTP or DSpark."""

    experts_bytes: Figure
    dense_bytes: Figure
    tensor_replicated_bytes: Figure
    draft_bytes: Figure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeWork:
    """What one decoded token touches (published configuration), for the roofline.

    `indexer_top_k` is how many compressed entries a CSA layer reads, `embedding_bytes` the table
    that is looked up, not read, and `active_parameters` those that a token multiplies.
    """

    active_experts: int
    indexer_top_k: int
    embedding_bytes: Figure
    active_parameters: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One published checkpoint. A `None` field is a figure that nobody has published.

    `max_attention_tensor` is the number of output groups, which attention tensor parallelism must
    divide. `draft` names the speculative head that comes with it (mtp, dspark). `engine_minimum`
    holds (engine, version) where a later release is needed than for the family.
    """

    name: str
    family: str
    aliases: tuple[str, ...]
    max_context_tokens: int
    max_attention_tensor: int | None
    weights: Weights | None
    total_bytes: Figure | None
    kv: KvLayout | None
    expert_format: str
    requires: tuple[str, ...]
    note: str | None
    routed_experts: int | None = None
    draft: str | None = None
    engine_minimum: tuple[tuple[str, str], ...] = ()
    parameters: Figure | None = None
    decode: DecodeWork | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakRates:
    """Dense peak of one device in operations a second; `None`: the format has no tensor cores."""

    bf16: float
    fp8: float | None
    fp4: float | None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device. `visible_bytes` is what CUDA (or the driver of that vendor) can allocate.

    `formats` are the expert formats that upstream engines have kernels for (none: unsupported);
    `engines` bounds the engines that run on it (empty: any).
    """

    name: str
    aliases: tuple[str, ...]
    vendor: str
    nominal_bytes: int
    driver_bytes: Figure | None
    visible_bytes: Figure | None
    bandwidth_bytes_per_second: Figure | None
    price_usd_per_hour: Figure | None
    formats: tuple[str, ...]
    architecture: str
    note: str | None
    engines: tuple[str, ...] = ()
    peak: PeakRates | None = None
    link_bytes_per_second: Figure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDefault:
    """The MoE kernel that an engine picks for 4-bit experts on Hopper, from one release on."""

    since: str
    kernel: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedTokens:
    """Default tokens per prefill batch on devices of at least `minimum_bytes`."""

    minimum_bytes: int
    tokens: Figure
    except_accelerators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLayout:
    """vLLM's KV block of 256 tokens for one family and indexer format, from one release on.

    `batches_in_flight` is how many batches the planner reserves for at start without pipeline
    stages. The release stands in `block_bytes.engine_version`.
    """

    family: str
    indexer: str
    block_bytes: Figure
    batches_in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLayout:
    """SGLang's three pools for one family, in bytes, from one release on.

    Per token of the full pool, per slot of the sliding-window pool (also with speculative
    decoding), and per request slot of the C128 state. The release stands in
    `full_token_bytes.engine_version`.
    """

    family: str
    full_token_bytes: Figure
    window_slot_bytes: Figure
    window_slot_speculative_bytes: Figure
    request_slot_bytes: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMemory:
    """What an engine reserves and how, as data; the arithmetic is in `estimate`.

    `memory_fractions` is empty where the engine computes its default from the device.
    `context_bytes` is in use before the engine measures what is free.
    """

    memory_fractions: tuple[Figure, ...]
    overhead_low_bytes: Figure
    overhead_central_bytes: Figure
    overhead_high_bytes: Figure
    context_bytes: Figure | None
    batched_tokens: tuple[BatchedTokens, ...]
    running_requests: Figure
    blocks: tuple[BlockLayout, ...]
    pools: tuple[PoolLayout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """One serving engine. `memory` is `None` where no memory model of it is known.

    `newest_version` is the newest release whose source the figures were read from.
    """

    name: str
    aliases: tuple[str, ...]
    minimum_version: str | None
    newest_version: str | None
    kernels: tuple[KernelDefault, ...]
    memory: EngineMemory | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFactor:
    """How much the weights grow while an engine loads them; `None` matches everything."""

    architecture: str
    kernel: str | None
    family: str | None
    factor: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceProfile:
    """Fitted step-time law of one checkpoint on one device and number of them.

    `layout` is the label of what was measured, where one was: recipes mix layouts.
    `kv_capacity_tokens` is what the benchmarked replica held, where that was published: prompts and
    answers of all running requests together.
    """

    checkpoint: str
    engine: str
    accelerator: str
    devices: int
    step: StepTime
    max_running_requests: int
    source: Figure
    note: str | None
    kv_capacity_tokens: Figure | None = None
    layout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All of it, by name; aliases are resolved by `v4operator.catalogue`."""

    checkpoints: tuple[Checkpoint, ...]
    accelerators: tuple[Accelerator, ...]
    profiles: tuple[PerformanceProfile, ...]
    engines: tuple[EngineEntry, ...] = ()
    load_factors: tuple[LoadFactor, ...] = ()
    published: Published = field(default_factory=Published)
