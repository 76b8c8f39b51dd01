"""Scraped samples of the recent past, and the few queries that policies put to them.

Stands for Prometheus between engine and autoscaler: a value is as old as its last scrape, a maximum
over a window rises at once and falls late, a rate needs two samples. What was not scraped is absent
and never zero; turning it into zero is the policy's own doing.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from v4operator.simulate.policies.figures import GatewayFigures, ReplicaFigures

# The longest window that a policy asks for: KubeAI and the shrink windows look at ten minutes.
_SPAN_SECONDS = 900.0

# Prometheus looks back five minutes for the newest sample of a series.
_STALE_SECONDS = 300.0

Figure = Callable[[ReplicaFigures], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One scrape of everything: the replicas that gave metrics, by name, and the gateway."""

    at: float
    replicas: Mapping[str, ReplicaFigures]
    gateway: GatewayFigures


class Telemetry:
    """Samples of the last quarter of an hour, oldest first."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []

    @property
    def newest(self) -> Sample | None:
        """The last scrape, if there was one."""
        return self._samples[-1] if self._samples else None

    def record(
        self, at: float, replicas: Sequence[ReplicaFigures], gateway: GatewayFigures
    ) -> None:
        """Keep one scrape; replicas without metrics (not started, not answering) are left out."""
        told = {r.name: r for r in replicas if r.answered}
        self._samples.append(Sample(at=at, replicas=told, gateway=gateway))
        old = bisect_right(self._samples, at - _SPAN_SECONDS, key=_at)
        if old:
            del self._samples[:old]

    def since(self, time: float) -> Sequence[Sample]:
        """The samples taken after `time`."""
        return self._samples[bisect_right(self._samples, time, key=_at) :]

    def latest(self, now: float) -> Mapping[str, ReplicaFigures]:
        """The last scrape's replicas; nothing where it is stale."""
        newest = self.newest
        if newest is None or now - newest.at > _STALE_SECONDS:
            return {}
        return newest.replicas

    def total(self, figure: Figure, now: float) -> float | None:
        """Sum of a gauge over the last scrape; absent where no replica gave it."""
        latest = self.latest(now)
        return sum(figure(r) for r in latest.values()) if latest else None

    def queued(self, now: float) -> float:
        """Requests that wait at the gateway, outside every replica."""
        newest = self.newest
        if newest is None or now - newest.at > _STALE_SECONDS:
            return 0.0
        return float(newest.gateway.queued)

    def peak(self, name: str, figure: Figure, seconds: float, now: float) -> float | None:
        """Maximum of one replica's gauge over a window (`max_over_time`)."""
        values = [figure(s.replicas[name]) for s in self._within(seconds, now, name)]
        return max(values, default=None)

    def mean(self, figure: Figure, seconds: float, now: float) -> float | None:
        """Mean over a window of the gauge's sum over replicas and the gateway's queue."""
        samples = self.since(now - seconds)
        if not samples:
            return None
        sums = (sum(figure(r) for r in s.replicas.values()) + s.gateway.queued for s in samples)
        return sum(sums) / len(samples)

    def rate(self, figure: Figure, seconds: float, now: float) -> float | None:
        """Sum over replicas of a counter's increase a second over a window (`sum(rate(..))`)."""
        newest = self.newest
        samples = self.since(now - seconds)
        if newest is None or len(samples) < 2:  # noqa: PLR2004 - a rate takes two
            return None
        rates = (self.rate_of(name, figure, seconds, now) for name in newest.replicas)
        told = [rate for rate in rates if rate is not None]
        return sum(told) if told else None

    def arrivals(self, seconds: float, now: float) -> float | None:
        """Requests a second that came in, as a frontend counts them.

        Begun ones, those lost outside, and the growth of all queues.
        """
        begun = self.rate(lambda r: r.first_tokens_total, seconds, now)
        samples = self.since(now - seconds)
        if begun is None:
            return None
        first, last = samples[0], samples[-1]
        growth = (_waiting(last) - _waiting(first)) / (last.at - first.at)
        lost = last.gateway.rejected_total - first.gateway.rejected_total
        return max(0.0, begun + growth + lost / (last.at - first.at))

    def rate_of(self, name: str, figure: Figure, seconds: float, now: float) -> float | None:
        """One replica's increase a second over a window; it starts where the replica did."""
        samples = list(self._within(seconds, now, name))
        if len(samples) < 2:  # noqa: PLR2004 - a rate takes two
            return None
        first, last = samples[0], samples[-1]
        increase = figure(last.replicas[name]) - figure(first.replicas[name])
        return max(0.0, increase) / (last.at - first.at)

    def _within(self, seconds: float, now: float, name: str) -> Iterator[Sample]:
        return (s for s in self.since(now - seconds) if name in s.replicas)


def _waiting(sample: Sample) -> float:
    return sample.gateway.queued + sum(r.waiting for r in sample.replicas.values())


def _at(sample: Sample) -> float:
    return sample.at
