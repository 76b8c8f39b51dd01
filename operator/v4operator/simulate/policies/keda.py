"""KEDA's Prometheus scaler on waiting requests.

Between 1 and N KEDA writes an HPA (`AverageValue` of the query's sum, evaluated every 15 s); its
own part, zero and back, does not occur with a minimum of one. Defaults: threshold 5 (scaler's and
production-stack's), `ignoreNullValues: true`, which reads a missing series as zero.
"""

from v4operator.simulate.policies.figures import ReplicaFigures
from v4operator.simulate.policies.hpa_core import (
    DOWN_WINDOW_SECONDS,
    SYNC_SECONDS,
    Behavior,
    from_total,
)
from v4operator.simulate.policies.policy import Briefing, Seen, Step

WAITING_THRESHOLD = 5.0


def waiting(replica: ReplicaFigures) -> float:
    """Requests queued inside one engine."""
    return replica.waiting


class KedaWaiting:
    """`sum(waiting)`, the gateway's queue included, over a threshold a replica."""

    period_seconds = SYNC_SECONDS
    scrape_seconds = 15.0  # production-stack's chart

    def __init__(
        self,
        briefing: Briefing,
        *,
        threshold: float = WAITING_THRESHOLD,
        down_window_seconds: float = DOWN_WINDOW_SECONDS,
    ) -> None:
        self._briefing = briefing
        self._threshold = threshold
        self._behavior = Behavior(down_window_seconds=down_window_seconds)

    def decide(self, seen: Seen) -> Step:
        """A vanished series is a demand of zero: the default, and KEDA's best known trap."""
        total = (seen.telemetry.total(waiting, seen.now) or 0.0) + seen.telemetry.queued(seen.now)
        raw = self._briefing.within(from_total(total, self._threshold, seen.desired))
        return Step(desired=self._behavior.apply(raw, seen.desired, seen.now))
