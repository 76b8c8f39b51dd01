"""llm-d WVA, model-based: sized for the objective with ITL = alpha + beta * batch.

alpha and beta come from a benchmark beforehand (two runs: batch 1 and saturation), so they are the
catalogue's here; prefill is gamma + delta * tokens. The batch at the objective gives the requests a
second that one replica takes; the count is the arrival rate over that, at 85 % as in V2.
"""

from math import ceil

from v4operator.simulate.policies.policy import Briefing, Seen, Step
from v4operator.simulate.policies.wva_hop import Hop

_RATE_SECONDS = 60.0  # its rates of inter-token time and arrivals
_LENGTHS_SECONDS = 300.0
USE_RATIO = 0.85


class WvaModel:
    """Arrivals over what one replica takes at the objective, through the second hop."""

    period_seconds = 15.0
    scrape_seconds = 15.0

    def __init__(
        self,
        briefing: Briefing,
        *,
        use_ratio: float = USE_RATIO,
        down_window_seconds: float = 0.0,
    ) -> None:
        self._briefing = briefing
        self._use = use_ratio
        self._hop = Hop(down_window_seconds=down_window_seconds)

    def decide(self, seen: Seen) -> Step:
        """Without an arrival rate the last count is published again."""
        published = self._published(seen)
        return Step(desired=self._hop.follow(published, seen.desired, seen.now))

    def requests_per_second(self, prefill: float, output: float) -> float:
        """What one replica takes at the objective, for mean computed prompt and answer lengths."""
        law = self._briefing.law
        beta = law.per_sequence_seconds + law.per_prefill_token_seconds * prefill / output
        spare = self._briefing.inter_token_latency_seconds - law.base_seconds
        batch = min(max(1.0, spare / beta), float(self._briefing.max_running))
        return batch / (law.base_seconds + beta * batch) / output

    def _published(self, seen: Seen) -> int:
        telemetry, now = seen.telemetry, seen.now
        started = telemetry.rate(lambda r: r.first_tokens_total, _LENGTHS_SECONDS, now)
        arriving = telemetry.rate(lambda r: r.first_tokens_total, _RATE_SECONDS, now)
        if not started or arriving is None:
            return seen.desired
        computed = telemetry.rate(lambda r: r.prefill_tokens_total, _LENGTHS_SECONDS, now) or 0.0
        decoded = telemetry.rate(lambda r: r.decode_tokens_total, _LENGTHS_SECONDS, now) or 0.0
        queued = (telemetry.total(lambda r: r.waiting, now) or 0.0) + telemetry.queued(now)
        each = self.requests_per_second(computed / started, max(1.0, decoded / started))
        demand = arriving + queued / _RATE_SECONDS
        return self._briefing.within(ceil(demand / (self._use * each)))
