"""V4Deployments and fleets as the stories on the operator need them, and what became of them."""

from copy import deepcopy
from typing import Any

from tests.e2e.emulated_pods import PORT
from tests.e2e.resource import collection, create
from tests.rig.audit import AuditEntry
from tests.rig.plane import ControlPlane

NAME = "flash"
ACCOUNT = "v4-operator"
GPUS = 4  # of one replica
LIMIT = 120.0  # seconds: a busy machine; a passing story does not wait for it


def pod_template(
    node_selector: dict[str, str], *, labels: dict[str, str] | None = None, **annotations: str
) -> dict[str, Any]:
    """Of one engine; annotations set the pace of the rig, such as `ready_seconds="20"`."""
    paces = {f"rig.v4serving.dev/{key.replace('_', '-')}": v for key, v in annotations.items()}
    return {
        "metadata": {"labels": labels or {}, "annotations": paces},
        "spec": {
            "nodeSelector": node_selector,
            "containers": [
                {
                    "name": "engine",
                    "image": "example.invalid/sglang:0.5.23",
                    "resources": {"limits": {"nvidia.com/gpu": str(GPUS)}},
                }
            ],
        },
    }


def fleet(replicas: int, template: dict[str, Any]) -> dict[str, Any]:
    """A Deployment that somebody else made."""
    labels = {"app": NAME}
    template["metadata"]["labels"] = {**template["metadata"]["labels"], **labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


def stateful(replicas: int, template: dict[str, Any]) -> dict[str, Any]:
    """The same as a StatefulSet."""
    made = fleet(replicas, template)
    spec = {**made["spec"], "serviceName": NAME, "podManagementPolicy": "Parallel"}
    return {**made, "kind": "StatefulSet", "spec": spec}


def v4deployment(workload: dict[str, Any], **scaling: Any) -> dict[str, Any]:
    """Polled every second, so that a story takes no minutes; the bounds as the story wants them."""
    return {
        "apiVersion": "v4serving.dev/v1alpha1",
        "kind": "V4Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "model": {"checkpoint": "deepseek-ai/DeepSeek-V4-Flash", "maxContextTokens": 262144},
            "engine": {"name": "sglang", "version": "0.5.23", "metrics": {"port": PORT}},
            "accelerator": {"product": "h200-141", "count": GPUS},
            "workload": workload,
            "scaling": {"minReplicas": 1, "maxReplicas": 6, **scaling},
            "metrics": {"interval": "1s"},
        },
    }


ADOPTED = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}}


def deployments(namespace: str) -> str:
    """The path of the Deployments of a namespace."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def post_fleet(plane: ControlPlane, namespace: str, made: dict[str, Any]) -> None:
    """Make a Deployment or a StatefulSet as somebody else."""
    path = f"/apis/apps/v1/namespaces/{namespace}/{made['kind'].lower()}s"
    plane.api.post(path, json=made).raise_for_status()


def adopt_fleet(plane: ControlPlane, namespace: str, name: str, **scaling: Any) -> None:
    """One of several, by name: a replica that somebody else made, polled at the default interval.

    Its pods are labelled with `app`.
    """
    made = deepcopy(fleet(1, pod_template({})))
    made["metadata"]["name"] = name
    made["spec"]["selector"]["matchLabels"] = {"app": name}
    made["spec"]["template"]["metadata"]["labels"]["app"] = name
    post_fleet(plane, namespace, made)
    manifest = v4deployment({"targetRef": {**ADOPTED["targetRef"], "name": name}}, **scaling)
    manifest["metadata"]["name"] = name
    del manifest["spec"]["metrics"]
    assert create(plane, namespace, manifest, keep=True).accepted


def workload(plane: ControlPlane, namespace: str, name: str = NAME) -> dict[str, Any]:
    """The Deployment as the API server holds it; empty where there is none."""
    answer = plane.api.get(f"{deployments(namespace)}/{name}")
    found: dict[str, Any] = answer.json() if answer.is_success else {}
    return found


def count_of(plane: ControlPlane, namespace: str, name: str = NAME) -> int | None:
    """Replicas that the Deployment asks for."""
    count: int | None = workload(plane, namespace, name).get("spec", {}).get("replicas")
    return count


def delete(plane: ControlPlane, namespace: str) -> None:
    """Delete the V4Deployment."""
    plane.api.delete(f"{collection(namespace)}/{NAME}").raise_for_status()


def writes(plane: ControlPlane, namespace: str) -> list[AuditEntry]:
    """What the operator wrote and the API server took, oldest first, but for Leases and Events."""
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    return [
        entry
        for entry in plane.audit()
        if entry.user == user
        and entry.writes
        and entry.status < 300
        and entry.resource not in {"leases", "events"}
    ]


def asked_counts(plane: ControlPlane, namespace: str) -> list[int]:
    """The counts that the operator asked for, in order."""
    return [
        entry.request["spec"]["replicas"]
        for entry in writes(plane, namespace)
        if entry.subresource == "scale" and isinstance(entry.request, dict)
    ]
