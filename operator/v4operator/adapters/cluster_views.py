"""What of a cluster's objects counts here: narrow views, and the kinds by which they are asked for.

Only shapes and what can be read off one object alone; what objects mean together is not here.
"""

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from v4operator.act.render import ROUTABLE_LABEL
from v4operator.adapters.cluster_selector import Selector
from v4operator.adapters.kube_request import Kind
from v4operator.adapters.kube_views import ObjectMeta, ObjectView, View
from v4operator.api.v1alpha1 import GROUP, VERSION

V4DEPLOYMENTS = Kind(group=GROUP, version=VERSION, plural="v4deployments")
PODS = Kind(group="", version="v1", plural="pods")
SERVICES = Kind(group="", version="v1", plural="services")
CONFIG_MAPS = Kind(group="", version="v1", plural="configmaps")
SCALABLE = {
    "Deployment": Kind(group="apps", version="v1", plural="deployments"),
    "StatefulSet": Kind(group="apps", version="v1", plural="statefulsets"),
}
"""Kinds of workload that are followed, by the name under which a manifest knows them."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""On a pod: of those that a ReplicaSet could end, the cheapest goes."""


class Meta(ObjectMeta):
    """What is read of any object's metadata."""

    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: datetime | None = None


class Claim(ObjectMeta):
    """Metadata of a V4Deployment. No version: a status that was written is no change here."""

    uid: str = ""
    generation: int = 0
    deletion_timestamp: datetime | None = None


class ClaimView(ObjectView):
    """A V4Deployment as it is followed; `spec` is read by `api.manifest`."""

    metadata: Claim
    spec: dict[str, Any] = Field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As a manifest."""
        meta = self.metadata
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "V4Deployment",
            "metadata": {
                "name": meta.name,
                "namespace": meta.namespace,
                "generation": meta.generation,
            },
            "spec": self.spec,
        }


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
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""


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


class PodSpec(View):
    """Where a pod is."""

    node_name: str = ""


class PodMeta(Meta):
    """With the time of its creation."""

    creation_timestamp: datetime


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

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type."""
        return next((each for each in self.status.conditions if each.type == kind), None)


class Writer(View):
    """Who wrote fields of an object, from `managedFields`."""

    manager: str = ""
    operation: str = ""
    time: datetime | None = None
    wrote_count: bool = False

    @model_validator(mode="before")
    @classmethod
    def _count_only(cls, raw: Any) -> Any:
        """Of all the fields that are listed, whether `spec.replicas` is among them."""
        if not isinstance(raw, dict):
            return raw
        fields = raw.get("fieldsV1") or {}
        wrote = "f:replicas" in (fields.get("f:spec") or {})
        kept = {name: raw[name] for name in ("manager", "operation", "time") if name in raw}
        return {**kept, "wroteCount": wrote}


class Owner(View):
    """Who an object belongs to."""

    uid: str
    controller: bool = False


class ScalableMeta(Meta):
    """With owners and writers."""

    owner_references: tuple[Owner, ...] = ()
    managed_fields: tuple[Writer, ...] = ()


class PodTemplate(View):
    """The pods that a workload makes."""

    metadata: dict[str, Any] = Field(default_factory=dict)
    spec: dict[str, Any] = Field(default_factory=dict)


class ScalableSpec(View):
    """What is asked of a workload. Kubernetes itself takes an absent count for 1."""

    replicas: int = 1
    selector: Selector = Selector()
    template: PodTemplate = PodTemplate()


class ScalableStatus(View):
    """How far its controller has come."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0


class ScalableView(ObjectView):
    """A Deployment or StatefulSet."""

    metadata: ScalableMeta
    spec: ScalableSpec = ScalableSpec()
    status: ScalableStatus = ScalableStatus()

    @property
    def rolls_out(self) -> bool:
        """Whether its pods are being replaced, or its controller has not seen the last change."""
        status = self.status
        return (
            status.observed_generation < self.metadata.generation
            or status.updated_replicas < status.replicas
        )

    @property
    def controller_uid(self) -> str | None:
        """Whom it belongs to."""
        owners = self.metadata.owner_references
        return next((owner.uid for owner in owners if owner.controller), None)

    @property
    def count_writer(self) -> str | None:
        """Who wrote the count last; `None` where it is the default."""
        writers = [each for each in self.metadata.managed_fields if each.wrote_count]
        last = max(writers, key=lambda each: str(each.time), default=None)
        return last.manager if last else None
