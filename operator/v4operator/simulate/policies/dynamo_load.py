"""NVIDIA Dynamo planner, reactive: every 5 s one replica more or fewer by the load on KV tokens.

Documented thresholds: more if any worker's resident and queued tokens exceed its KV pool
("throughput" target), fewer if all are below 0.6 of it. It holds while anything scales, so it grows
by at most one replica per start-up time.
"""

from collections.abc import Sequence

from v4operator.simulate.policies.hpa import kv_usage
from v4operator.simulate.policies.policy import Briefing, Seen, Step

GROW_ABOVE = 1.0
SHRINK_BELOW = 0.6

_LENGTHS_SECONDS = 180.0


def step(loads: Sequence[float], *, grow_above: float, shrink_below: float) -> int:
    """+1, 0 or -1 for the load of each worker, as a share of its KV pool."""
    if not loads:
        return 0
    if max(loads) > grow_above:
        return 1
    return -1 if len(loads) > 1 and max(loads) < shrink_below else 0


def scales(seen: Seen) -> bool:
    """Whether a change of the count is still under way."""
    return len(seen.ready) != seen.desired


class DynamoLoad:
    """Threshold on (resident + queued) tokens over the KV pool, per worker, without a window."""

    period_seconds = 5.0
    scrape_seconds = 5.0  # forward-pass metrics are pushed

    def __init__(self, briefing: Briefing, *, grow_above: float = GROW_ABOVE) -> None:
        self._briefing = briefing
        self._grow_above = grow_above
        self._shrink_below = grow_above * SHRINK_BELOW / GROW_ABOVE

    def decide(self, seen: Seen) -> Step:
        """No metrics, no change."""
        if scales(seen):
            return Step(desired=seen.desired)
        change = step(
            self._loads(seen), grow_above=self._grow_above, shrink_below=self._shrink_below
        )
        return Step(desired=self._briefing.within(seen.desired + change))

    def _loads(self, seen: Seen) -> list[float]:
        telemetry, now = seen.telemetry, seen.now
        starts = telemetry.rate(lambda r: r.first_tokens_total, _LENGTHS_SECONDS, now)
        prompts = telemetry.rate(lambda r: r.prompt_tokens_total, _LENGTHS_SECONDS, now)
        prompt = prompts / starts if starts and prompts else 0.0
        latest = telemetry.latest(now)
        outside = telemetry.queued(now) / max(1, len(seen.ready))
        queued_share = prompt / self._briefing.kv_capacity_tokens
        return [
            kv_usage(latest[r.name]) + (latest[r.name].waiting + outside) * queued_share
            for r in seen.ready
            if r.name in latest
        ]
