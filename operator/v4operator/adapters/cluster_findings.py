"""What a person should know of how a workload is made, seen before it matters.

Each is a state that scaling can live with, or one in which it can never act.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from v4operator.act.render import ROUTABLE_LABEL
from v4operator.adapters.cluster_pod_views import PodSpec, PodView
from v4operator.adapters.cluster_pods import made_by
from v4operator.adapters.cluster_stores import ClusterStores, Target
from v4operator.adapters.cluster_views import (
    ScalableView,
)
from v4operator.api.conditions import ConditionReason
from v4operator.model.hbm import Finding
from v4operator.report.problems import NO_PODS

_NAMED = 3
"""Pods in a message: enough to see a slip of the pen."""

ENDPOINTS = Finding(
    reason="EndpointsNotScaled",
    message="the replicas are given by address: their number is recommended, not set",
    hint="name their workload in workload.targetRef to have it scaled",
)


def permission_denied(refused: str | None) -> Iterator[Finding]:
    """A write that the operator was not allowed, until one goes through."""
    if refused is not None:
        yield Finding(
            reason=ConditionReason.PERMISSION_DENIED.value,
            message=refused,
            hint="add the rule to the operator's Role; for a kind beyond Deployment and StatefulSet"
            " in a ClusterRole with the label v4serving.dev/adopted-kind",
        )


def workload_findings(
    target: Target,
    scalable: ScalableView,
    pods: tuple[PodView, ...],
    stores: ClusterStores,
    drain_seconds: float,
) -> Iterator[Finding]:
    """What is to be said of a workload and its pods; an owned one is made as it should be.

    `drain_seconds` is how long requests may take to end.
    """
    if scalable.spec.replicas and not pods:
        yield _no_pods(scalable, stores)
    if target.owned or not (pods or target.is_followed):
        return
    made = _made(scalable, pods)
    if ROUTABLE_LABEL not in made.labels:
        yield Finding(
            reason="RoutingNotControlled",
            message=f"pods of {target} have no label {ROUTABLE_LABEL}: a replica that is to go is"
            " waited for, but new requests may still reach it",
            hint=f'give the pod template the label {ROUTABLE_LABEL}: "true" and have the Service'
            " select on it, but not the workload",
        )
    if not any((each.lifecycle or {}).get("preStop") for each in made.spec.containers):
        yield Finding(
            reason="NoPreStop",
            message=f"pods of {target} have no preStop hook: requests under way may be cut when one"
            " ends for another reason than scaling",
            hint="a preStop sleep lets routers forget the pod before its engine is told to stop",
        )
    grace = made.spec.termination_grace_period_seconds
    if grace is not None and grace < drain_seconds:
        yield Finding(
            reason="GracePeriodShort",
            message=f"pods of {target} are killed {grace} s after they are told to end, but"
            f" requests may take {drain_seconds:g} s (drainTimeout): those under way are cut when"
            " one ends for another reason than scaling",
            hint="raise terminationGracePeriodSeconds above drainTimeout and the preStop hook",
        )
    if not (target.is_followed or made_by(pods, "ReplicaSet") or made_by(pods, "StatefulSet")):
        yield Finding(
            reason="VictimNotChosen",
            message=f"which pod of {target} ends when its count is lowered is not known here:"
            " another one than the drained may go",
            hint="the controller of that kind should heed the pods' deletion cost",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """How pods are made: by the template where it is known, else as the newest one is."""

    labels: Mapping[str, str]
    spec: PodSpec


def _made(scalable: ScalableView, pods: tuple[PodView, ...]) -> _Made:
    template = scalable.spec.template
    if template.metadata or template.spec or not pods:
        labels = template.metadata.get("labels") or {}
        return _Made(labels=labels, spec=PodSpec.model_validate(template.spec))
    newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp)
    return _Made(labels=newest.metadata.labels, spec=newest.spec)


def _no_pods(scalable: ScalableView, stores: ClusterStores) -> Finding:
    """With the pods whose labels come nearest, which shows a slip of the pen."""
    wanted = (scalable.spec.selector.match_labels or {}).items()
    there = stores.pods.find("namespace", scalable.metadata.namespace)
    near = [pod for pod in there if wanted & pod.metadata.labels.items()]
    shown = "; ".join(f"{pod.metadata.name} has {pod.metadata.labels}" for pod in near[:_NAMED])
    return Finding(
        reason=NO_PODS,
        message=f"{scalable.spec.replicas} replicas are asked for, but no pod matches"
        f" {scalable.spec.selector}" + (f"; nearest: {shown}" if shown else ""),
        hint="the events of the workload and its ReplicaSet say why no pod is made",
    )
