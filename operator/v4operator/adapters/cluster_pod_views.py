"""What of a pod counts here: how its containers are started, where it is, and how it does."""

from datetime import datetime
from typing import Any

from pydantic import Field

from v4operator.act.render import ROUTABLE_LABEL
from v4operator.adapters.cluster_views import Meta, Owner
from v4operator.adapters.kube_views import ObjectView, View


class Condition(View):
    """One condition of a pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class Waiting(View):
    """Why a container does not run yet, or not again."""

    reason: str = ""
    message: str = ""


class Terminated(View):
    """How a container ended, and when it had started."""

    exit_code: int = 0
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(View):
    """At most one of the two is there; neither while it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(View):
    """One container of a pod."""

    name: str
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(View):
    """How a pod is."""

    phase: str = ""
    pod_ip: str = Field(default="", alias="podIP")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Variable(View):
    """One environment variable; one that comes from elsewhere has no literal value."""

    name: str
    value: str = ""
    value_from: dict[str, Any] | None = None

    @property
    def literal(self) -> str | None:
        """Its value, if the pod itself says it."""
        return None if self.value_from is not None else self.value


class Port(View):
    """One port that a container names."""

    container_port: int


class Resources(View):
    """What a container asks for."""

    limits: dict[str, str] = Field(default_factory=dict)


class Container(View):
    """How one container of a pod is started."""

    name: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    lifecycle: dict[str, Any] | None = None


class PodSpec(View):
    """Where a pod is and what it runs."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    termination_grace_period_seconds: int | None = None


class PodMeta(Meta):
    """With the time of its creation, and its owners."""

    creation_timestamp: datetime
    owner_references: tuple[Owner, ...] = ()


class PodView(ObjectView):
    """A pod."""

    metadata: PodMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def is_counted(self) -> bool:
        """Whether it is there for its controller, if only on its way out: one that ended is not."""
        return self.status.phase not in {"Succeeded", "Failed"}

    @property
    def is_routable(self) -> bool:
        """Whether it was not taken out of routing."""
        return self.metadata.labels.get(ROUTABLE_LABEL) != "false"

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        ready = self.condition("Ready")
        return ready is not None and ready.status == "True"

    @property
    def controller(self) -> Owner | None:
        """What made it."""
        owners = self.metadata.owner_references
        return next((owner for owner in owners if owner.controller), None)

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type."""
        return next((each for each in self.status.conditions if each.type == kind), None)
