"""Workloads of kinds that are not followed, read and written through their `scale` subresource.

It tells all that scaling needs: the count, the version and which pods. The plural of a kind comes
from the API server's discovery, once. A role for these two verbs on `scale` is all that is asked.
"""

from v4operator.adapters.cluster_selector import Selector
from v4operator.adapters.cluster_stores import Target
from v4operator.adapters.cluster_views import (
    ScalableMeta,
    ScalableSpec,
    ScalableStatus,
    ScalableView,
)
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import Forbidden, KubeError, NotFound
from v4operator.adapters.kube_request import Kind, KubeRequest
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import View, decoded
from v4operator.observe.ports import AccessRefused, Unanswered, WorkloadUnavailable

_NAMED = 8
"""Kinds in a message: enough to see a slip of the pen."""

_AGGREGATED = "in a ClusterRole with the label v4serving.dev/adopted-kind"


class _Served(View):
    name: str
    kind: str = ""


class _Group(View):
    resources: tuple[_Served, ...] = ()


class ClusterScales:
    """Anything that can be scaled, by apiVersion and kind."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._kinds: dict[tuple[str, str], Kind] = {}

    async def read(self, target: Target) -> ScalableView:
        """The workload as its `scale` subresource tells it: no template, no history.

        Raises:
            AccessRefused: a rule is missing; the message names it.
            Unanswered: the API server did not tell.
            WorkloadUnavailable: there is no such object or kind, or it cannot be scaled.
        """
        try:
            resource = await self.resource(target)
            scale = await resource.scale(target.key)
        except Forbidden as error:
            raise AccessRefused(f"{error} {_AGGREGATED}") from None
        except NotFound:
            raise WorkloadUnavailable(f"{target} does not exist") from None
        except KubeError as error:
            raise Unanswered(str(error)) from None
        meta = scale.metadata
        return ScalableView(
            metadata=ScalableMeta(
                name=meta.name, namespace=meta.namespace, resource_version=meta.resource_version
            ),
            spec=ScalableSpec(
                replicas=scale.spec.replicas, selector=Selector.parse(scale.status.selector)
            ),
            status=ScalableStatus(
                replicas=scale.status.replicas, updated_replicas=scale.status.replicas
            ),
        )

    async def resource(self, target: Target) -> KubeResource[ScalableView]:
        """Its kind as something to be asked for.

        Raises:
            WorkloadUnavailable: there is no such kind, or it cannot be scaled.
            KubeError: no good answer.
        """
        name = (target.api_version, target.kind)
        if name not in self._kinds:
            self._kinds[name] = await self._discovered(target)
        return KubeResource(self._api, self._kinds[name], ScalableView)

    async def _discovered(self, target: Target) -> Kind:
        group, _, version = target.api_version.rpartition("/")
        request = KubeRequest(verb="get", kind=Kind(group=group, version=version, plural=""))
        try:
            served = decoded(_Group, request, await self._api.ask(request)).resources
        except NotFound:
            raise WorkloadUnavailable(f"the cluster serves no {target.api_version}") from None
        plurals = {each.kind: each.name for each in served if "/" not in each.name}
        scaled = {each.name.removesuffix("/scale") for each in served if "/scale" in each.name}
        plural = plurals.get(target.kind)
        if plural in scaled and plural is not None:
            return Kind(group=group, version=version, plural=plural)
        able = sorted(kind for kind, name in plurals.items() if name in scaled)
        what = "has no scale subresource" if plural else "is not served"
        others = f"; {', '.join(able[:_NAMED])} can be adopted" if able else ""
        raise WorkloadUnavailable(f"{target.api_version} {target.kind} {what}{others}")
