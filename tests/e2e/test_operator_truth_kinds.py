"""A kind that the operator has never heard of, adopted through its scale subresource."""

from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import emulated_pods
from tests.e2e.operator_fleets import (
    ACCOUNT,
    LIMIT,
    NAME,
    asked_counts,
    pod_template,
    v4deployment,
)
from tests.e2e.operator_process import condition_of, running_operator, status_of
from tests.e2e.resource import apply, create, install_definition
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

GROUP = "fleets.example.dev"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"podfleets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "podfleets", "singular": "podfleet", "kind": "PodFleet"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"replicas": {"type": "integer"}},
                            },
                            "status": {
                                "type": "object",
                                "properties": {
                                    "replicas": {"type": "integer"},
                                    "selector": {"type": "string"},
                                },
                            },
                        },
                    }
                },
                "subresources": {
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas",
                        "labelSelectorPath": ".status.selector",
                    }
                },
            }
        ],
    },
}
TARGET = {"targetRef": {"apiVersion": f"{GROUP}/v1", "kind": "PodFleet", "name": NAME}}


@pytest.fixture(scope="module", autouse=True)
def _definitions(plane: ControlPlane) -> None:
    install_definition(plane)
    name = f"podfleets.{GROUP}"
    apply(plane, f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", DEFINITION)
    eventually(lambda: plane.api.get(f"/apis/{GROUP}/v1").is_success, what=f"{name} is served")


def make_fleet(plane: ControlPlane, namespace: str, template: dict[str, Any], count: int) -> None:
    """Pods and the object that counts them: its controller is not here, so it never acts."""
    labels = {"app": NAME}
    for number in range(count):
        meta = {"name": f"{NAME}-{number}", "labels": labels}
        meta["annotations"] = template["metadata"]["annotations"]
        pod = {"metadata": meta, "spec": template["spec"]}
        plane.api.post(f"/api/v1/namespaces/{namespace}/pods", json=pod).raise_for_status()
    made = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "PodFleet",
        "metadata": {"name": NAME},
        "spec": {"replicas": count},
        "status": {"replicas": count, "selector": f"app={NAME}"},
    }
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/podfleets"
    plane.api.post(path, json=made).raise_for_status()


def grant_scale(plane: ControlPlane, namespace: str) -> None:
    """What a ClusterRole with the label would add, in this namespace."""
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "podfleets"}}
    rule = {"apiGroups": [GROUP], "resources": ["podfleets/scale"], "verbs": ["get", "patch"]}
    apply(plane, f"{base}/roles/podfleets", {**head, "kind": "Role", "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "podfleets"}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    binding = {"kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    apply(plane, f"{base}/rolebindings/podfleets", {**head, **binding})


def test_a_kind_with_a_scale_subresource_is_adopted_once_the_named_rule_is_there(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    make_fleet(plane, namespace, pod_template(make_nodes(1)), 2)
    with emulated_pods(plane, namespace), running_operator(plane, namespace):
        manifest = v4deployment(TARGET, minReplicas=3)
        assert create(plane, namespace, manifest, keep=True).accepted

        def refused() -> dict[str, Any] | None:
            ready = condition_of(status_of(plane, namespace, NAME), "Ready")
            return ready if ready.get("reason") == "PermissionDenied" else None

        ready = eventually(refused, what="the missing right is said", limit_seconds=LIMIT)
        rule = f'apiGroups: ["{GROUP}"], resources: ["podfleets/scale"], verbs: ["get"]'
        assert rule in ready["message"]
        assert "v4serving.dev/adopted-kind" in ready["message"]
        grant_scale(plane, namespace)

        def seen() -> dict[str, Any] | None:
            status = status_of(plane, namespace, NAME)
            return status if status.get("observed", {}).get("freshReplicas") == 2 else None

        status = eventually(seen, what="both pods are read", limit_seconds=LIMIT)
        assert status["selector"] == f"app={NAME}"
        path = f"/apis/{GROUP}/v1/namespaces/{namespace}/podfleets/{NAME}"
        eventually(
            lambda: plane.get(path)["spec"]["replicas"] == 3,
            what="the count is written",
            limit_seconds=LIMIT,
        )
        assert asked_counts(plane, namespace) == [3]
        findings = {each["reason"] for each in status["findings"]}
        assert "VictimNotChosen" in findings


def test_a_kind_that_cannot_be_scaled_or_does_not_exist_is_said(
    plane: ControlPlane, namespace: str
) -> None:
    with running_operator(plane, namespace):
        reference = {"apiVersion": f"{GROUP}/v1", "kind": "PodFlet", "name": NAME}
        manifest = v4deployment({"targetRef": reference})
        assert create(plane, namespace, manifest, keep=True).accepted

        def told() -> str | None:
            ready = condition_of(status_of(plane, namespace, NAME), "Ready")
            return ready["message"] if ready.get("reason") == "WorkloadUnavailable" else None

        message = eventually(told, what="the kind in a condition", limit_seconds=LIMIT)
        assert message == (f"{GROUP}/v1 PodFlet is not served; PodFleet can be adopted")
