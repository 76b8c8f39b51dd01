"""llm-d WVA v0.9.0, saturation analyzer V1: percent of spare KV cache and queue, one at a time.

Defaults of its saturation-scaling configuration: a replica is saturated from 80 % of KV or 5
waiting requests; it grows below 10 % spare KV or 3 spare places, and shrinks where both would hold
with one replica fewer. Nothing moves while a replica starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from v4operator.simulate.policies.hpa import kv_usage
from v4operator.simulate.policies.keda import waiting
from v4operator.simulate.policies.policy import Briefing, Seen, Step
from v4operator.simulate.policies.wva_hop import Hop

KV_THRESHOLD = 0.80
QUEUE_THRESHOLD = 5.0
KV_SPARE_TRIGGER = 0.10
QUEUE_SPARE_TRIGGER = 3.0

# Both gauges are maxima over a minute.
_WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The four figures of the configuration."""

    kv: float = KV_THRESHOLD
    queue: float = QUEUE_THRESHOLD
    kv_spare: float = KV_SPARE_TRIGGER
    queue_spare: float = QUEUE_SPARE_TRIGGER


def step(loads: Sequence[tuple[float, float]], of: Thresholds) -> int:
    """+1, 0 or -1 for the (KV use, waiting) of each ready replica."""
    spare = [(kv, queue) for kv, queue in loads if kv < of.kv and queue < of.queue]
    count = len(spare)
    kv_mean = sum(kv for kv, _ in spare) / count if count else of.kv
    queue_mean = sum(queue for _, queue in spare) / count if count else of.queue
    if of.kv - kv_mean < of.kv_spare or of.queue - queue_mean < of.queue_spare:
        return 1
    if count < 2:  # noqa: PLR2004 - one must stay
        return 0
    moved = count / (count - 1)
    fits = of.kv - kv_mean * moved >= of.kv_spare
    return -1 if fits and of.queue - queue_mean * moved >= of.queue_spare else 0


class WvaSaturation:
    """V1 through its second hop. The gateway's queue is spread over the ready replicas."""

    period_seconds = 15.0
    scrape_seconds = 15.0

    def __init__(
        self,
        briefing: Briefing,
        *,
        kv_threshold: float = KV_THRESHOLD,
        down_window_seconds: float = 0.0,
    ) -> None:
        self._briefing = briefing
        self._thresholds = Thresholds(kv=kv_threshold)
        self._hop = Hop(down_window_seconds=down_window_seconds)

    def decide(self, seen: Seen) -> Step:
        """Values that are missing read as zero, as in its collector."""
        published = seen.desired
        if not seen.coming and len(seen.ready) == seen.desired:
            published = self._briefing.within(
                seen.desired + step(self._loads(seen), self._thresholds)
            )
        return Step(desired=self._hop.follow(published, seen.desired, seen.now))

    def _loads(self, seen: Seen) -> list[tuple[float, float]]:
        outside = seen.telemetry.queued(seen.now) / max(1, len(seen.ready))
        telemetry, now = seen.telemetry, seen.now
        return [
            (
                telemetry.peak(r.name, kv_usage, _WINDOW_SECONDS, now) or 0.0,
                (telemetry.peak(r.name, waiting, _WINDOW_SECONDS, now) or 0.0) + outside,
            )
            for r in seen.ready
        ]
