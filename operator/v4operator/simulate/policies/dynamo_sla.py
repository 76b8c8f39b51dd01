"""NVIDIA Dynamo planner for an SLA: a forecast every 180 s, a reactive step every 5 s, or both.

The forecast part sets the count (or, in `hybrid_180_5`, a floor) to the predicted request rate over
the largest rate that one worker serves within the objective; the reactive part moves by one when
every worker's predicted latency is above the objective, or would stay below 0.8 of it with one
worker fewer. Latencies come from a model fitted on the last 64 samples (`dynamo_model`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from v4operator.simulate.policies.dynamo_load import scales
from v4operator.simulate.policies.dynamo_model import PerformanceModel, predicted
from v4operator.simulate.policies.figures import ReplicaFigures
from v4operator.simulate.policies.policy import Briefing, Seen, Step

FORECAST_SECONDS = 180.0
_LOAD_SECONDS = 5.0

# Consolidation is accepted below this share of the objectives.
_SENSITIVITY = 0.8

_REMEMBERED = 20  # intervals that the predictor looks back on: an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker as the reactive part sees it: latencies in seconds, KV use as a ratio.

    The `without` figures are those with one worker fewer and its load spread over the others.
    """

    ttft: float
    itl: float
    ttft_without: float
    itl_without: float
    kv_without: float


def load_step(workers: Sequence[Worker], *, ttft: float, itl: float) -> int:
    """+1, 0 or -1: all above an objective, or all well below both with one worker fewer."""
    if not workers:
        return 0
    if all(w.ttft > ttft for w in workers) or all(w.itl > itl for w in workers):
        return 1
    if len(workers) > 1 and all(_fits(w, ttft, itl) for w in workers):
        return -1
    return 0


def _fits(worker: Worker, ttft: float, itl: float) -> bool:
    return (
        worker.ttft_without - worker.ttft < _SENSITIVITY * (ttft - worker.ttft)
        and worker.kv_without < 1.0
        and worker.itl_without < _SENSITIVITY * itl
    )


class DynamoSla:
    """Forecast alone (`throughput_180`) or as a floor under the reactive part (`hybrid_180_5`).

    `itl_ratio` is the planner's ITL target as a share of the objective: its safety knob.
    """

    period_seconds = _LOAD_SECONDS
    scrape_seconds = 5.0

    def __init__(self, briefing: Briefing, *, reactive: bool, itl_ratio: float = 1.0) -> None:
        self._briefing = briefing
        self._reactive = reactive
        self._itl = itl_ratio * briefing.inter_token_latency_seconds
        self._model = PerformanceModel(briefing.law)
        self._rates: list[float] = []
        self._forecast_at: float | None = None
        self._floor = briefing.minimum

    def decide(self, seen: Seen) -> Step:
        """No metrics, no change; no reactive step while anything scales."""
        self._model.learn(seen)
        if self._forecast_at is None:
            self._forecast_at = seen.now
        if seen.now - self._forecast_at >= FORECAST_SECONDS:
            self._forecast_at = seen.now
            self._forecast(seen)
            if not self._reactive:
                return Step(desired=self._briefing.within(self._floor))
        if not self._reactive:
            return Step(desired=seen.desired)
        wanted = seen.desired
        if not scales(seen):
            ttft = self._briefing.ttft_seconds
            wanted += load_step(self._workers(seen), ttft=ttft, itl=self._itl)
        return Step(desired=self._briefing.within(max(wanted, self._floor)))

    def _forecast(self, seen: Seen) -> None:
        rate = seen.telemetry.arrivals(FORECAST_SECONDS, seen.now)
        if rate is None:
            return
        self._rates = [*self._rates, rate][-_REMEMBERED:]
        each = self._model.requests_per_second(self._itl, self._briefing.max_running)
        self._floor = ceil(predicted(self._rates) / each)

    def _workers(self, seen: Seen) -> list[Worker]:
        latest = seen.telemetry.latest(seen.now)
        outside = seen.telemetry.queued(seen.now) / max(1, len(seen.ready))
        count = len(seen.ready)
        moved = count / (count - 1) if count > 1 else 1.0
        return [
            self._worker(latest[r.name], outside, moved) for r in seen.ready if r.name in latest
        ]

    def _worker(self, replica: ReplicaFigures, outside: float, moved: float) -> Worker:
        waiting = replica.waiting + outside
        return Worker(
            ttft=self._model.ttft(replica.running, waiting),
            itl=self._model.itl(replica.running),
            ttft_without=self._model.ttft(replica.running * moved, waiting * moved),
            itl_without=self._model.itl(replica.running * moved),
            kv_without=replica.kv_usage_ratio * moved,
        )
