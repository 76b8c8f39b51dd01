"""What a scrape of the simulated fleet shows: gauges and counters, never the truth behind them."""

import math
from dataclasses import dataclass

from v4operator.simulate.fast.member import Phase

_ABSENT = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaMetrics:
    """One replica at one scrape: what Kubernetes says of it, and what its engine says if it does.

    `answered` tells whether the engine gave metrics; if not, its figures are NaN: absent, not zero.
    Counters are running totals since its start. `resident_tokens` is the context of the sequences
    that decode, `decode_tokens_total` leaves first tokens out, `prompt_tokens_total` has cached
    tokens in it and moves with first tokens, `prefill_tokens_total` those that were computed,
    `finished_decode_tokens_total` the whole answers of finished requests. `accept_length` is `None`
    where nothing is drafted.
    """

    name: str
    phase: Phase
    created_at: float
    ready_at: float | None
    routable: bool
    answered: bool = False
    restarts: int = 0
    running: float = _ABSENT
    waiting: float = _ABSENT
    kv_usage_ratio: float = _ABSENT
    resident_tokens: float = _ABSENT
    decode_tokens_total: float = _ABSENT
    first_tokens_total: float = _ABSENT
    prompt_tokens_total: float = _ABSENT
    prefill_tokens_total: float = _ABSENT
    finished_total: float = _ABSENT
    finished_decode_tokens_total: float = _ABSENT
    retractions_total: float = _ABSENT
    accept_length: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayMetrics:
    """Requests that wait outside every replica, and those that were turned away or gave up there.

    `rejected_total` counts both: either way nobody served them.
    """

    queued: int
    rejected_total: int
