"""What is known of how the engines of a workload were started, from their pods and their nodes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEngine:
    """The engine of one pod, as its containers say.

    `args` is the command line with variables filled in, `None` where it cannot be read; then
    `unreadable` says why. `devices` are those that it asks for. `source` names the pod and the
    container. `replaced` is true while a rollout makes other pods of this one.
    """

    source: str
    args: tuple[str, ...] | None
    unreadable: str | None = None
    devices: int | None = None
    ports: tuple[int, ...] = ()
    replaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDevices:
    """The devices of one node as its labels have them; memory in the driver's bytes."""

    node: str
    product: str | None
    driver_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredValue:
    """One value of the effective configuration and who said so: engine, pod, node or spec."""

    name: str
    value: str
    source: str
