"""The data files as they are written, checked on entry, and made into frozen values.

Knows no file names and resolves no aliases. Field names in the files are camelCase with the unit.
"""

from typing import Literal

from pydantic import Field

from v4operator.catalogue.engine_schema import EngineRecord
from v4operator.catalogue.published_schema import (
    AnswerLengthRecord,
    ApiPriceRecord,
    ColdStartRecord,
    LatencyFitRecord,
    LaunchShapeRecord,
    MeasurementRecord,
    PriceRecord,
    SourcedRecord,
    ThroughputRecord,
)
from v4operator.catalogue.record import FigureRecord, Record, optional
from v4operator.model.catalogue import (
    Accelerator,
    DecodeWork,
    KvLayout,
    LoadFactor,
    PeakRates,
    PerformanceProfile,
    Weights,
)
from v4operator.model.figures import Figure
from v4operator.model.step import StepTime
from v4operator.model.units import GB, GIB, MIB

_BILLION, _TERA = 1e9, 1e12


class KvRecord(Record):
    """KV layout of one architecture."""

    layers: int = Field(gt=0)
    swa_only_layers: int = Field(ge=0)
    csa_layers: int = Field(ge=0)
    hca_layers: int = Field(ge=0)
    entry_bytes: int = Field(gt=0)
    indexer_bytes: int = Field(gt=0)
    window_tokens: int = Field(gt=0)
    state_bytes_per_sequence: int = Field(ge=0)

    def value(self) -> KvLayout:
        """The frozen value."""
        return KvLayout(**self.model_dump())


class WeightsRecord(Record):
    """Weights of one checkpoint by how they are sharded."""

    experts_gb: FigureRecord
    dense_gb: FigureRecord
    tensor_replicated_gb: FigureRecord
    draft_gb: FigureRecord | None = None

    def value(self) -> Weights:
        """The frozen value, in bytes."""
        return Weights(
            experts_bytes=self.experts_gb.scaled(GB),
            dense_bytes=self.dense_gb.scaled(GB),
            tensor_replicated_bytes=self.tensor_replicated_gb.scaled(GB),
            draft_bytes=optional(self.draft_gb, GB),
        )


class DecodeRecord(Record):
    """What one decoded token touches."""

    active_experts: int = Field(gt=0)
    indexer_top_k: int = Field(gt=0)
    embedding_gb: FigureRecord
    active_parameters_b: FigureRecord

    def value(self) -> DecodeWork:
        """The frozen value, in bytes and parameters."""
        return DecodeWork(
            active_experts=self.active_experts,
            indexer_top_k=self.indexer_top_k,
            embedding_bytes=self.embedding_gb.scaled(GB),
            active_parameters=self.active_parameters_b.scaled(_BILLION),
        )


class CheckpointRecord(Record):
    """One checkpoint as written; with `base`, only what differs need be."""

    name: str = Field(min_length=1)
    base: str | None = None
    aliases: tuple[str, ...] = ()
    family: str | None = None
    expert_format: str | None = None
    max_context_tokens: int | None = Field(default=None, gt=0)
    max_attention_tensor: int | None = Field(default=None, gt=0)
    routed_experts: int | None = Field(default=None, gt=0)
    draft: Literal["mtp", "dspark"] | None = None
    engine_minimum: dict[str, str] = Field(default_factory=dict)
    requires: tuple[str, ...] = ()
    weights: WeightsRecord | None = None
    total_gb: FigureRecord | None = None
    weight_bytes: int | None = Field(default=None, gt=0)
    kv: KvRecord | None = None
    parameters_b: FigureRecord | None = None
    decode: DecodeRecord | None = None
    note: str | None = None


class PeakRecord(SourcedRecord):
    """Dense peaks in tera-operations a second."""

    bf16: float = Field(gt=0)
    fp8: float | None = Field(default=None, gt=0)
    fp4: float | None = Field(default=None, gt=0)

    def value(self) -> PeakRates:
        """The frozen value, in operations a second."""
        return PeakRates(
            bf16=self.bf16 * _TERA,
            fp8=self.fp8 * _TERA if self.fp8 else None,
            fp4=self.fp4 * _TERA if self.fp4 else None,
            provenance=self.provenance(),
        )


class AcceleratorRecord(Record):
    """One device as written."""

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    vendor: str
    architecture: str
    nominal_gb: int = Field(gt=0)
    formats: tuple[str, ...]
    engines: tuple[str, ...] = ()
    driver_mib: FigureRecord | None = None
    visible_gib: FigureRecord | None = None
    visible_mib: FigureRecord | None = None
    bandwidth_tbs: FigureRecord | None = None
    link_gbs: FigureRecord | None = None
    peak_teraflops: PeakRecord | None = None
    note: str | None = None

    def value(self, price: Figure | None) -> Accelerator:
        """The frozen value, in bytes; the price comes from a file of its own."""
        visible = optional(self.visible_gib, GIB) or optional(self.visible_mib, MIB)
        return Accelerator(
            name=self.name,
            aliases=self.aliases,
            vendor=self.vendor,
            nominal_bytes=self.nominal_gb * GB,
            driver_bytes=optional(self.driver_mib, MIB),
            visible_bytes=visible,
            bandwidth_bytes_per_second=optional(self.bandwidth_tbs, _TERA),
            price_usd_per_hour=price,
            formats=self.formats,
            architecture=self.architecture,
            note=self.note,
            engines=self.engines,
            peak=self.peak_teraflops.value() if self.peak_teraflops else None,
            link_bytes_per_second=optional(self.link_gbs, GB),
        )


class ProfileRecord(Record):
    """One fitted step-time law as written."""

    checkpoint: str
    engine: str
    accelerator: str
    devices: int = Field(gt=0)
    base_ms: float = Field(ge=0)
    per_sequence_ms: float = Field(ge=0)
    per_kv_token_ns: float = Field(ge=0)
    per_prefill_token_us: float = Field(ge=0)
    max_running: int = Field(gt=0)
    mean_error: FigureRecord
    kv_capacity_tokens: FigureRecord | None = None
    layout: str | None = None
    note: str | None = None

    def value(self) -> PerformanceProfile:
        """The frozen value, in seconds."""
        return PerformanceProfile(
            checkpoint=self.checkpoint,
            engine=self.engine,
            accelerator=self.accelerator,
            devices=self.devices,
            step=StepTime(
                base_seconds=self.base_ms * 1e-3,
                per_sequence_seconds=self.per_sequence_ms * 1e-3,
                per_kv_token_seconds=self.per_kv_token_ns * 1e-9,
                per_prefill_token_seconds=self.per_prefill_token_us * 1e-6,
            ),
            max_running_requests=self.max_running,
            source=self.mean_error.scaled(),
            note=self.note,
            kv_capacity_tokens=optional(self.kv_capacity_tokens, 1.0),
            layout=self.layout,
        )


class LoadFactorRecord(Record):
    """Growth of weights while loading."""

    architecture: str
    kernel: str | None = None
    family: str | None = None
    factor: FigureRecord

    def value(self) -> LoadFactor:
        """The frozen value."""
        return LoadFactor(
            architecture=self.architecture,
            kernel=self.kernel,
            family=self.family,
            factor=self.factor.scaled(),
        )


class CatalogueFile(Record):
    """A file of the user's own: any of the lists."""

    checkpoints: tuple[CheckpointRecord, ...] = ()
    accelerators: tuple[AcceleratorRecord, ...] = ()
    prices: tuple[PriceRecord, ...] = ()
    profiles: tuple[ProfileRecord, ...] = ()
    engines: tuple[EngineRecord, ...] = ()
    load_factors: tuple[LoadFactorRecord, ...] = ()
    throughput: tuple[ThroughputRecord, ...] = ()
    measurements: tuple[MeasurementRecord, ...] = ()
    latency_fits: tuple[LatencyFitRecord, ...] = ()
    api_prices: tuple[ApiPriceRecord, ...] = ()
    cold_starts: tuple[ColdStartRecord, ...] = ()
    launch_shapes: tuple[LaunchShapeRecord, ...] = ()
    answer_lengths: tuple[AnswerLengthRecord, ...] = ()
