"""One V4Deployment of a cluster, once: own, reconcile, record, and say what could not be done.

The counterpart of `app.Standalone`: what is a file there is an object here. No rules of its own.
"""

from dataclasses import dataclass, field, replace

import structlog

from v4operator.act.render import fingerprint, render_deployment, render_service
from v4operator.act.settle import LiveTemplate, settle
from v4operator.adapters.cluster_learned import ClusterLearned
from v4operator.adapters.cluster_owned import OwnedWorkloads, Rendered
from v4operator.adapters.cluster_status import ClusterStatus
from v4operator.adapters.cluster_stores import ClusterStores, Target, target_of
from v4operator.adapters.cluster_views import ClaimView
from v4operator.adapters.cluster_workloads import ClusterWorkloads
from v4operator.adapters.kube_events import EventType, KubeEvents, Regarding
from v4operator.api.manifest import parse
from v4operator.api.v1alpha1 import API_VERSION, KIND
from v4operator.catalogue import resolve
from v4operator.estimate.admission import admission_limit
from v4operator.estimate.hbm import check
from v4operator.estimate.prior import prior
from v4operator.model.deployment import Deployment, Key
from v4operator.model.problem import InputError
from v4operator.model.status import Status
from v4operator.observe.ports import AccessRefused, Unanswered, WorkloadUnavailable
from v4operator.reconcile import Cycle, Reconciler, Remembered, State
from v4operator.report.decisions import Decisions
from v4operator.report.document import document
from v4operator.report.events import Notice, notices
from v4operator.report.metrics import FleetMetrics
from v4operator.report.problems import (
    INVALID_SPEC,
    PERMISSION_DENIED,
    WORKLOAD_UNAVAILABLE,
    problem_document,
)
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.waiting import within
from v4operator.runtime.workers import RetryLater
from v4operator.settings import Settings

log = structlog.get_logger()

_RECONCILE_SECONDS = 60.0
"""A reconcile is some requests of a second each; one that hangs must give its worker back."""

_DEVICE_RESOURCES = {"nvidia": "nvidia.com/gpu"}
"""By vendor: the resource of its device plugin. Others' containers name theirs themselves."""


@dataclass(slots=True)
class ClusterOperator:
    """Reconciles the V4Deployments of a cluster, one key at a time."""

    settings: Settings
    stores: ClusterStores
    reconciler: Reconciler
    workloads: ClusterWorkloads
    owned: OwnedWorkloads
    statuses: ClusterStatus
    learned: ClusterLearned
    events: KubeEvents
    fleet_metrics: FleetMetrics
    decisions: Decisions
    states: dict[ObjectKey, State] = field(default_factory=dict)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Look at one V4Deployment; the seconds until it has to be looked at again.

        Raises:
            RetryLater: it took too long, or somebody else may lead.
            KubeError: its status could not be read or written.
        """
        claim = self.stores.claims.get(key)
        if claim is None or claim.metadata.deletion_timestamp is not None:
            self._forget(key)
            return None
        structlog.contextvars.bind_contextvars(v4deployment=str(key))
        try:
            return await within(
                self.reconciler.clock, _RECONCILE_SECONDS, self._reconcile(key, claim)
            )
        except TimeoutError:
            raise RetryLater(f"not done within {_RECONCILE_SECONDS:g} s") from None

    async def settle(self) -> None:
        """Keep what was learned before the process ends; whoever has not led has nothing to keep.

        Never raises for what the API server says.
        """
        if self.states:
            await self.learned.save(key for key, _ in self.stores.claims)

    async def _reconcile(self, key: ObjectKey, claim: ClaimView) -> float:
        try:
            deployment = parse(claim.document(), str(key), self.reconciler.catalogue)
        except InputError as error:
            await self._tell_problem(key, claim, INVALID_SPEC, str(error))
            return self.settings.reconcile_seconds
        try:
            if not await self._own(claim, deployment):
                return self.settings.reconcile_seconds
            await self._cycle(key, claim, deployment)
        except Unanswered as error:
            raise RetryLater(str(error)) from None
        except AccessRefused as error:
            await self._tell_problem(key, claim, PERMISSION_DENIED, str(error))
        except WorkloadUnavailable as error:
            await self._tell_problem(key, claim, WORKLOAD_UNAVAILABLE, str(error))
        return self.reconciler.next_seconds(
            Key(key.namespace, key.name), self.settings.reconcile_seconds
        )

    async def _own(self, claim: ClaimView, deployment: Deployment) -> bool:
        """Bring what is made from a template up to date; whether there is a workload to look at."""
        target = target_of(claim)
        if target is None or not target.owned:
            return True
        uid, template = claim.metadata.uid, claim.spec["workload"]["template"]
        resource = self._device_resource(deployment)
        settled = settle(
            deployment,
            self._live_template(target),
            basis=fingerprint(deployment, template, resource),
            admission_limit=lambda: self._admission_limit(target.key, deployment),
        )
        rendered = Rendered(
            deployment=render_deployment(
                deployment, template, uid=uid, device_resource=resource, settled=settled
            ),
            service=render_service(deployment, uid=uid),
            uid=uid,
        )
        return await self.owned.ensure(target, rendered)

    def _live_template(self, target: Target) -> LiveTemplate | None:
        live = self.stores.scalable(target)
        if live is None:
            return None
        return LiveTemplate(annotations=live.metadata.annotations, pod_spec=live.spec.template.spec)

    def _admission_limit(self, key: ObjectKey, deployment: Deployment) -> int | None:
        state, catalogue = self.states.get(key), self.reconciler.catalogue
        return admission_limit(
            deployment,
            check(deployment.memory, catalogue),
            prior(deployment.memory, catalogue),
            None if state is None else (state.deployment.memory, state.learned),
        )

    def _device_resource(self, deployment: Deployment) -> str | None:
        product = deployment.memory.accelerator
        device = resolve.accelerator(self.reconciler.catalogue, product, where="", path="")
        return _DEVICE_RESOURCES.get(device.vendor)

    async def _cycle(self, key: ObjectKey, claim: ClaimView, deployment: Deployment) -> None:
        state = self.states.get(key)
        remembered = await self._remembered(key, state)
        told = remembered.status
        cycle, after = await self.reconciler.reconcile(deployment, state, remembered)
        self.states[key] = after
        name = Key(key.namespace, key.name)
        self.learned.note(key, after.learned, self.workloads.contest(name))
        self.fleet_metrics.record(cycle.observation, cycle.forecast, cycle.verdict, cycle.status)
        self.decisions.record(cycle.forecast, cycle.verdict, cycle.status)
        self._log(cycle, told)
        for notice in notices(told, cycle.status, cycle.applied):
            await self._record(claim, notice)
        await self.statuses.write(key, document(cycle.status)["status"])
        await self.learned.save_if_due(key for key, _ in self.stores.claims)

    async def _remembered(self, key: ObjectKey, state: State | None) -> Remembered:
        """What is known of the last cycle, be it this process's or an earlier one's."""
        if state is not None:
            return Remembered(status=state.status, learned=state.learned)
        status, learned = await self.statuses.read(key), await self.learned.read(key)
        name = Key(key.namespace, key.name)
        self.workloads.resume(name, await self.learned.contest(key))
        return Remembered(status=status, learned=learned)

    async def _tell_problem(
        self, key: ObjectKey, claim: ClaimView, reason: str, message: str
    ) -> None:
        """Say why nothing can be said. What was learned is not forgotten: it may be over soon."""
        name = Key(key.namespace, key.name)
        self.fleet_metrics.withhold(name, reason)
        self.decisions.withhold(name, reason, message)
        state = self.states.get(key)
        if state is not None:  # its conditions do not hold any more
            self.states[key] = replace(state, status=None)
        status = problem_document(
            await self.statuses.held(key),
            generation=claim.metadata.generation,
            reason=reason,
            message=message,
            now=self.reconciler.clock.now(),
            checkpoint=_checkpoint_of(claim),
        )
        if await self.statuses.write(key, status):
            log.warning("not_reconciled", reason=reason, message=message)
            notice = Notice(warning=True, reason=reason, action="Observe", note=message)
            await self._record(claim, notice)

    async def _record(self, claim: ClaimView, notice: Notice) -> None:
        meta = claim.metadata
        await self.events.record(
            Regarding(
                api_version=API_VERSION,
                kind=KIND,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
            ),
            EventType.WARNING if notice.warning else EventType.NORMAL,
            reason=notice.reason,
            action=notice.action,
            note=notice.note,
        )

    def _log(self, cycle: Cycle, before: Status | None) -> None:
        """A decision when it becomes another one, an effect always."""
        decision, told = cycle.verdict.decision, cycle.status.last_decision
        if before is None or before.last_decision.time != told.time:
            log.info(
                "decision",
                action=decision.action.value,
                current=decision.current,
                desired=decision.desired,
                reason=decision.reason,
                sentence=decision.sentence,
            )
        for applied in cycle.applied:
            log.info("effect", outcome=applied.outcome.value, message=applied.message)

    def _forget(self, key: ObjectKey) -> None:
        if self.states.pop(key, None) is not None:
            log.info("forgotten", v4deployment=str(key), reason="it is deleted")
        name = Key(key.namespace, key.name)
        self.reconciler.forget(name)
        self.fleet_metrics.forget(name)
        self.decisions.forget(name)
        self.statuses.forget(key)
        self.workloads.forget(name)
        self.owned.forget(key)
        self.learned.forget(key)


def _checkpoint_of(claim: ClaimView) -> str:
    """As the spec names it, understood or not; a fine-tune by what it was tuned from."""
    model = claim.spec.get("model") or {}
    return str(model.get("checkpoint") or (model.get("custom") or {}).get("base") or "")
