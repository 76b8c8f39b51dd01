"""What others have published about speed, prices and start-up: values with their provenance.

Values only; `v4operator.catalogue` reads and checks the data files and makes these. Nothing here
decides a verdict on memory: those figures stand in `model.catalogue`.
"""

from dataclasses import dataclass
from enum import StrEnum

from v4operator.model.figures import Figure, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a whole row of numbers comes from; a `Figure` says the same of one number."""

    tag: Tag
    source: str
    date: str | None = None
    engine_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputPoint:
    """One row of a benchmark. Rates are per device, `None` where it was not printed.

    `concurrency` is the number of requests in flight over the whole replica. Total tokens count
    prompt and answer, decode tokens the answer alone.
    """

    concurrency: int
    recipe: str | None
    context_tokens: int | None
    total_tokens_per_second: float | None
    decode_tokens_per_second: float | None
    ttft_seconds: float | None
    time_per_token_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputSeries:
    """One published benchmark of one checkpoint on one set of devices, over concurrency."""

    checkpoint: str
    engine: str
    accelerator: str
    devices: int
    layout: str | None
    speculation: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    provenance: Provenance
    points: tuple[ThroughputPoint, ...]
    note: str | None

    def at(self, concurrency: int) -> ThroughputPoint | None:
        """The row of that concurrency, if there is one."""
        return next((p for p in self.points if p.concurrency == concurrency), None)


class Quantity(StrEnum):
    """What a single measurement is of; the unit is part of the name."""

    STREAM_TOKENS_PER_SECOND = "stream-tokens-per-second"
    REPLICA_TOKENS_PER_SECOND = "replica-tokens-per-second"
    DEVICE_TOKENS_PER_SECOND = "device-tokens-per-second"
    TTFT_SECONDS = "ttft-seconds"
    STEP_SECONDS = "step-seconds"
    ACCEPT_LENGTH = "accept-length"
    KV_CAPACITY_TOKENS = "kv-capacity-tokens"
    USD_PER_MILLION_ANSWER_TOKENS = "usd-per-million-answer-tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One published number under the conditions that were printed with it."""

    quantity: Quantity
    figure: Figure
    checkpoint: str | None
    accelerator: str | None
    devices: int | None
    engine: str | None
    layout: str | None
    speculation: str | None
    draft_tokens: int | None
    thinking: bool | None
    concurrency: int | None
    context_tokens: int | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyFit:
    """A published fit of the inter-token latency: base + B (per_sequence + per_kv_token L).

    B sequences on one attention rank, L tokens of context each. Prefill is not told apart, so it
    holds for decoding alone or for the traffic that it was fitted on, never for a demand.
    """

    checkpoint: str
    accelerator: str
    layout: str
    speculation: str
    base_seconds: float
    per_sequence_seconds: float
    per_kv_token_seconds: float
    provenance: Provenance

    def seconds(self, *, sequences: float, context_tokens: float) -> float:
        """Latency at a batch per rank and a mean context."""
        per_sequence = self.per_sequence_seconds + self.per_kv_token_seconds * context_tokens
        return self.base_seconds + sequences * per_sequence


class Terms(StrEnum):
    """On which terms a device is paid for. `owner` is the total cost of owning one."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePrice:
    """US dollars for one device and hour; `low` and `high` are the published range."""

    accelerator: str
    terms: Terms
    usd_per_hour: Figure
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPrice:
    """What the hosted API charges from a date on, in US dollars per million tokens.

    `product` is the model as it is sold (flash, pro), `window` the hours it holds for, `terms` list
    or promotion. `until` is the first day it no longer held, where that is known.
    """

    product: str
    since: str
    until: str | None
    window: str
    terms: str
    cache_hit_usd: float
    cache_miss_usd: float
    answer_usd: float
    provenance: Provenance
    note: str | None

    @property
    def label(self) -> str:
        """`2026-08-16, off-peak`."""
        kinds = [text for text in (self.window, self.terms) if text not in {"all", "list"}]
        return ", ".join([self.since[:10], *kinds])

    @property
    def cache_discount(self) -> float:
        """How many times cheaper a prompt token is that the prefix cache holds."""
        return self.cache_miss_usd / self.cache_hit_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """How long a replica takes to be ready, or one part of that. `high_seconds` ends a range."""

    family: str | None
    phase: str
    seconds: Figure
    high_seconds: float | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchShape:
    """A published recipe: how one family is started on one device."""

    family: str
    accelerator: str
    devices: int
    layout: str
    engine: str | None
    provenance: Provenance
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLength:
    """How long answers of one thinking mode are, in tokens, before anything was seen."""

    mode: str
    tokens: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """All of it. Lists are in the order of the files; the user's own rows stand first."""

    throughput: tuple[ThroughputSeries, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    latency_fits: tuple[LatencyFit, ...] = ()
    device_prices: tuple[DevicePrice, ...] = ()
    api_prices: tuple[ApiPrice, ...] = ()
    cold_starts: tuple[ColdStart, ...] = ()
    launch_shapes: tuple[LaunchShape, ...] = ()
    answer_lengths: tuple[AnswerLength, ...] = ()
