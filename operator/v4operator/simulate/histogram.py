"""A Prometheus histogram as an engine keeps it: fixed edges, weighted observations."""

from bisect import bisect_left
from itertools import accumulate


class Histogram:
    """Counts per bucket, not cumulative; the last bucket is the one up to +Inf."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def add(self, value: float, weight: int = 1) -> None:
        """Observe `value` as often as `weight` says."""
        self.counts[bisect_left(self.edges, value)] += weight
        self.total += value * weight

    def add_ramp(self, first: float, step: float, count: int, weight: int) -> None:
        """Observe `first + i * step` for i in 0..count-1, each `weight` times. `step` >= 0."""
        if count <= 0:
            return
        self.total += weight * (count * first + step * count * (count - 1) / 2)
        bucket = bisect_left(self.edges, first)
        done = 0
        while done < count:
            below = self._ramp_length(bucket, first, step, count)
            self.counts[bucket] += (below - done) * weight
            done, bucket = below, bucket + 1

    def _ramp_length(self, bucket: int, first: float, step: float, count: int) -> int:
        """How many values of the ramp lie at or below the upper edge of `bucket`."""
        if bucket == len(self.edges) or first + step * (count - 1) <= self.edges[bucket]:
            return count
        return max(0, min(count, int((self.edges[bucket] - first) / step) + 1))

    def copy(self) -> "Histogram":
        """An independent copy."""
        twin = Histogram(self.edges)
        twin.counts = self.counts.copy()
        twin.total = self.total
        return twin

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    def cumulative(self) -> list[int]:
        """Counts up to each edge, the last one up to +Inf."""
        return list(accumulate(self.counts))
