"""A pod -> a replica: its phase, why it is not ready, and the address of its engine."""

from v4operator.adapters.cluster_views import ContainerStatus, PodView
from v4operator.model.replica import Phase, Replica

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
    return None


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
