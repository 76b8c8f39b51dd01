"""A pod -> a replica: its phase, why it is not ready, and the address of its engine."""

from v4operator.adapters.cluster_pod_views import ContainerStatus, PodView
from v4operator.model.replica import Phase, Replica

_REVISION_LABELS = (
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "leaderworkerset.sigs.k8s.io/template-revision-hash",
)
"""Labels in which controllers note the template that a pod was made from."""

_BROKEN = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons of the kubelet's for a container that does not start by waiting."""

_LOOP_RESTARTS = 2
"""Once may be a hiccup of the node or of the storage; what crashes again goes on crashing."""

_LASTING_LIFE_SECONDS = 600.0
"""A container that ran for so long before it crashed begins anew for the kubelet, too: it forgets
its back-off."""


def replica_of(pod: PodView, port: int) -> Replica:
    """The replica that runs in a pod, its engine answering on `port`."""
    phase, reason = _phase(pod)
    return Replica(
        name=pod.metadata.name,
        address=_address(pod.status.pod_ip, port),
        phase=phase,
        created_at=pod.metadata.creation_timestamp.timestamp(),
        ready_at=_ready_at(pod),
        routable=pod.is_routable,
        reason=reason,
    )


def _address(host: str, port: int) -> str:
    if not host:
        return ""
    shown = f"[{host}]" if ":" in host else host  # an IPv6 address
    return f"http://{shown}:{port}"


def _phase(pod: PodView) -> tuple[Phase, str | None]:
    """Where the pod is in its life, and why it is not ready."""
    if pod.metadata.deletion_timestamp is not None:
        return Phase.DRAINING, "is being deleted"
    ready = pod.condition("Ready")
    if ready is not None and ready.status == "True":
        return Phase.READY, None
    if not pod.spec.node_name:
        return _unplaced(pod)
    broken = next(filter(None, map(_brokenness, pod.status.container_statuses)), None)
    if broken is not None:
        return Phase.CRASHED, broken
    return Phase.STARTING, _starting(pod)


def _unplaced(pod: PodView) -> tuple[Phase, str]:
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.reason == "Unschedulable":
        return Phase.UNSCHEDULABLE, scheduled.message or "no reason given by the scheduler"
    return Phase.PENDING, "waiting for a node"


def _brokenness(container: ContainerStatus) -> str | None:
    """Why the container will not come up by waiting, if it will not."""
    waiting, ended = container.state.waiting, container.state.terminated
    if waiting is not None and waiting.reason in _BROKEN:
        return f"{container.name}: {waiting.reason}{_last_end(container)}"
    if ended is not None and ended.exit_code != 0:
        return f"{container.name}: exited with {ended.exit_code} {ended.reason}".rstrip()
    if _crashes_again_and_again(container):
        return f"{container.name}: restarted {container.restart_count} times{_last_end(container)}"
    return None


def _crashes_again_and_again(container: ContainerStatus) -> bool:
    """Whether it has just been restarted and will most likely end as it did before.

    Between two crashes such a container runs, and looks as if it were on its way up.
    """
    ended = container.last_state.terminated
    if ended is None or ended.exit_code == 0 or container.restart_count < _LOOP_RESTARTS:
        return False
    if ended.started_at is None or ended.finished_at is None:
        return True
    life = ended.finished_at - ended.started_at
    return life.total_seconds() < _LASTING_LIFE_SECONDS


def _last_end(container: ContainerStatus) -> str:
    ended = container.last_state.terminated
    return f", exited with {ended.exit_code}" if ended is not None else ""


def _starting(pod: PodView) -> str:
    restarts = max((each.restart_count for each in pod.status.container_statuses), default=0)
    return f"the engine is loading, {restarts} restarts" if restarts else "the engine is loading"


def _ready_at(pod: PodView) -> float | None:
    """Since when it is ready, without a break."""
    ready = pod.condition("Ready")
    if ready is None or ready.status != "True" or ready.last_transition_time is None:
        return None
    return ready.last_transition_time.timestamp()


def last_ordinal(pods: tuple[PodView, ...]) -> str | None:
    """The pod that a StatefulSet ends when its count is lowered."""
    numbered = {
        int(number): pod.metadata.name
        for pod in pods
        if (number := pod.metadata.name.rpartition("-")[2]).isdecimal()
    }
    return numbered[max(numbered)] if numbered else None


def made_by(pods: tuple[PodView, ...], kind: str) -> bool:
    """Whether a controller of that kind made any of them."""
    makers = (pod.controller for pod in pods)
    return any(maker is not None and maker.kind == kind for maker in makers)


def mixed_revisions(pods: tuple[PodView, ...]) -> bool:
    """Whether pods of two templates are there, which is what a rollout looks like."""
    labels = [pod.metadata.labels for pod in pods if pod.metadata.deletion_timestamp is None]
    return any(
        len({each[name] for each in labels if name in each}) > 1 for name in _REVISION_LABELS
    )
