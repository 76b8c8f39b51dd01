"""The operator's own `v4_*` metrics: a collector over what was last reported of each deployment.

Series exist as long as their deployment, or their replica, does. Counters run on from report to
report and begin at 0 with their object. `record` is called by the loop, `collect` by the server's
thread: they share a lock and hand over frozen values only.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from v4operator.api.conditions import ConditionStatus
from v4operator.decide.reasons import VETO_REASONS
from v4operator.model.deployment import Key
from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.model.hbm import HbmVerdict
from v4operator.model.observation import Observation
from v4operator.model.status import Status
from v4operator.model.verdict import Action, Decision, Verdict
from v4operator.report.series import (
    DEPLOYMENT_GAUGES,
    REPLICA_GAUGES,
    Gauge,
    Seen,
    SeenReplica,
    replicas_of,
)

_DEPLOYMENT = ("namespace", "v4deployment")
_REPLICA = (*_DEPLOYMENT, "replica")

_T = TypeVar("_T")
_Row = tuple[tuple[str, ...], float]


class _Totals:
    """Counters of one deployment. Not frozen: they are what accumulates."""

    def __init__(self) -> None:
        self.decisions: Counter[str] = Counter({action.value: 0 for action in Action})
        self.vetoes: Counter[str] = Counter({reason.value: 0 for reason in VETO_REASONS})
        self.decoded: dict[str, float] = {}
        self.expected: dict[str, float] = {}

    def add(self, seen: Seen) -> None:
        """One cycle more; the counters of replicas that are gone go."""
        self.decisions[_counted(seen.verdict.decision)] += 1
        self.vetoes.update(veto.reason for veto in seen.verdict.decision.vetoes)
        for replica in replicas_of(seen):
            self._add_tokens(replica)
        present = {r.replica.name for r in seen.observation.replicas}
        for tokens in (self.decoded, self.expected):
            for gone in tokens.keys() - present:
                del tokens[gone]

    def _add_tokens(self, replica: SeenReplica) -> None:
        told, name = replica.forecast, replica.observed.replica.name
        if told is None:
            return
        decoded, expected = told.observed_decode_tokens, told.expected_decode_tokens
        self.decoded[name] = self.decoded.get(name, 0.0) + max(0.0, decoded)
        self.expected[name] = self.expected.get(name, 0.0) + max(0.0, expected)


class FleetMetrics(Collector):
    """Collector of all deployments. Register it once; feed it after every cycle."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: dict[Key, tuple[Seen, Status]] = {}
        self._totals: dict[Key, _Totals] = {}

    def record(
        self, observation: Observation, forecast: Forecast, verdict: Verdict, status: Status
    ) -> None:
        """Take over one cycle's outcome of one deployment."""
        seen = Seen(observation=observation, forecast=forecast, verdict=verdict)
        with self._lock:
            self._totals.setdefault(status.key, _Totals()).add(seen)
            self._seen[status.key] = (seen, status)

    def forget(self, key: Key) -> None:
        """The deployment is gone, and its series with it."""
        with self._lock:
            self._seen.pop(key, None)
            self._totals.pop(key, None)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration then does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family with the series known now; a family without series is still described."""
        with self._lock:
            families = tuple(self._families())
        yield from families

    def _families(self) -> Iterator[Metric]:
        seen = {key: seen for key, (seen, _) in sorted(self._seen.items())}
        yield _info(seen)
        for of_deployment in DEPLOYMENT_GAUGES:
            rows = ((_names(key), of_deployment.value(each)) for key, each in seen.items())
            yield _gauge(of_deployment, _DEPLOYMENT, rows)
        for of_replica in REPLICA_GAUGES:
            yield _gauge(of_replica, _REPLICA, _replica_rows(of_replica, seen))
        yield from _states(seen)
        yield self._conditions()
        yield from self._counters()

    def _conditions(self) -> Metric:
        family = GaugeMetricFamily(
            "v4_deployment_status_condition",
            "Conditions of the deployment: 1 for the status that holds.",
            labels=(*_DEPLOYMENT, "condition", "status"),
        )
        for key, (_, status) in sorted(self._seen.items()):
            for condition in status.conditions:
                for value in ConditionStatus:
                    labels = (*_names(key), condition.type, value.value.lower())
                    family.add_metric(labels, float(condition.status == value.value))
        return family

    def _counters(self) -> Iterator[Metric]:
        totals = sorted(self._totals.items())
        yield _counter(
            "v4_deployment_decisions",
            "Decisions by action; a drain counts as hold until it ends.",
            (*_DEPLOYMENT, "action"),
            (((*_names(k), name), n) for k, t in totals for name, n in t.decisions.items()),
        )
        yield _counter(
            "v4_deployment_vetoes",
            "Cycles in which a rule kept or bounded the count, by reason.",
            (*_DEPLOYMENT, "reason"),
            (((*_names(k), name), n) for k, t in totals for name, n in t.vetoes.items()),
        )
        yield _counter(
            "v4_replica_decode_tokens",
            "Decode tokens of the replica in the intervals that are compared with the model.",
            _REPLICA,
            (((*_names(k), name), n) for k, t in totals for name, n in t.decoded.items()),
        )
        yield _counter(
            "v4_replica_expected_decode_tokens",
            "Decode tokens that the model expects in the same intervals, integrated at every poll.",
            _REPLICA,
            (((*_names(k), name), n) for k, t in totals for name, n in t.expected.items()),
        )


def _counted(decision: Decision) -> str:
    waits = decision.action is Action.SHRINK and not decision.release
    return Action.HOLD.value if waits else decision.action.value


def _names(key: Key) -> tuple[str, str]:
    return key.namespace, key.name


def _gauge(
    gauge: Gauge[_T], labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float | None]]
) -> Metric:
    family = GaugeMetricFamily(gauge.name, gauge.help, labels=labels)
    for names, value in rows:
        if value is not None:
            family.add_metric(names, float(value))
    return family


def _replica_rows(
    gauge: Gauge[SeenReplica], seen: dict[Key, Seen]
) -> Iterator[tuple[tuple[str, ...], float | None]]:
    for key, each in seen.items():
        for replica in replicas_of(each):
            yield (*_names(key), replica.observed.replica.name), gauge.value(replica)


def _counter(
    name: str, described: str, labels: tuple[str, ...], rows: Iterable[_Row]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, described, labels=labels)
    for names, value in rows:
        family.add_metric(names, float(value))
    return family


def _info(seen: dict[Key, Seen]) -> Metric:
    family = InfoMetricFamily("v4_deployment", "What is deployed, as declared.", labels=_DEPLOYMENT)
    for key, each in seen.items():
        plan = each.observation.deployment.memory
        what = {
            "checkpoint": plan.checkpoint,
            "engine": plan.engine,
            "accelerator": plan.accelerator,
            "devices": str(plan.devices),
            "layout": plan.layout.label,
        }
        family.add_metric(_names(key), what)
    return family


def _states(seen: dict[Key, Seen]) -> Iterator[Metric]:
    """State sets: one series a value, 1 for the one that holds."""
    yield _state(
        "v4_deployment_hbm_verdict",
        "Verdict on memory: 1 for the one that holds.",
        _DEPLOYMENT,
        tuple(verdict.value for verdict in HbmVerdict),
        ((_names(k), each.forecast.hbm.verdict.value) for k, each in seen.items()),
    )
    verdicts = tuple(verdict.value for verdict in ThroughputVerdict)
    yield _state(
        "v4_deployment_throughput_verdict",
        "Verdict on throughput of the fleet: 1 for the one that holds.",
        _DEPLOYMENT,
        verdicts,
        ((_names(k), each.forecast.throughput.verdict.value) for k, each in seen.items()),
    )
    yield _state(
        "v4_replica_throughput_verdict",
        "Verdict on throughput of the replica: 1 for the one that holds.",
        _REPLICA,
        verdicts,
        (
            ((*_names(k), r.observed.replica.name), r.forecast.verdict.value)
            for k, each in seen.items()
            for r in replicas_of(each)
            if r.forecast is not None
        ),
    )


def _state(
    name: str,
    described: str,
    labels: tuple[str, ...],
    values: tuple[str, ...],
    rows: Iterable[tuple[tuple[str, ...], str]],
) -> Metric:
    family = GaugeMetricFamily(name, described, labels=(*labels, "verdict"))
    for names, held in rows:
        for value in values:
            family.add_metric((*names, value), float(value == held))
    return family
