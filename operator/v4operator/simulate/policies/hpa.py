"""HorizontalPodAutoscaler on what engines report: running + waiting requests, or KV use.

Metrics through Prometheus and an adapter, scraped every 15 s. Targets: 5 running requests a replica
is the production-stack operator's default, 0.7 of the KV pool that of llm-d's benchmark.
"""

from v4operator.simulate.policies.figures import ReplicaFigures
from v4operator.simulate.policies.hpa_core import (
    DOWN_WINDOW_SECONDS,
    SYNC_SECONDS,
    Behavior,
    from_pods,
    from_total,
)
from v4operator.simulate.policies.policy import Briefing, Seen, Step

# The default scrape interval of kube-prometheus-stack's monitors in these stacks.
_SCRAPE_SECONDS = 15.0

CONCURRENCY_TARGET = 5.0
KV_TARGET = 0.7


def running_and_waiting(replica: ReplicaFigures) -> float:
    """Requests inside one engine."""
    return replica.running + replica.waiting


def kv_usage(replica: ReplicaFigures) -> float:
    """Share of the KV pool in use."""
    return replica.kv_usage_ratio


class HpaConcurrency:
    """`AverageValue` of the engines' running + waiting, with a share of the gateway's queue.

    The share is 0 by default, since engines do not report what waits outside them.
    """

    period_seconds = SYNC_SECONDS
    scrape_seconds = _SCRAPE_SECONDS

    def __init__(
        self,
        briefing: Briefing,
        *,
        target: float = CONCURRENCY_TARGET,
        queue_share: float = 0.0,
        down_window_seconds: float = DOWN_WINDOW_SECONDS,
    ) -> None:
        self._briefing = briefing
        self._target = target
        self._queue_share = queue_share
        self._behavior = Behavior(down_window_seconds=down_window_seconds)

    def decide(self, seen: Seen) -> Step:
        """Without a metric the count stays (condition ScalingActive false)."""
        total = seen.telemetry.total(running_and_waiting, seen.now)
        if total is None:
            return Step(desired=seen.desired)
        total += self._queue_share * seen.telemetry.queued(seen.now)
        raw = self._briefing.within(from_total(total, self._target, seen.desired))
        return Step(desired=self._behavior.apply(raw, seen.desired, seen.now))


class HpaKvUsage:
    """Pods metric: mean KV use."""

    period_seconds = SYNC_SECONDS
    scrape_seconds = _SCRAPE_SECONDS

    def __init__(
        self,
        briefing: Briefing,
        *,
        target: float = KV_TARGET,
        down_window_seconds: float = DOWN_WINDOW_SECONDS,
    ) -> None:
        self._briefing = briefing
        self._target = target
        self._behavior = Behavior(down_window_seconds=down_window_seconds)

    def decide(self, seen: Seen) -> Step:
        """Pending pods and those without a metric are refilled as Kubernetes does."""
        latest = seen.telemetry.latest(seen.now)
        values = [kv_usage(latest[r.name]) for r in seen.ready if r.name in latest]
        missing = max(0, seen.desired - len(values))
        raw = self._briefing.within(from_pods(values, self._target, seen.desired, missing=missing))
        return Step(desired=self._behavior.apply(raw, seen.desired, seen.now))
