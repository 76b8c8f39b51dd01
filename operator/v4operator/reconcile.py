"""One V4Deployment, once: gather, estimate, decide, act, report. One screen, no rules of its own.

What must survive until the next time is in `State`, a value per key; the rules are in the stages.
"""

from dataclasses import dataclass, replace

from v4operator.act.apply import Applied, apply
from v4operator.act.fixed_count import fixed_count
from v4operator.act.plan import plan
from v4operator.act.ports import WorkloadWriter
from v4operator.decide.decide import decide
from v4operator.estimate.admission import admission_finding
from v4operator.estimate.effective import Effective, effective
from v4operator.estimate.forecast import forecast
from v4operator.estimate.hbm import check
from v4operator.estimate.live_hbm import fullest
from v4operator.estimate.prior import prior
from v4operator.model.catalogue import Catalogue, PerformanceProfile
from v4operator.model.deployment import Deployment, Key
from v4operator.model.forecast import Forecast
from v4operator.model.hbm import Finding, HbmReport
from v4operator.model.learned import Learned, key_of_fit
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Observation
from v4operator.model.running import ConfiguredValue
from v4operator.model.status import Status
from v4operator.model.verdict import Verdict
from v4operator.observe.collector import Collector
from v4operator.observe.gateway import GatewayWatch
from v4operator.observe.gather import gather
from v4operator.observe.ports import Clock, WorkloadView
from v4operator.report.status import status

_SCRAPED_SECONDS = 0.5
"""After this a scrape that began is answered and read, on a busy machine too. A slower one is seen
a cycle later: with 0.2 s three of thirty steps were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one V4Deployment carries from cycle to cycle. The spec decides `hbm` and `profile`."""

    deployment: Deployment
    hbm: HbmReport
    profile: PerformanceProfile | None
    learned: Learned
    memory: PolicyMemory
    status: Status | None
    seen_at: float
    configuration: tuple[ConfiguredValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an earlier process left behind of one V4Deployment."""

    status: Status | None = None
    learned: Learned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Everything that one cycle saw and did, for the log and the metrics."""

    observation: Observation
    forecast: Forecast
    verdict: Verdict
    applied: tuple[Applied, ...]
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """The stages and what they need of the rim."""

    catalogue: Catalogue
    view: WorkloadView
    writer: WorkloadWriter
    collector: Collector
    gateways: GatewayWatch
    clock: Clock

    def next_seconds(self, key: Key, reconcile_seconds: float) -> float:
        """Seconds until the next cycle: just after a scrape where one comes within the interval.

        What a scrape tells is then acted on at once, and not half an interval later in the mean.
        """
        turn = self.collector.next_news(key, reconcile_seconds)
        return reconcile_seconds if turn is None else turn + _SCRAPED_SECONDS

    def forget(self, key: Key) -> None:
        """Nobody asks for this deployment any more."""
        self.collector.set_targets(key, {}, 1.0)
        self.gateways.watch(key, None, 1.0)

    async def reconcile(
        self, deployment: Deployment, before: State | None, remembered: Remembered | None = None
    ) -> tuple[Cycle, State]:
        """One cycle; `remembered` counts only in the first one, where there is no `before`.

        Raises:
            WorkloadUnavailable: it could not be read; nothing was decided.
        """
        known = remembered or Remembered()
        observation, found = await self._observe(deployment, before, known)
        deployment = found.deployment
        state = self._state(deployment, before, known)
        live = self._live(observation)
        expected, learned = forecast(observation, state.learned, state.hbm, state.profile, live)
        if expected.demand.unsettled:
            self.collector.look_again(deployment.key, deployment.metrics_interval_seconds)
        verdict, memory = decide(observation, expected, state.memory)
        others = _others(observation, expected, found)
        verdict = replace(verdict, findings=verdict.findings + others)
        effects = (*plan(observation, verdict), *fixed_count(observation))
        applied = await apply(deployment.key, effects, self.view, deployment, self.writer)
        told = status(observation, expected, verdict, state.status, found.values)
        cycle = Cycle(
            observation=observation,
            forecast=expected,
            verdict=verdict,
            applied=applied,
            status=told,
        )
        return cycle, State(
            deployment=deployment,
            hbm=state.hbm,
            profile=state.profile,
            learned=learned,
            memory=memory,
            status=told,
            seen_at=observation.now,
            configuration=found.values,
        )

    async def _observe(
        self, deployment: Deployment, before: State | None, known: Remembered
    ) -> tuple[Observation, Effective]:
        """What is seen, with the deployment as it effectively is."""
        workload = await self.view.read(deployment)
        targets = {
            r.name: (r.address, deployment.metrics_path) for r in workload.replicas if r.address
        }
        self.collector.set_targets(
            deployment.key,
            targets,
            deployment.metrics_interval_seconds,
            deployment.metrics_server,
        )
        interval = deployment.metrics_interval_seconds
        self.gateways.watch(deployment.key, deployment.gateway, interval)
        outside = self.gateways.seen(deployment.key)
        now = self.clock.now()
        observation = gather(
            deployment,
            workload,
            self.collector.windows(deployment.key),
            now=now,
            since=before.seen_at if before else now,
            gateway=outside.gateway,
        )
        told = known.status.configuration if known.status else ()
        found = effective(
            deployment,
            workload,
            (r.reading for r in observation.fresh if r.reading is not None),
            before.configuration if before else told,
            self.catalogue,
        )
        problem = self.collector.source_problem(deployment.metrics_server)
        return replace(
            observation,
            deployment=found.deployment,
            metrics_problem=problem,
            findings=outside.findings,
        ), found

    def _live(self, observation: Observation) -> LiveHbm | None:
        """Memory as the fullest replica reports it, where its engine tells enough."""
        readings = (r.reading for r in observation.fresh if r.reading is not None)
        found = fullest(readings, observation.deployment.memory, self.catalogue)
        return found if isinstance(found, LiveHbm) else None

    def _state(self, deployment: Deployment, before: State | None, remembered: Remembered) -> State:
        """The state to start from: memory goes on over a change of the spec."""
        if before is not None and before.deployment == deployment:
            return before
        return State(
            deployment=deployment,
            hbm=check(deployment.memory, self.catalogue),
            profile=prior(deployment.memory, self.catalogue),
            learned=before.learned if before else _learned(deployment, remembered),
            memory=before.memory if before else PolicyMemory(),
            status=before.status if before else remembered.status,
            seen_at=before.seen_at if before else self.clock.now(),
        )


def _others(observation: Observation, expected: Forecast, found: Effective) -> tuple[Finding, ...]:
    """Findings on how the workload is made and its engines are configured."""
    limit = (
        admission_finding(observation.deployment, expected.capacity, found.admission_limit)
        if found.arguments_known
        else None
    )
    return (
        *observation.findings,
        *observation.workload.findings,
        *found.findings,
        *((limit,) if limit else ()),
    )


def _learned(deployment: Deployment, remembered: Remembered) -> Learned:
    """What was learned of the same fit before, or nothing yet."""
    key, learned = key_of_fit(deployment), remembered.learned
    return learned if learned is not None and learned.key == key else Learned.empty(key)
