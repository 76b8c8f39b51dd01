"""What a person should know of how a workload is made, seen before it matters.

Each is a state that scaling can live with, or one in which it can never act.
"""

from collections.abc import Iterator

from v4operator.act.render import ROUTABLE_LABEL
from v4operator.adapters.cluster_stores import ClusterStores, Target
from v4operator.adapters.cluster_views import PodView, ScalableView
from v4operator.model.hbm import Finding

_NAMED = 3
"""Pods in a message: enough to see a slip of the pen."""

ENDPOINTS = Finding(
    reason="EndpointsNotScaled",
    message="the replicas are given by address: their number is recommended, not set",
    hint="name their workload in workload.targetRef to have it scaled",
)


def workload_findings(
    target: Target, scalable: ScalableView, pods: tuple[PodView, ...], stores: ClusterStores
) -> Iterator[Finding]:
    """What is to be said of a workload and its pods; an owned one is made as it should be."""
    if scalable.spec.replicas and not pods:
        yield _no_pods(scalable, stores)
    if target.owned:
        return
    labels = scalable.spec.template.metadata.get("labels", {})
    if ROUTABLE_LABEL not in labels:
        yield Finding(
            reason="RoutingNotControlled",
            message=f"pods of {target} have no label {ROUTABLE_LABEL}: a replica that is to go is"
            " waited for, but new requests may still reach it",
            hint=f'give the pod template the label {ROUTABLE_LABEL}: "true" and have the Service'
            " select on it, but not the workload",
        )
    containers = scalable.spec.template.spec.get("containers") or ()
    if not any((each.get("lifecycle") or {}).get("preStop") for each in containers):
        yield Finding(
            reason="NoPreStop",
            message=f"pods of {target} have no preStop hook: requests under way may be cut when one"
            " ends for another reason than scaling",
            hint="a preStop sleep lets routers forget the pod before its engine is told to stop",
        )


def _no_pods(scalable: ScalableView, stores: ClusterStores) -> Finding:
    """With the pods whose labels come nearest, which shows a slip of the pen."""
    wanted = (scalable.spec.selector.match_labels or {}).items()
    there = stores.pods.find("namespace", scalable.metadata.namespace)
    near = [pod for pod in there if wanted & pod.metadata.labels.items()]
    shown = "; ".join(f"{pod.metadata.name} has {pod.metadata.labels}" for pod in near[:_NAMED])
    return Finding(
        reason="NoPods",
        message=f"{scalable.spec.replicas} replicas are asked for, but no pod matches"
        f" {scalable.spec.selector}" + (f"; nearest: {shown}" if shown else ""),
        hint="the events of the workload and its ReplicaSet say why no pod is made",
    )
