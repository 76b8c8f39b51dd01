"""Pods -> how their engine was started: its container's command line, devices and ports.

Which container is the engine's is told by what it asks for. Nothing is judged here.
"""

from v4operator.adapters.cluster_pod_views import Container, PodSpec, PodView
from v4operator.adapters.cluster_views import (
    ScalableView,
)
from v4operator.estimate.command_line import Unreadable, read
from v4operator.model.running import RunningEngine


def running_engine(
    pods: tuple[PodView, ...], scalable: ScalableView | None, port: int
) -> RunningEngine | None:
    """The engine of the newest ready pod, else of the newest, else of what the workload would make.

    Args:
        pods: of the workload.
        scalable: the workload, where more than its count is known.
        port: where the engine should answer with its metrics.
    """
    staying = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    newest = max(staying, key=lambda p: (p.is_ready, p.metadata.creation_timestamp), default=None)
    replaced = scalable is not None and scalable.rolls_out
    if newest is not None:
        name = f"pod {newest.metadata.name}"
        return _engine(newest.spec, name, port, replaced=replaced)
    if scalable is None:
        return None
    spec = PodSpec.model_validate(scalable.spec.template.spec)
    return _engine(spec, f"template of {scalable.metadata.name}", port, replaced=replaced)


def _engine(spec: PodSpec, name: str, port: int, *, replaced: bool) -> RunningEngine | None:
    container = _container(spec.containers, port)
    if container is None:
        return None
    words = read(container.command, container.args, {e.name: e.literal for e in container.env})
    unreadable = words.reason if isinstance(words, Unreadable) else None
    return RunningEngine(
        source=f"{name}, container {container.name}",
        args=None if isinstance(words, Unreadable) else words,
        unreadable=unreadable,
        devices=_devices(container),
        ports=tuple(each.container_port for each in container.ports),
        replaced=replaced,
    )


def _container(containers: tuple[Container, ...], port: int) -> Container | None:
    """The one with devices, else the one with the port, else the first."""
    devices = (each for each in containers if _devices(each))
    ports = (c for c in containers if any(p.container_port == port for p in c.ports))
    return next(devices, None) or next(ports, None) or next(iter(containers), None)


def _devices(container: Container) -> int | None:
    """How many devices it asks for: a resource of a device plugin has a domain in its name."""
    counts = [
        int(amount)
        for name, amount in container.resources.limits.items()
        if "/" in name and amount.isdecimal()  # extended resources are whole numbers
    ]
    return max(counts, default=None)
