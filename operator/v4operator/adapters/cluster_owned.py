"""Keeps the Deployment and the Service of a V4Deployment with a template as they are rendered.

Server-side apply under one field manager: what others add stays, what they change of ours comes
back. Objects of the same name that belong to somebody else are never touched. Nothing is deleted
here: the garbage collector takes what is owned along with its owner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from v4operator.adapters.cluster_stores import ClusterStores, Target
from v4operator.adapters.cluster_views import SCALABLE, SERVICES, ScalableMeta, ScalableView
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import NotFound, Rejected
from v4operator.adapters.kube_resource import FIELD_MANAGER, KubeResource
from v4operator.adapters.kube_views import ObjectView
from v4operator.observe.ports import WorkloadUnavailable
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.workers import RetryLater


class _OwnedView(ObjectView):
    metadata: ScalableMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a V4Deployment's own objects should say."""

    deployment: dict[str, Any]
    service: dict[str, Any]
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What was applied last, and the generation and the operator's fields that this led to."""

    rendered: Rendered
    generation: int
    fields_digest: str | None


class OwnedWorkloads:
    """The owned objects of a cluster's V4Deployments."""

    def __init__(
        self, stores: ClusterStores, api: KubeApi, *, is_leading: Callable[[], bool]
    ) -> None:
        self._stores = stores
        self._is_leading = is_leading
        self._deployments = KubeResource(api, SCALABLE["Deployment"], ScalableView)
        self._services = KubeResource(api, SERVICES, _OwnedView)
        self._applied: dict[ObjectKey, _Applied] = {}

    async def ensure(self, target: Target, rendered: Rendered) -> bool:
        """Apply what is not applied; whether the Deployment is followed already.

        Raises:
            WorkloadUnavailable: the name is taken, or the server refuses the template.
            RetryLater: this process may not lead any more.
            KubeError: no good answer; a conflict where it was decided on an older Deployment.
        """
        live = self._stores.scalable(target)
        if live is not None and self._is_applied(target.key, live, rendered):
            return True
        if live is not None and live.controller_uid != rendered.uid:
            raise WorkloadUnavailable(_taken("Deployment", target.key))
        if not self._is_leading():
            raise RetryLater("another operator may lead by now: nothing is applied")
        try:
            await self._apply(target.key, live, rendered)
        except Rejected as error:
            raise WorkloadUnavailable(f"the template is refused: {error}") from None
        return live is not None

    def forget(self, key: ObjectKey) -> None:
        """The V4Deployment is gone."""
        self._applied.pop(key, None)

    async def _apply(self, key: ObjectKey, live: ScalableView | None, rendered: Rendered) -> None:
        await self._check_service(key, rendered.uid)
        await self._services.apply(key, rendered.service, force=True)
        made = await self._deployments.apply(key, _conditional(rendered, live), force=True)
        self._applied[key] = _Applied(
            rendered=rendered,
            generation=made.metadata.generation,
            fields_digest=made.fields_applied_by(FIELD_MANAGER),
        )

    def _is_applied(self, key: ObjectKey, live: ScalableView, rendered: Rendered) -> bool:
        """Whether what is ours still is; a count that was set, by whomever, does not touch it."""
        applied = self._applied.get(key)
        if applied is None or applied.rendered != rendered:
            return False
        if live.metadata.generation < applied.generation:
            return True  # as it was before: what was applied has not come back yet
        return live.fields_applied_by(FIELD_MANAGER) == applied.fields_digest

    async def _check_service(self, key: ObjectKey, uid: str) -> None:
        try:
            found = await self._services.get(key)
        except NotFound:
            return
        owners = found.metadata.owner_references
        if not any(owner.controller and owner.uid == uid for owner in owners):
            raise WorkloadUnavailable(_taken("Service", key))


def _conditional(rendered: Rendered, live: ScalableView | None) -> dict[str, Any]:
    """The Deployment on condition of the version that was looked at, where there is one."""
    if live is None:
        return rendered.deployment
    version = {"resourceVersion": live.metadata.resource_version}
    metadata = {**rendered.deployment["metadata"], **version}
    return {**rendered.deployment, "metadata": metadata}


def _taken(kind: str, key: ObjectKey) -> str:
    return (
        f"a {kind} {key} is there already and belongs to somebody else: rename the V4Deployment,"
        " or adopt the workload by targetRef"
    )
