"""AIBrix's APA: mean KV use against a target, in two versions.

As documented a shrink waits for 300 s; as coded (podautoscaler_controller.go, read and not run) the
window of a shrink selects the lowest recommendation instead of the highest.
"""

from math import ceil, floor

from v4operator.simulate.policies.hpa import kv_usage
from v4operator.simulate.policies.policy import Briefing, Seen, Step

_TOLERANCE = 0.1
_MOST_CHANGE = 2
_WINDOW_SECONDS = 300.0
_MEAN_SECONDS = 180.0
KV_TARGET = 0.5  # its documentation's example

# Sums of ratios carry rounding: a billionth of a pod is no pod.
_ROUNDING = 1e-9


def recommended(mean: float, target: float, desired: int) -> int:
    """The raw count: within tolerance nothing, else at most a doubling or a halving."""
    ratio = mean / target
    if ratio > 1.0 + _TOLERANCE:
        return min(ceil(desired * ratio - _ROUNDING), _MOST_CHANGE * desired)
    if ratio < 1.0 - _TOLERANCE:
        return max(ceil(desired * ratio - _ROUNDING), floor(desired / _MOST_CHANGE))
    return desired


class AibrixKv:
    """Every 10 s on the mean KV use of three minutes."""

    period_seconds = 10.0
    scrape_seconds = 10.0

    def __init__(
        self, briefing: Briefing, *, target: float = KV_TARGET, as_coded: bool = True
    ) -> None:
        self._briefing = briefing
        self._target = target
        self._as_coded = as_coded
        self._recommended: list[tuple[float, int]] = []

    def decide(self, seen: Seen) -> Step:
        """A metric error is no change."""
        samples = seen.telemetry.since(seen.now - _MEAN_SECONDS)
        values = [kv_usage(r) for sample in samples for r in sample.replicas.values()]
        if not values:
            return Step(desired=seen.desired)
        raw = recommended(sum(values) / len(values), self._target, seen.desired)
        return Step(desired=self._briefing.within(self.stabilised(raw, seen.desired, seen.now)))

    def stabilised(self, raw: int, desired: int, now: float) -> int:
        """The count after the window; growth takes effect at once."""
        kept = [(t, r) for t, r in self._recommended if t > now - _WINDOW_SECONDS]
        self._recommended = [*kept, (now, raw)]
        if raw >= desired:
            return raw
        counts = [r for _, r in self._recommended]
        return min(counts) if self._as_coded else min(desired, max(counts))
