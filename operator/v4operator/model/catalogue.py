"""What is known about checkpoints, accelerators and engines before anything runs.

Values only; `v4operator.catalogue` reads and checks the data files and makes these.
"""

from dataclasses import dataclass

from v4operator.model.figures import Figure
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
class Checkpoint:
    """One published checkpoint. A `None` field is a figure that nobody has published."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device. `visible_bytes` is what CUDA (or the driver of that vendor) can allocate."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceProfile:
    """Fitted step-time law of one checkpoint on one device and layout."""

    checkpoint: str
    engine: str
    accelerator: str
    devices: int
    step: StepTime
    max_running_requests: int
    source: Figure
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All of it, by name; aliases are resolved by `v4operator.catalogue`."""

    checkpoints: tuple[Checkpoint, ...]
    accelerators: tuple[Accelerator, ...]
    profiles: tuple[PerformanceProfile, ...]
