"""What accumulates of one deployment between its first report and its last: its counters.

Counters begin at 0 with their object and never go down: restarts of engines are taken out as the
windows take them out, so that what happened during one is unknown and not counted. What a departed
replica contributed to the deployment stays; its own counters go with it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from v4operator.decide.reasons import VETO_REASONS
from v4operator.estimate.cost import devices_held
from v4operator.estimate.economics import SECONDS_PER_HOUR
from v4operator.estimate.slo import Kept, Slo, histograms, kept, promised_seconds
from v4operator.model.deployment import Objectives
from v4operator.model.forecast import Forecast
from v4operator.model.observation import Observation
from v4operator.model.reading import EngineReading
from v4operator.model.verdict import Action, Decision
from v4operator.observe.window import continues
from v4operator.report.due import DueForecasts
from v4operator.report.replica_totals import ReplicaCount, ReplicaTotals

LONGEST_GAP_SECONDS = 120.0
"""Cycles come every few seconds. Over a longer silence (the operator hung, or led no more) nobody
saw what existed: its device time is not made up, and the gap is told in a counter of its own. The
same bound holds for gauges in the windows of `observe`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The counters of one deployment as they stood after a cycle.

    `unaccounted_seconds` is time that lay in gaps too long to be integrated over. `cost_usd` is
    `None` until a price is known, `due_replicas` is the forecast that was made for now.
    """

    decisions: Mapping[str, int]
    vetoes: Mapping[str, int]
    kept: Mapping[Slo, Kept]
    device_seconds: float
    cost_usd: float | None
    unaccounted_seconds: float
    due_replicas: float | None
    replicas: Mapping[str, Mapping[ReplicaCount, float]]


class Ledger:
    """Adds up one deployment's cycles. Not frozen: it is what accumulates."""

    def __init__(self) -> None:
        self._decisions: Counter[str] = Counter({action.value: 0 for action in Action})
        self._vetoes: Counter[str] = Counter({reason.value: 0 for reason in VETO_REASONS})
        self._kept: dict[Slo, Kept] = {}
        self._device_seconds = 0.0
        self._cost_usd: float | None = None
        self._unaccounted_seconds = 0.0
        self._last: tuple[float, int] | None = None
        self._due = DueForecasts()
        self._replicas: dict[str, ReplicaTotals] = {}

    def add(
        self,
        observation: Observation,
        forecast: Forecast,
        decision: Decision,
        device_usd_per_hour: float | None,
    ) -> Totals:
        """One cycle more; `device_usd_per_hour` is what a device costs now, if that is known."""
        self._decisions[_counted(decision)] += 1
        self._vetoes.update(veto.reason for veto in decision.vetoes)
        self._due.add(forecast)
        self._add_device_time(observation, device_usd_per_hour)
        self._add_replicas(observation, forecast)
        return self._totals(observation.now)

    def _add_device_time(self, observation: Observation, usd_per_hour: float | None) -> None:
        """What existed at the last look existed until this one; money at the present price."""
        now, deployment = observation.now, observation.deployment
        replicas = tuple(r.replica for r in observation.replicas)
        before, self._last = self._last, (now, devices_held(replicas, deployment.memory.devices))
        seconds = 0.0 if before is None else max(0.0, now - before[0])
        if seconds > LONGEST_GAP_SECONDS:
            self._unaccounted_seconds += seconds
            seconds = 0.0
        used = seconds * before[1] if before else 0.0
        self._device_seconds += used
        if usd_per_hour is not None:
            self._cost_usd = (self._cost_usd or 0.0) + used * usd_per_hour / SECONDS_PER_HOUR

    def _add_replicas(self, observation: Observation, forecast: Forecast) -> None:
        told = {replica.name: replica for replica in forecast.replicas}
        present: dict[str, ReplicaTotals] = {}
        for replica in observation.replicas:
            name = replica.replica.name
            totals = present[name] = self._replicas.get(name) or ReplicaTotals()
            before, after = totals.reading, replica.reading
            if after is not None:
                self._add_latencies(before, after, observation.deployment.objectives)
            totals.add(replica, told.get(name))
        self._replicas = present

    def _add_latencies(
        self, before: EngineReading | None, after: EngineReading, promised: Objectives
    ) -> None:
        """A series from the first histogram on, at 0; an engine without one has none."""
        same = before is not None and before is not after and continues(before, after)
        early = histograms(before) if before is not None and same else {}
        for slo, histogram in histograms(after).items():
            more = kept(early.get(slo), histogram, promised_seconds(slo, promised))
            self._kept[slo] = self._kept.get(slo, Kept()).plus(more or Kept())

    def _totals(self, now: float) -> Totals:
        return Totals(
            decisions=dict(self._decisions),
            vetoes=dict(self._vetoes),
            kept=dict(self._kept),
            device_seconds=self._device_seconds,
            cost_usd=self._cost_usd,
            unaccounted_seconds=self._unaccounted_seconds,
            due_replicas=self._due.at(now),
            replicas={name: totals.counts() for name, totals in self._replicas.items()},
        )


def _counted(decision: Decision) -> str:
    waits = decision.action is Action.SHRINK and not decision.release
    return Action.HOLD.value if waits else decision.action.value
