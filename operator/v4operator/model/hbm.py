"""The verdict on memory of one replica, per device, in bytes."""

from dataclasses import dataclass, field
from enum import StrEnum

from v4operator.model.figures import Tag
from v4operator.model.layout import Layout


class HbmVerdict(StrEnum):
    """Outcomes in the order in which they are checked; the first that applies is the verdict."""

    UNKNOWN = "unknown"
    UNSUPPORTED = "unsupported"
    WEIGHTS_EXCEED = "weights-exceed"
    ADMISSION_EXCEED = "admission-exceed"
    CONCURRENCY_EXCEED = "concurrency-exceed"
    FITS_TIGHT = "fits-tight"
    FITS = "fits"

    @property
    def fits(self) -> bool:
        """Whether an engine started like this serves what was asked."""
        return self in {HbmVerdict.FITS, HbmVerdict.FITS_TIGHT}

    @property
    def reason(self) -> str:
        """The CamelCase form that conditions carry."""
        return "".join(part.capitalize() for part in self.value.split("-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person should know: a named reason, what was found, and what would help."""

    reason: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A figure with its uncertainty. For memory left, `low` is the pessimistic end."""

    low: float
    central: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KvPool:
    """KV cache of one replica in tokens, as the two-parameter law KV(L) = slope * L + constant.

    `capacity_tokens` is the pool divided by the slope, over all ranks that hold different tokens;
    a request of mean context L occupies `L + fixed_tokens_per_request` of it.
    """

    capacity_tokens: float
    fixed_tokens_per_request: float

    def sequences(self, context_tokens: float) -> float:
        """How many requests of that mean context are resident at once."""
        return self.capacity_tokens / (context_tokens + self.fixed_tokens_per_request)


@dataclass(frozen=True, slots=True, kw_only=True)
class HbmReport:
    """What `plan` prints, admission warns about and the forecast builds on.

    Bytes are per device. `None` where the verdict is `unknown` for want of that figure.
    `kv_cache_bytes` is what is left for KV: `low` at high overhead, `high` at low overhead; it may
    be negative. `kv_capacity_tokens` and `max_concurrency` are per replica at the planned context.
    `required_bytes` is what is asked for, in the terms of `budget_bytes`. The last four are the
    effective configuration: arguments over plan over defaults.
    """

    verdict: HbmVerdict
    sentence: str
    decided_by: Tag | None
    visible_bytes: int | None = None
    budget_bytes: int | None = None
    weights_bytes: int | None = None
    overhead_bytes: Band | None = None
    kv_cache_bytes: Band | None = None
    kv_bytes_per_request: int | None = None
    kv_capacity_tokens: int | None = None
    reported_capacity_tokens: int | None = None
    max_concurrency: int | None = None
    memory_fraction: float | None = None
    required_bytes: int | None = None
    pool: KvPool | None = None
    findings: tuple[Finding, ...] = field(default=())
    layout: Layout | None = None
    context_tokens: int | None = None
    engine_version: str | None = None
    moe_kernel: str | None = None
