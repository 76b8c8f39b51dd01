"""Records of what others published: benchmarks, prices, start-up times, recipes.

Field names in the files are camelCase with the unit; the values are in base units.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from v4operator.catalogue.record import FigureRecord, Record, as_written
from v4operator.model.figures import Tag
from v4operator.model.published import (
    AnswerLength,
    ApiPrice,
    ColdStart,
    DevicePrice,
    LatencyFit,
    LaunchShape,
    Measurement,
    Provenance,
    Quantity,
    Terms,
    ThroughputPoint,
    ThroughputSeries,
)

_MILLI, _NANO = 1e-3, 1e-9
_DateText = Annotated[str, BeforeValidator(as_written)]


class SourcedRecord(Record):
    """A row of numbers with one provenance."""

    tag: Tag
    source: str = Field(min_length=1)
    date: _DateText | None = None
    engine_version: str | None = None

    def provenance(self) -> Provenance:
        """The frozen provenance."""
        return Provenance(
            tag=self.tag, source=self.source, date=self.date, engine_version=self.engine_version
        )


class PointRecord(Record):
    """One row of a benchmark."""

    concurrency: int = Field(gt=0)
    recipe: str | None = None
    context_tokens: int | None = Field(default=None, gt=0)
    total_per_device: float | None = Field(default=None, gt=0)
    decode_per_device: float | None = Field(default=None, gt=0)
    ttft_ms: float | None = Field(default=None, gt=0)
    tpot_ms: float | None = Field(default=None, gt=0)

    def value(self) -> ThroughputPoint:
        """The frozen value, in seconds."""
        return ThroughputPoint(
            concurrency=self.concurrency,
            recipe=self.recipe,
            context_tokens=self.context_tokens,
            total_tokens_per_second=self.total_per_device,
            decode_tokens_per_second=self.decode_per_device,
            ttft_seconds=_scaled(self.ttft_ms, _MILLI),
            time_per_token_seconds=_scaled(self.tpot_ms, _MILLI),
        )


class ThroughputRecord(SourcedRecord):
    """One benchmark."""

    checkpoint: str
    engine: str
    accelerator: str
    devices: int = Field(gt=0)
    layout: str | None = None
    speculation: str | None = None
    prompt_tokens: int | None = Field(default=None, gt=0)
    answer_tokens: int | None = Field(default=None, gt=0)
    points: tuple[PointRecord, ...] = Field(min_length=1)
    note: str | None = None

    def value(self) -> ThroughputSeries:
        """The frozen value."""
        return ThroughputSeries(
            checkpoint=self.checkpoint,
            engine=self.engine,
            accelerator=self.accelerator,
            devices=self.devices,
            layout=self.layout,
            speculation=self.speculation,
            prompt_tokens=self.prompt_tokens,
            answer_tokens=self.answer_tokens,
            provenance=self.provenance(),
            points=tuple(point.value() for point in self.points),
            note=self.note,
        )


class MeasurementRecord(FigureRecord):
    """One number with its conditions."""

    quantity: Quantity
    checkpoint: str | None = None
    accelerator: str | None = None
    devices: int | None = Field(default=None, gt=0)
    engine: str | None = None
    layout: str | None = None
    speculation: str | None = None
    draft_tokens: int | None = Field(default=None, gt=0)
    thinking: bool | None = None
    concurrency: int | None = Field(default=None, gt=0)
    context_tokens: int | None = Field(default=None, gt=0)
    note: str | None = None

    def measurement(self) -> Measurement:
        """The frozen value."""
        return Measurement(
            quantity=self.quantity,
            figure=self.scaled(),
            checkpoint=self.checkpoint,
            accelerator=self.accelerator,
            devices=self.devices,
            engine=self.engine,
            layout=self.layout,
            speculation=self.speculation,
            draft_tokens=self.draft_tokens,
            thinking=self.thinking,
            concurrency=self.concurrency,
            context_tokens=self.context_tokens,
            note=self.note,
        )


class LatencyFitRecord(SourcedRecord):
    """One fit of the inter-token latency."""

    checkpoint: str
    accelerator: str
    layout: str
    speculation: str
    base_ms: float = Field(ge=0)
    per_sequence_ms: float = Field(ge=0)
    per_kv_token_ns: float = Field(ge=0)

    def value(self) -> LatencyFit:
        """The frozen value, in seconds."""
        return LatencyFit(
            checkpoint=self.checkpoint,
            accelerator=self.accelerator,
            layout=self.layout,
            speculation=self.speculation,
            base_seconds=self.base_ms * _MILLI,
            per_sequence_seconds=self.per_sequence_ms * _MILLI,
            per_kv_token_seconds=self.per_kv_token_ns * _NANO,
            provenance=self.provenance(),
        )


class PriceRecord(FigureRecord):
    """US dollars per device and hour."""

    accelerator: str
    terms: Terms = Terms.ON_DEMAND
    low: float | None = Field(default=None, ge=0)
    high: float | None = Field(default=None, ge=0)

    def price(self) -> DevicePrice:
        """The frozen value."""
        return DevicePrice(
            accelerator=self.accelerator,
            terms=self.terms,
            usd_per_hour=self.scaled(),
            low=self.low,
            high=self.high,
        )


class ApiPriceRecord(SourcedRecord):
    """US dollars per million tokens of the hosted API."""

    product: Literal["flash", "pro"]
    since: _DateText
    until: _DateText | None = None
    window: Literal["all", "off-peak", "peak"] = "all"
    terms: Literal["list", "promotion"] = "list"
    cache_hit: float = Field(gt=0)
    cache_miss: float = Field(gt=0)
    answer: float = Field(gt=0)
    note: str | None = None

    def value(self) -> ApiPrice:
        """The frozen value."""
        return ApiPrice(
            product=self.product,
            since=self.since,
            until=self.until,
            window=self.window,
            terms=self.terms,
            cache_hit_usd=self.cache_hit,
            cache_miss_usd=self.cache_miss,
            answer_usd=self.answer,
            provenance=self.provenance(),
            note=self.note,
        )


class ColdStartRecord(FigureRecord):
    """Seconds until ready, or of one part of it."""

    family: str | None = None
    phase: str
    high: float | None = Field(default=None, ge=0)
    note: str | None = None

    def cold_start(self) -> ColdStart:
        """The frozen value."""
        return ColdStart(
            family=self.family,
            phase=self.phase,
            seconds=self.scaled(),
            high_seconds=self.high,
            note=self.note,
        )


class LaunchShapeRecord(SourcedRecord):
    """One published recipe."""

    family: str
    accelerator: str
    devices: int = Field(gt=0)
    layout: str
    engine: str | None = None
    note: str | None = None

    def value(self) -> LaunchShape:
        """The frozen value."""
        return LaunchShape(
            family=self.family,
            accelerator=self.accelerator,
            devices=self.devices,
            layout=self.layout,
            engine=self.engine,
            provenance=self.provenance(),
            note=self.note,
        )


class AnswerLengthRecord(FigureRecord):
    """Tokens of an answer in one mode."""

    mode: str

    def answer_length(self) -> AnswerLength:
        """The frozen value."""
        return AnswerLength(mode=self.mode, tokens=self.scaled())


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit
