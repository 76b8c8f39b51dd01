"""The workload of a V4Deployment in a cluster: read from what is followed, written with conditions.

Implements `observe.ports.WorkloadView` and `act.ports.WorkloadWriter`. Every write carries the
version of what it was decided on, so that one that comes late, or from an operator that leads no
more, can only conflict.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

from v4operator.act.ports import Outcome
from v4operator.act.render import ROUTABLE_LABEL
from v4operator.adapters.cluster_contest import Contest
from v4operator.adapters.cluster_findings import ENDPOINTS, workload_findings
from v4operator.adapters.cluster_pods import replica_of
from v4operator.adapters.cluster_stores import ClusterStores, Target, target_of
from v4operator.adapters.cluster_views import (
    DELETION_COST,
    PODS,
    SCALABLE,
    PodView,
    ScalableView,
)
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import KubeConflict, KubeError
from v4operator.adapters.kube_resource import FIELD_MANAGER, KubeResource
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.replica import Replica, Workload
from v4operator.observe.ports import WorkloadUnavailable, WorkloadView
from v4operator.runtime.ports import ObjectKey

_VICTIM_COST = "-1000"
"""Below the default of 0 and below what people use to prefer one pod to another."""

_STEPPED_DOWN = "another operator may lead by now"


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
        self._contests: dict[Key, Contest] = {}
        self._first_ready: dict[Key, dict[str, float]] = {}
        self._pods = KubeResource(api, PODS, PodView)
        self._scalables = {
            kind: KubeResource(api, resource, ScalableView) for kind, resource in SCALABLE.items()
        }

    async def read(self, deployment: Deployment) -> Workload:
        """The workload and its replicas as they were last seen.

        Raises:
            WorkloadUnavailable: there is none of that name, or of no kind that is followed.
        """
        target = self._target(deployment.key)
        if target is None:
            workload = await self._endpoints.read(deployment)
            return replace(workload, findings=(ENDPOINTS,))
        scalable = self._scalable(target)
        pods = self._stores.pods_of(scalable)
        contest = self._contest(deployment, scalable)
        return Workload(
            desired=scalable.spec.replicas,
            version=scalable.metadata.resource_version,
            replicas=self._replicas(deployment, pods),
            selector=str(scalable.spec.selector),
            findings=(
                *contest.findings(),
                *workload_findings(target, scalable, pods, self._stores),
            ),
            next_to_go=_last_ordinal(pods) if target.kind == "StatefulSet" else None,
        )

    async def write(self, key: Key, effect: Effect) -> tuple[Outcome, str]:
        """Carry out one effect, unless what it was decided on has changed."""
        if not self._is_leading():
            return Outcome.REFUSED, _STEPPED_DOWN
        try:
            target = self._target(key)
            if target is None:
                return Outcome.REFUSED, "endpoints have no count"
            scalable = self._scalable(target)
        except WorkloadUnavailable as error:
            return Outcome.REFUSED, str(error)
        if isinstance(effect, SetReplicas):
            return await self._set_count(key, target, scalable, effect)
        return await _attempt(self._set_routable(scalable, effect))

    def forget(self, key: Key) -> None:
        """The V4Deployment is gone."""
        self._contests.pop(key, None)
        self._first_ready.pop(key, None)

    def _replicas(self, deployment: Deployment, pods: tuple[PodView, ...]) -> tuple[Replica, ...]:
        """One a pod, with the time when it first was ready.

        The API tells the last one only, and an engine that was unready for a moment did not take
        all its life to start.
        """
        known, seen = self._first_ready.get(deployment.key, {}), {}
        replicas = []
        for pod in pods:
            uid, replica = pod.metadata.uid, replica_of(pod, deployment.metrics_port)
            first = known.get(uid, replica.ready_at)
            if first is not None:
                seen[uid] = first
            replicas.append(replace(replica, ready_at=first))
        self._first_ready[deployment.key] = seen
        return tuple(replicas)

    def _contest(self, deployment: Deployment, scalable: ScalableView) -> Contest:
        known = self._contests.get(deployment.key, Contest(generation=deployment.generation))
        contest = self._contests[deployment.key] = known.seen(
            generation=deployment.generation,
            count=scalable.spec.replicas,
            writer=scalable.count_writer,
            own=FIELD_MANAGER,
        )
        return contest

    async def _set_count(
        self, key: Key, target: Target, scalable: ScalableView, effect: SetReplicas
    ) -> tuple[Outcome, str]:
        contest = self._contests.get(key)
        if contest is not None and contest.is_lost:
            return Outcome.REFUSED, f"{contest.rival} sets the count too: not fought over"
        outcome, message = await _attempt(self._set_replicas(target, scalable, effect))
        if outcome is Outcome.DONE and contest is not None:
            self._contests[key] = contest.written(effect.count)
        return outcome, message

    async def _set_replicas(
        self, target: Target, scalable: ScalableView, effect: SetReplicas
    ) -> tuple[Outcome, str]:
        if effect.count < effect.expected and effect.victim is not None:
            if scalable.rolls_out:
                return Outcome.CONFLICT, f"{target}: a rollout is under way"
            if target.kind == "Deployment":
                await self._make_cheapest(ObjectKey(target.key.namespace, effect.victim))
        await self._scalables[target.kind].set_scale(target.key, effect.count, effect.version)
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
        usual = scalable.spec.template.metadata.get("labels", {}).get(ROUTABLE_LABEL)
        change = {
            "resourceVersion": pod.metadata.resource_version,
            "labels": {ROUTABLE_LABEL: usual if effect.routable else "false"},
        }
        if effect.routable and pod.metadata.annotations.get(DELETION_COST) == _VICTIM_COST:
            change["annotations"] = {DELETION_COST: None}
        await self._pods.merge(key, {"metadata": change})
        return Outcome.DONE, f"{effect.replica} {'in' if effect.routable else 'out of'} routing"

    def _target(self, key: Key) -> Target | None:
        claim = self._stores.claims.get(ObjectKey(key.namespace, key.name))
        if claim is None:
            raise WorkloadUnavailable(f"V4Deployment {key} is gone")
        return target_of(claim)

    def _scalable(self, target: Target) -> ScalableView:
        if not target.is_followed:
            kinds = " and ".join(SCALABLE)
            raise WorkloadUnavailable(
                f"{target.api_version} {target.kind} cannot be adopted; {kinds} of apps/v1 can"
            )
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


async def _attempt(work: Awaitable[tuple[Outcome, str]]) -> tuple[Outcome, str]:
    try:
        return await work
    except KubeConflict as error:
        return Outcome.CONFLICT, str(error)
    except KubeError as error:
        return Outcome.REFUSED, str(error)


def _last_ordinal(pods: tuple[PodView, ...]) -> str | None:
    """The pod that a StatefulSet ends when its count is lowered."""
    numbered = {
        int(number): pod.metadata.name
        for pod in pods
        if (number := pod.metadata.name.rpartition("-")[2]).isdecimal()
    }
    return numbered[max(numbered)] if numbered else None
