"""Everything that is followed in a cluster, and which V4Deployment an object concerns.

The stores are filled by reflectors. A V4Deployment finds its workload by name and the workload its
pods by selector; the same ways lead back from a change to the key that has to be looked at.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from v4operator.adapters.cluster_pod_views import PodView
from v4operator.adapters.cluster_views import (
    SCALABLE,
    ClaimView,
    NodeView,
    ScalableView,
)
from v4operator.model.running import NodeDevices
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.store import Store, Transition

_APPS = "apps/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """The workload of a V4Deployment: which kind, under which name, made by us or adopted."""

    api_version: str
    kind: str
    key: ObjectKey
    owned: bool

    @property
    def is_followed(self) -> bool:
        """Whether objects of that kind are known here, or else asked for when needed."""
        return self.api_version == _APPS and self.kind in SCALABLE

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


def target_of(claim: ClaimView) -> Target | None:
    """The workload that a V4Deployment names or owns; `None` where it gives endpoints."""
    workload, key = claim.spec.get("workload") or {}, claim.metadata.key
    if "template" in workload:
        return Target(_APPS, "Deployment", key, owned=True)
    reference = workload.get("targetRef")
    if reference is None:
        return None
    named = ObjectKey(key.namespace, str(reference.get("name")))
    return Target(str(reference.get("apiVersion")), str(reference.get("kind")), named, owned=False)


def _target_index(claim: ClaimView) -> Iterator[tuple[str, ObjectKey]]:
    target = target_of(claim)
    if target is not None and target.is_followed:
        yield target.kind, target.key


def _namespace_index(view: ClaimView | PodView) -> tuple[str]:
    return (view.metadata.namespace,)


def _claims() -> Store[ClaimView]:
    return Store({"target": _target_index, "namespace": _namespace_index})


def _pods() -> Store[PodView]:
    return Store({"namespace": _namespace_index})


def _nodes() -> Store[NodeView]:
    return Store()


def _scalables() -> dict[str, Store[ScalableView]]:
    return {kind: Store() for kind in SCALABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStores:
    """The followed objects; `scalables` by the name of their kind.

    `missing` tells, for a resource that may be out of reach, why it is not known (`None`: it is).
    """

    claims: Store[ClaimView] = field(default_factory=_claims)
    pods: Store[PodView] = field(default_factory=_pods)
    scalables: dict[str, Store[ScalableView]] = field(default_factory=_scalables)
    nodes: Store[NodeView] = field(default_factory=_nodes)
    missing: dict[str, Callable[[], str | None]] = field(default_factory=dict)

    def scalable(self, target: Target) -> ScalableView | None:
        """The workload itself, where it is there and of a kind that is followed."""
        return self.scalables[target.kind].get(target.key) if target.is_followed else None

    def pods_of(self, scalable: ScalableView) -> tuple[PodView, ...]:
        """The pods that the workload counts, and those on their way out."""
        selector = scalable.spec.selector
        return tuple(
            pod
            for pod in self.pods.find("namespace", scalable.metadata.namespace)
            if pod.is_counted and selector.matches(pod.metadata.labels)
        )

    def nodes_missing(self) -> str | None:
        """Why nodes are not known, or `None` where they are or nobody asked for them."""
        told = self.missing.get("nodes")
        return told() if told else None

    def nodes_of(self, pods: Iterable[PodView]) -> tuple[NodeDevices, ...]:
        """The devices of the nodes that pods run on, as far as nodes are known."""
        names = sorted({pod.spec.node_name for pod in pods})
        found = (self.nodes.get(ObjectKey("", name)) for name in names)
        return tuple(node.devices for node in found if node is not None)

    def concerned_by_pod(self, transition: Transition[PodView]) -> Iterable[ObjectKey]:
        """The V4Deployments whose workloads select the pod as it was or as it is."""
        views = [view for view in (transition.before, transition.after) if view is not None]
        for claim in self.claims.find("namespace", transition.key.namespace):
            target = target_of(claim)
            scalable = self.scalable(target) if target else None
            if scalable is not None and any(
                scalable.spec.selector.matches(view.metadata.labels) for view in views
            ):
                yield claim.metadata.key

    def concerned_by_scalable(self, kind: str, key: ObjectKey) -> Iterable[ObjectKey]:
        """The V4Deployments whose workload it is."""
        return (claim.metadata.key for claim in self.claims.find("target", (kind, key)))
