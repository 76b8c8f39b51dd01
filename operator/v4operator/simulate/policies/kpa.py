"""Knative's pod autoscaler on concurrency: a stable and a panic window, averaged at the proxies.

Defaults of knative/serving (pkg/autoscaler/config): tick 2 s, stable window 60 s, panic window 6 s,
panic at 200 %, target use 0.7, at most halving a tick. The container concurrency is set to the
profiled batch, as its documentation asks; the default of 100 belongs to small web services.
"""

from math import ceil, floor

from v4operator.simulate.policies.hpa import running_and_waiting
from v4operator.simulate.policies.policy import Briefing, Seen, Step

_STABLE_SECONDS = 60.0
_PANIC_SECONDS = 6.0
_PANIC_RATIO = 2.0
_MOST_DOWN = 2.0
TARGET_USE_RATIO = 0.7

# Sums of ratios carry rounding: a billionth of a pod is no pod.
_ROUNDING = 1e-9


class KnativeConcurrency:
    """KPA with scale bounds; `delay_seconds` is its optional scale-down delay, 0 by default."""

    period_seconds = 2.0
    scrape_seconds = 2.0  # proxies report every second; two halve the simulation's work

    def __init__(
        self,
        briefing: Briefing,
        *,
        concurrency: float,
        use_ratio: float = TARGET_USE_RATIO,
        delay_seconds: float = 0.0,
    ) -> None:
        self._briefing = briefing
        self._target = use_ratio * concurrency
        self._delay_seconds = delay_seconds
        self._panic_since: float | None = None
        self._panic_most = 0
        self._candidates: list[tuple[float, int]] = []

    @property
    def panics(self) -> bool:
        """Whether it is in panic mode."""
        return self._panic_since is not None

    def decide(self, seen: Seen) -> Step:
        """No data, no decision."""
        stable = seen.telemetry.mean(running_and_waiting, _STABLE_SECONDS, seen.now)
        panic = seen.telemetry.mean(running_and_waiting, _PANIC_SECONDS, seen.now)
        if stable is None or panic is None:
            return Step(desired=seen.desired)
        candidate = self.candidate(stable, panic, ready=len(seen.ready), now=seen.now)
        return Step(desired=self._briefing.within(self._delayed(candidate, seen.now)))

    def candidate(self, stable: float, panic: float, *, ready: int, now: float) -> int:
        """The count for the mean concurrency of both windows; moves the panic state on."""
        least = floor(max(1, ready) / _MOST_DOWN)
        wanted_stable = max(least, ceil(stable / self._target - _ROUNDING))
        wanted_panic = max(least, ceil(panic / self._target - _ROUNDING))
        over = ceil(panic / self._target - _ROUNDING) / max(1, ready) >= _PANIC_RATIO
        if over:
            self._panic_since = now
        elif self._panic_since is not None and now - self._panic_since >= _STABLE_SECONDS:
            self._panic_since, self._panic_most = None, 0
        if self._panic_since is None:
            return wanted_stable
        self._panic_most = max(self._panic_most, wanted_stable, wanted_panic, ready)
        return self._panic_most

    def _delayed(self, candidate: int, now: float) -> int:
        """The highest candidate of the delay window."""
        kept = [(t, c) for t, c in self._candidates if t > now - self._delay_seconds]
        while kept and kept[-1][1] <= candidate:
            kept.pop()  # it can never be the highest again
        self._candidates = [*kept, (now, candidate)]
        return self._candidates[0][1]
