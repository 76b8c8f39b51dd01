"""What the world says about one replica, apart from its metrics."""

from dataclasses import dataclass
from enum import StrEnum

from v4operator.model.hbm import Finding
from v4operator.model.running import NodeDevices, RunningEngine


class Phase(StrEnum):
    """Where a replica is in its life."""

    PENDING = "pending"
    UNSCHEDULABLE = "unschedulable"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica of a workload.

    `address` is the base URL of its engine. `ready_at` is when it became ready for the first time.
    It is empty where there is none yet. `reason` explains a phase that is not READY ("no
    nvidia.com/gpu free", "exited with 1").
    """

    name: str
    address: str
    phase: Phase
    created_at: float
    ready_at: float | None = None
    routable: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The workload behind a V4Deployment.

    `desired` is the count it holds now (`None`: nobody can set it). `version` changes with every
    write, so that a write can be made conditional on what was read. `selector` finds the replicas
    in a cluster, `findings` are what a person should know of how the workload is made.
    `next_to_go` is the replica that ends when the count is lowered, where nobody can choose.
    `running` is what the pods say of their engine, `nodes` what is known of the devices below them;
    `nodes_unreadable` says why nothing is, where it could be.
    """

    desired: int | None
    version: str
    replicas: tuple[Replica, ...]
    selector: str | None = None
    findings: tuple[Finding, ...] = ()
    next_to_go: str | None = None
    running: RunningEngine | None = None
    nodes: tuple[NodeDevices, ...] = ()
    nodes_unreadable: str | None = None
