"""One V4Deployment, once: gather, estimate, decide, act, report. One screen, no rules of its own.

What must survive until the next time is in `State`, a value per key; the rules are in the stages.
"""

from dataclasses import dataclass

from v4operator.act.apply import Applied, apply
from v4operator.act.plan import plan
from v4operator.act.ports import WorkloadWriter
from v4operator.decide.decide import decide
from v4operator.estimate.forecast import forecast
from v4operator.estimate.hbm import check
from v4operator.estimate.prior import prior
from v4operator.model.catalogue import Catalogue, PerformanceProfile
from v4operator.model.deployment import Deployment
from v4operator.model.forecast import Forecast
from v4operator.model.hbm import HbmReport
from v4operator.model.learned import Learned, key_of_fit
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Observation
from v4operator.model.status import Status
from v4operator.model.verdict import Verdict
from v4operator.observe.collector import Collector
from v4operator.observe.gather import gather
from v4operator.observe.ports import Clock, WorkloadView
from v4operator.report.status import status


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
    clock: Clock

    async def reconcile(self, deployment: Deployment, before: State | None) -> tuple[Cycle, State]:
        """One cycle.

        Raises:
            WorkloadUnavailable: it could not be read; nothing was decided.
        """
        state = self._state(deployment, before)
        observation = await self._observe(deployment, state)
        expected, learned = forecast(observation, state.learned, state.hbm, state.profile)
        verdict, memory = decide(observation, expected, state.memory)
        effects = plan(observation, verdict)
        applied = await apply(deployment.key, effects, self.view, deployment, self.writer)
        told = status(observation, expected, verdict, state.status)
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
        )

    async def _observe(self, deployment: Deployment, state: State) -> Observation:
        workload = await self.view.read(deployment)
        targets = {r.name: (r.address, deployment.metrics_path) for r in workload.replicas}
        self.collector.set_targets(deployment.key, targets, deployment.metrics_interval_seconds)
        return gather(
            deployment,
            workload,
            self.collector.windows(deployment.key),
            now=self.clock.now(),
            since=state.seen_at,
        )

    def _state(self, deployment: Deployment, before: State | None) -> State:
        """The state to start from: memory goes on over a change of the spec."""
        if before is not None and before.deployment == deployment:
            return before
        return State(
            deployment=deployment,
            hbm=check(deployment.memory, self.catalogue),
            profile=prior(deployment.memory, self.catalogue),
            learned=before.learned if before else Learned.empty(key_of_fit(deployment)),
            memory=before.memory if before else PolicyMemory(),
            status=before.status if before else None,
            seen_at=before.seen_at if before else self.clock.now(),
        )
