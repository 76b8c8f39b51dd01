"""The workload of a V4Deployment in a cluster: read from what is followed, written with conditions.

Implements `observe.ports.WorkloadView` and `act.ports.WorkloadWriter`. Every write carries the
version of what it was decided on, so that one that comes late, or from an operator that leads no
more, can only conflict.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

from v4operator.act.ports import Outcome
from v4operator.act.render import ROUTABLE_LABEL
from v4operator.adapters.cluster_contest import UNNAMED, Contest
from v4operator.adapters.cluster_engine import running_engine
from v4operator.adapters.cluster_findings import ENDPOINTS, permission_denied, workload_findings
from v4operator.adapters.cluster_pod_views import PodView
from v4operator.adapters.cluster_pods import (
    last_ordinal,
    made_by,
    mixed_revisions,
    replica_of,
)
from v4operator.adapters.cluster_scales import ClusterScales
from v4operator.adapters.cluster_stores import ClusterStores, Target, target_of
from v4operator.adapters.cluster_views import (
    DELETION_COST,
    PODS,
    SCALABLE,
    ScalableView,
)
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import Forbidden, KubeConflict, KubeError
from v4operator.adapters.kube_resource import FIELD_MANAGER, KubeResource
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.replica import Replica, Workload
from v4operator.observe.ports import WorkloadUnavailable, WorkloadView
from v4operator.runtime.ports import ObjectKey

_VICTIM_COST = "-1000"
"""Below the default of 0 and below what people use to prefer one pod to another."""

_STEPPED_DOWN = "another operator may lead by now"


@dataclass(slots=True)
class _Known:
    """What is remembered of one workload; `refused` is the rule that a write lacked."""

    contest: Contest | None = None
    first_ready: dict[tuple[str, str], float] = field(default_factory=dict)
    refused: str | None = None

    def replicas(self, port: int, pods: tuple[PodView, ...]) -> tuple[Replica, ...]:
        """One a pod, with the time when it first was ready.

        The API tells the last one only, and an engine that was unready for a moment did not take
        all its life to start.
        """
        replicas = {(p.metadata.name, p.metadata.uid): replica_of(p, port) for p in pods}
        first = {pod: self.first_ready.get(pod, r.ready_at) for pod, r in replicas.items()}
        self.first_ready = {pod: time for pod, time in first.items() if time is not None}
        return tuple(replace(r, ready_at=first[pod]) for pod, r in replicas.items())


class ClusterWorkloads:
    """Workloads of one cluster. A V4Deployment with endpoints is read through `endpoints`."""

    def __init__(
        self,
        stores: ClusterStores,
        api: KubeApi,
        *,
        is_leading: Callable[[], bool],
        endpoints: WorkloadView,
    ) -> None:
        self._stores = stores
        self._is_leading = is_leading
        self._endpoints = endpoints
        self._known: dict[Key, _Known] = {}
        self._scales = ClusterScales(api)
        self._pods = KubeResource(api, PODS, PodView)
        self._scalables = {
            kind: KubeResource(api, resource, ScalableView) for kind, resource in SCALABLE.items()
        }

    async def read(self, deployment: Deployment) -> Workload:
        """The workload and its replicas as they were last seen.

        Raises:
            AccessRefused: it may not be read.
            WorkloadUnavailable: there is none of that name, or of no kind that can be scaled.
        """
        target = self._target(deployment.key)
        if target is None:
            workload = await self._endpoints.read(deployment)
            return replace(workload, findings=(ENDPOINTS,))
        scalable = await self._scalable(target)
        pods = self._stores.pods_of(scalable)
        known = self._known.setdefault(deployment.key, _Known())
        known.contest = _contest(known.contest, deployment, target, scalable)
        nodes = self._stores.nodes_of(pods)
        followed = scalable if target.is_followed else None
        return Workload(
            desired=scalable.spec.replicas,
            version=scalable.metadata.resource_version,
            replicas=known.replicas(deployment.metrics_port, pods),
            selector=str(scalable.spec.selector),
            findings=(
                *permission_denied(known.refused),
                *known.contest.findings(),
                *workload_findings(
                    target,
                    scalable,
                    pods,
                    self._stores,
                    deployment.scaling.drain_timeout_seconds,
                ),
            ),
            next_to_go=last_ordinal(pods) if _by_ordinal(target, pods) else None,
            running=running_engine(pods, followed, deployment.metrics_port),
            nodes=nodes,
            nodes_unreadable=None if nodes else self._stores.nodes_missing(),
        )

    async def write(self, key: Key, effect: Effect) -> tuple[Outcome, str]:
        """Carry out one effect, unless what it was decided on has changed."""
        if not self._is_leading():
            return Outcome.REFUSED, _STEPPED_DOWN
        try:
            target = self._target(key)
            if target is None:
                return Outcome.REFUSED, "endpoints have no count"
            scalable = await self._scalable(target)
        except WorkloadUnavailable as error:
            return Outcome.REFUSED, str(error)
        known = self._known.setdefault(key, _Known())
        if isinstance(effect, SetReplicas):
            return await self._set_count(known, target, scalable, effect)
        return await _attempt(known, self._set_routable(scalable, effect))

    def forget(self, key: Key) -> None:
        """The V4Deployment is gone."""
        self._known.pop(key, None)

    def contest(self, key: Key) -> Contest | None:
        """What is known of other writers of the count, to be kept for the next process."""
        known = self._known.get(key)
        return known.contest if known else None

    def resume(self, key: Key, contest: Contest | None) -> None:
        """What an earlier process has kept."""
        self._known.setdefault(key, _Known(contest=contest))

    async def _set_count(
        self, known: _Known, target: Target, scalable: ScalableView, effect: SetReplicas
    ) -> tuple[Outcome, str]:
        contest = known.contest
        if contest is not None and contest.is_lost:
            return Outcome.REFUSED, f"{contest.rival} sets the count too: not fought over"
        outcome, message = await _attempt(known, self._set_replicas(target, scalable, effect))
        if outcome is Outcome.DONE and contest is not None:
            known.contest = contest.written(effect.count)
        return outcome, message

    async def _set_replicas(
        self, target: Target, scalable: ScalableView, effect: SetReplicas
    ) -> tuple[Outcome, str]:
        if effect.count < effect.expected and effect.victim is not None:
            pods = self._stores.pods_of(scalable)
            if scalable.rolls_out or (not target.is_followed and mixed_revisions(pods)):
                return Outcome.CONFLICT, f"{target}: a rollout is under way"
            if target.kind == "Deployment" or made_by(pods, "ReplicaSet"):
                await self._make_cheapest(ObjectKey(target.key.namespace, effect.victim))
        resource = await self._resource(target)
        await resource.set_scale(target.key, effect.count, effect.version)
        return Outcome.DONE, f"replicas {effect.expected} -> {effect.count}"

    async def _make_cheapest(self, key: ObjectKey) -> None:
        """Have the victim go first; once, and only on the answer that it is so.

        Raises:
            KubeError: it is not marked.
        """
        pod = self._pod(key)
        if pod.metadata.annotations.get(DELETION_COST) == _VICTIM_COST:
            return
        marked = await self._pods.merge(
            key,
            {
                "metadata": {
                    "resourceVersion": pod.metadata.resource_version,
                    "annotations": {DELETION_COST: _VICTIM_COST},
                }
            },
        )
        if marked.metadata.annotations.get(DELETION_COST) != _VICTIM_COST:
            raise KubeConflict(f"pod {key} did not keep its {DELETION_COST}")

    async def _set_routable(
        self, scalable: ScalableView, effect: SetRoutable
    ) -> tuple[Outcome, str]:
        key = ObjectKey(scalable.metadata.namespace, effect.replica)
        if scalable.spec.selector.names(ROUTABLE_LABEL):
            reason = (
                f"the workload's own selector names {ROUTABLE_LABEL}: the pod would be orphaned"
            )
            return Outcome.REFUSED, reason
        pod = self._pod(key)
        usual = self._usual_label(scalable)
        change = {
            "resourceVersion": pod.metadata.resource_version,
            "labels": {ROUTABLE_LABEL: usual if effect.routable else "false"},
        }
        if effect.routable and pod.metadata.annotations.get(DELETION_COST) == _VICTIM_COST:
            change["annotations"] = {DELETION_COST: None}
        await self._pods.merge(key, {"metadata": change})
        return Outcome.DONE, f"{effect.replica} {'in' if effect.routable else 'out of'} routing"

    def _usual_label(self, scalable: ScalableView) -> str | None:
        """The routing label that pods are made with: the template's, else that of the others."""
        template = scalable.spec.template
        if template.metadata or template.spec:
            usual: str | None = (template.metadata.get("labels") or {}).get(ROUTABLE_LABEL)
            return usual
        labels = (pod.metadata.labels for pod in self._stores.pods_of(scalable) if pod.is_routable)
        return next((each[ROUTABLE_LABEL] for each in labels if ROUTABLE_LABEL in each), None)

    def _target(self, key: Key) -> Target | None:
        claim = self._stores.claims.get(ObjectKey(key.namespace, key.name))
        if claim is None:
            raise WorkloadUnavailable(f"V4Deployment {key} is gone")
        return target_of(claim)

    async def _resource(self, target: Target) -> KubeResource[ScalableView]:
        if target.is_followed:
            return self._scalables[target.kind]
        return await self._scales.resource(target)

    async def _scalable(self, target: Target) -> ScalableView:
        if not target.is_followed:
            return await self._scales.read(target)
        found = self._stores.scalable(target)
        if found is None:
            there = sorted(key.name for key, _ in self._namesakes(target))
            others = f"; there are {', '.join(there[:_NAMED])}" if there else ""
            raise WorkloadUnavailable(f"{target} does not exist{others}")
        return found

    def _namesakes(self, target: Target) -> Iterator[tuple[ObjectKey, ScalableView]]:
        """Workloads of that kind in the same namespace."""
        store = self._stores.scalables[target.kind]
        return (each for each in store if each[0].namespace == target.key.namespace)

    def _pod(self, key: ObjectKey) -> PodView:
        pod = self._stores.pods.get(key)
        if pod is None:
            raise KubeConflict(f"pod {key} is gone")
        return pod


_NAMED = 5
"""Names in a message: enough to see a slip of the pen."""


async def _attempt(known: _Known, work: Awaitable[tuple[Outcome, str]]) -> tuple[Outcome, str]:
    """The outcome of a write; a missing right is remembered until one goes through."""
    try:
        outcome, message = await work
    except KubeConflict as error:
        return Outcome.CONFLICT, str(error)
    except Forbidden as error:
        known.refused = str(error)
        return Outcome.REFUSED, str(error)
    except KubeError as error:
        return Outcome.REFUSED, str(error)
    if outcome is Outcome.DONE:
        known.refused = None
    return outcome, message


def _by_ordinal(target: Target, pods: tuple[PodView, ...]) -> bool:
    return target.kind == "StatefulSet" or made_by(pods, "StatefulSet")


def _contest(
    known: Contest | None, deployment: Deployment, target: Target, scalable: ScalableView
) -> Contest:
    """Of a kind that is not followed nobody tells who wrote: whoever it was, it was not us."""
    contest = known or Contest(generation=deployment.generation)
    return contest.seen(
        generation=deployment.generation,
        count=scalable.spec.replicas,
        writer=scalable.count_writer if target.is_followed else UNNAMED,
        own=FIELD_MANAGER,
    )
