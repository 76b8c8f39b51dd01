"""The arithmetic of the HorizontalPodAutoscaler that HPA, KEDA and WVA share.

Re-implemented from the documentation of autoscaling/v2 and the defaults of its controller
(replica_calculator.go, horizontal.go, config/v1alpha1). What is measured is the callers' matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

# --horizontal-pod-autoscaler-sync-period, default.
SYNC_SECONDS = 15.0

# --horizontal-pod-autoscaler-tolerance, default: a ratio this near to 1 changes nothing.
_TOLERANCE = 0.1

# behavior.scaleDown.stabilizationWindowSeconds, default.
DOWN_WINDOW_SECONDS = 300.0

# behavior.scaleUp.policies, default: the larger of four pods and a doubling every 15 s. The default
# for down, 100 % every 15 s, never binds.
_UP_PODS = 4
_UP_FACTOR = 2

# Sums of ratios carry rounding: a billionth of a pod is no pod.
_ROUNDING = 1e-9


def from_total(total: float, target: float, desired: int) -> int:
    """`AverageValue` of an external or object metric: the sum over the target, with tolerance."""
    if desired > 0 and abs(total / (target * desired) - 1.0) <= _TOLERANCE + _ROUNDING:
        return desired
    return ceil(total / target - _ROUNDING)


def from_pods(values: Sequence[float], target: float, desired: int, *, missing: int) -> int:
    """A Pods metric: the ready pods' mean over the target, with `missing` pods refilled.

    A pod without a metric counts as exactly on target when shrinking and as idle when growing; if
    that turns the direction or brings the ratio within tolerance nothing changes.
    """
    if not values:
        return desired
    ratio = sum(values) / len(values) / target
    if abs(ratio - 1.0) <= _TOLERANCE:
        return desired
    if missing:
        filler = 0.0 if ratio > 1.0 else target
        filled = (*values, *(filler,) * missing)
        corrected = sum(filled) / len(filled) / target
        if abs(corrected - 1.0) <= _TOLERANCE or (corrected > 1.0) != (ratio > 1.0):
            return desired
        ratio = corrected
    wanted = ceil(ratio * (len(values) + missing) - _ROUNDING)
    return max(wanted, desired) if ratio > 1.0 else min(wanted, desired)


@dataclass(slots=True, kw_only=True)
class Behavior:
    """Stabilisation and pace: the memory of one HPA object."""

    down_window_seconds: float = DOWN_WINDOW_SECONDS
    _recommended: list[tuple[float, int]] = field(default_factory=list)
    _counts: list[tuple[float, int]] = field(default_factory=list)

    def apply(self, raw: int, desired: int, now: float) -> int:
        """The count that follows from a raw recommendation at `now`."""
        begin = now - self.down_window_seconds
        self._recommended = [(t, r) for t, r in self._recommended if t > begin]
        self._recommended.append((now, raw))
        wanted = raw
        if raw < desired:
            highest = max(recommended for _, recommended in self._recommended)
            wanted = min(desired, highest)
        return min(wanted, self._most(desired, now))

    def _most(self, desired: int, now: float) -> int:
        """The most that growth may reach in the present 15 s period."""
        self._counts = [(t, count) for t, count in self._counts if t > now - SYNC_SECONDS]
        at_start = min([desired, *(count for _, count in self._counts)])
        self._counts.append((now, desired))
        return max(at_start + _UP_PODS, _UP_FACTOR * at_start)
