"""What of a cluster's objects counts here: narrow views, and the kinds by which they are asked for.

Only shapes and what can be read off one object alone; what objects mean together is not here.
"""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from pydantic import Field, model_validator

from v4operator.adapters.cluster_selector import Selector
from v4operator.adapters.kube_request import Kind
from v4operator.adapters.kube_views import ObjectMeta, ObjectView, View
from v4operator.api.v1alpha1 import GROUP, VERSION
from v4operator.model.running import NodeDevices
from v4operator.model.units import MIB

V4DEPLOYMENTS = Kind(group=GROUP, version=VERSION, plural="v4deployments")
PODS = Kind(group="", version="v1", plural="pods")
NODES = Kind(group="", version="v1", plural="nodes", namespaced=False)
SERVICES = Kind(group="", version="v1", plural="services")
CONFIG_MAPS = Kind(group="", version="v1", plural="configmaps")
SCALABLE = {
    "Deployment": Kind(group="apps", version="v1", plural="deployments"),
    "StatefulSet": Kind(group="apps", version="v1", plural="statefulsets"),
}
"""Kinds of workload that are followed, by the name under which a manifest knows them."""

_PRODUCT_LABEL, _MEMORY_LABEL = "nvidia.com/gpu.product", "nvidia.com/gpu.memory"

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


class Owner(View):
    """Who an object belongs to."""

    uid: str
    kind: str = ""
    name: str = ""
    controller: bool = False


class NodeMeta(ObjectMeta):
    """No version: a node tells every few minutes that it is there, which is no change here."""

    labels: dict[str, str] = Field(default_factory=dict)


class NodeView(ObjectView):
    """A node, of which the labels count."""

    metadata: NodeMeta

    @property
    def devices(self) -> NodeDevices:
        """What GPU feature discovery has found on it; memory is in the driver's MiB."""
        labels = self.metadata.labels
        size = labels.get(_MEMORY_LABEL, "")
        return NodeDevices(
            node=self.metadata.name,
            product=labels.get(_PRODUCT_LABEL),
            driver_bytes=int(size) * MIB if size.isdecimal() else None,
        )


class Writer(View):
    """Who wrote fields of an object, from `managedFields`.

    `fields_digest` is a digest of the names of those that are still this writer's.
    """

    manager: str = ""
    operation: str = ""
    time: datetime | None = None
    wrote_count: bool = False
    fields_digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        """Of the fields that are listed: is `spec.replicas` among them, and are they the same."""
        if not isinstance(raw, dict):
            return raw
        fields = raw.get("fieldsV1") or {}
        wrote = "f:replicas" in (fields.get("f:spec") or {})
        digest = sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        kept = {name: raw[name] for name in ("manager", "operation", "time") if name in raw}
        return {**kept, "wroteCount": wrote, "fieldsDigest": digest}


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

    def fields_applied_by(self, manager: str) -> str | None:
        """A digest of what it has applied and still owns; `None` where that is nothing.

        A field that somebody else changes is theirs from then on (server-side apply), so that the
        digest stays the same for as long as all that was applied still holds.
        """
        writers = self.metadata.managed_fields
        applied = (w for w in writers if (w.manager, w.operation) == (manager, "Apply"))
        return next((writer.fields_digest for writer in applied), None)
