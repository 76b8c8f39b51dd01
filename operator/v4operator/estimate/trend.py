"""Tells a ramp from noise and from a step, in a short series of demands.

Growth in the published traces comes in steps, and extrapolating a step asks for replicas that
nobody needs; a ramp must be extrapolated, because replicas take minutes to start. So a slope counts
only where it stands out of the noise and a straight line explains the series better than a step.
"""

from collections.abc import Sequence
from math import sqrt

# Slopes are looked for in the last ten minutes, in seconds. Five minutes see a ramp begin sooner,
# and in the bursts of the published R1 day what they saw and never came cost 10 of
# 175 replica-hours (policy benchmark, gateway mode).
_WINDOW = 600.0

# Three standard errors, times the square root of 2 because neighbouring samples share half of
# their minute.
_SIGNIFICANT = 3.0 * sqrt(2.0)

# Fewer points than this fit a line by chance.
_LEAST_POINTS = 8


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Growth per second of `values`, 0 where they show no significant ramp upwards."""
    if not times:
        return 0.0
    first = next(i for i, time in enumerate(times) if time >= times[-1] - _WINDOW)
    if len(times) - first < _LEAST_POINTS:
        return 0.0
    return max(0.0, _ramp(times[first:], values[first:]))


def _ramp(times: Sequence[float], values: Sequence[float]) -> float:
    count = len(times)
    mean_time = sum(times) / count
    mean_value = sum(values) / count
    spread = sum((t - mean_time) ** 2 for t in times)
    growth = (
        sum((t - mean_time) * (v - mean_value) for t, v in zip(times, values, strict=True)) / spread
    )
    left = sum(
        (v - mean_value - growth * (t - mean_time)) ** 2 for t, v in zip(times, values, strict=True)
    )
    error = sqrt(left / (count - 2) / spread)
    significant = growth > _SIGNIFICANT * error
    return growth if significant and left <= _left_by_a_step(values) else 0.0


def _left_by_a_step(values: Sequence[float]) -> float:
    """Squares left over by the best single step (two constants)."""
    total = sum(values)
    squares = sum(v * v for v in values)
    least = squares - total * total / len(values)
    head = 0.0
    for i, value in enumerate(values[:-1], start=1):
        head += value
        explained = head * head / i + (total - head) ** 2 / (len(values) - i)
        least = min(least, squares - explained)
    return max(0.0, least)
