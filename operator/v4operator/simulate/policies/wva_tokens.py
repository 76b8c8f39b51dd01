"""llm-d WVA v0.9.0, saturation analyzer V2: supply of and demand for KV tokens.

Its shipped default: grow when demand exceeds 85 % of the supply that is there or coming, shrink
when it is below 70 % of what is there. A replica's supply is the smaller of 80 % of its KV pool and
what it held when it last queued, else a figure from its batch limits.
"""

from dataclasses import dataclass
from math import ceil, floor
from statistics import median

from v4operator.simulate.policies.figures import ReplicaFigures
from v4operator.simulate.policies.hpa import kv_usage
from v4operator.simulate.policies.keda import waiting
from v4operator.simulate.policies.policy import Briefing, Seen, Step
from v4operator.simulate.policies.wva_hop import Hop

_KV_SHARE = 0.80
_QUEUE_THRESHOLD = 5.0
UP_SHARE = 0.85
DOWN_SHARE = 0.70
_WINDOW_SECONDS = 60.0
_LENGTHS_SECONDS = 300.0

# Max batched tokens: the engines' default chunk on devices of this size.
_BATCHED_TOKENS = 8192.0

_REMEMBERED = 10  # samples of the supply seen under a queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Mean tokens of a request, and the share of prompts found in a prefix cache."""

    prompt: float
    output: float
    hit_ratio: float


def change(
    supply_each: float, demand: float, *, ready: int, coming: int, up: float, down: float
) -> int:
    """Replicas to add or take for a demand and a replica's supply, both in tokens."""
    required = demand / up - (ready + coming) * supply_each
    if required > 0.0:
        return ceil(required / supply_each)
    spare = ready * supply_each - demand / down
    return -floor(spare / supply_each) if spare > 0.0 else 0


class WvaTokens:
    """V2 through its second hop."""

    period_seconds = 15.0
    scrape_seconds = 15.0

    def __init__(
        self,
        briefing: Briefing,
        *,
        up_share: float = UP_SHARE,
        down_window_seconds: float = 0.0,
    ) -> None:
        self._briefing = briefing
        self._up = up_share
        self._down = up_share * DOWN_SHARE / UP_SHARE
        self._hop = Hop(down_window_seconds=down_window_seconds)
        self._under_queue: list[float] = []

    def decide(self, seen: Seen) -> Step:
        """Adds what is required at once, takes what is spare."""
        published = seen.desired
        lengths = self._lengths(seen)
        if lengths is not None and seen.ready:
            loads = [self._load(seen, r) for r in seen.ready]
            supply = median(self._supply(held, queued, lengths) for held, queued in loads)
            each = lengths.prompt + lengths.output
            demand = sum(held + queued * each for held, queued in loads)
            outside = seen.telemetry.queued(seen.now)
            demand += outside * (lengths.prompt * (1.0 - lengths.hit_ratio) + lengths.output)
            published += change(
                supply,
                demand,
                ready=len(seen.ready),
                coming=seen.coming,
                up=self._up,
                down=self._down,
            )
        within = max(1, self._briefing.within(published))
        return Step(desired=self._hop.follow(within, seen.desired, seen.now))

    def _load(self, seen: Seen, replica: ReplicaFigures) -> tuple[float, float]:
        """Tokens held and requests queued: maxima of the minute."""
        telemetry, now = seen.telemetry, seen.now
        used = telemetry.peak(replica.name, kv_usage, _WINDOW_SECONDS, now) or 0.0
        queued = telemetry.peak(replica.name, waiting, _WINDOW_SECONDS, now) or 0.0
        return used * self._briefing.kv_capacity_tokens, queued

    def _supply(self, held: float, queued: float, lengths: Lengths) -> float:
        share = _KV_SHARE * self._briefing.kv_capacity_tokens
        if queued >= _QUEUE_THRESHOLD and held > 0.0:
            self._under_queue = [*self._under_queue, held][-_REMEMBERED:]
            return min(share, held)
        if self._under_queue:
            return min(share, sum(self._under_queue) / len(self._under_queue))
        each = lengths.prompt + lengths.output
        batch = min(_BATCHED_TOKENS * lengths.output / each, float(self._briefing.max_running))
        derived = batch * (lengths.prompt + lengths.output / 2.0)
        return min(share, derived)

    def _lengths(self, seen: Seen) -> Lengths | None:
        telemetry, now = seen.telemetry, seen.now
        starts = telemetry.rate(lambda r: r.first_tokens_total, _LENGTHS_SECONDS, now)
        if not starts:
            return None
        prompt = telemetry.rate(lambda r: r.prompt_tokens_total, _LENGTHS_SECONDS, now) or 0.0
        computed = telemetry.rate(lambda r: r.prefill_tokens_total, _LENGTHS_SECONDS, now) or 0.0
        decoded = telemetry.rate(lambda r: r.decode_tokens_total, _LENGTHS_SECONDS, now) or 0.0
        hit = 1.0 - computed / prompt if prompt > 0.0 else 0.0
        return Lengths(
            prompt=prompt / starts, output=max(1.0, decoded / starts), hit_ratio=max(0.0, hit)
        )
