"""The operator makes the workload: Deployment and Service, rolled out, kept, gone at the end."""

import json
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    LIMIT,
    NAME,
    delete,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
    workload,
    writes,
)
from tests.e2e.operator_process import condition_of, running_operator, status_of
from tests.e2e.resource import collection, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

pytestmark = pytest.mark.usefixtures("definition")


def until_ready(plane: ControlPlane, namespace: str, count: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        status = status_of(plane, namespace, NAME)
        serves = status.get("observed", {}).get("freshReplicas") == count
        return status if serves and status["desiredReplicas"] == count else None

    return eventually(look, what=f"{count} fresh replicas", limit_seconds=LIMIT)


def merge(plane: ControlPlane, path: str, change: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    plane.api.patch(path, json=change, headers=headers).raise_for_status()


def applied(plane: ControlPlane, namespace: str) -> int:
    """How often the operator has applied the Deployment."""
    return sum(
        entry.resource == "deployments" and not entry.subresource
        for entry in writes(plane, namespace)
    )


def template_of(found: dict[str, Any]) -> str:
    return json.dumps(found["spec"]["template"], sort_keys=True)


def test_a_template_becomes_a_deployment_and_a_service_that_live_and_die_with_the_resource(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    template = pod_template(make_nodes(2))
    with running_operator(plane, namespace):
        manifest = v4deployment({"template": template}, minReplicas=2)
        assert create(plane, namespace, manifest, keep=True).accepted
        status = until_ready(plane, namespace, 2)
        assert condition_of(status, "Ready")["status"] == "True"
        made = workload(plane, namespace)
        labels = made["spec"]["template"]["metadata"]["labels"]
        assert labels["v4serving.dev/routable"] == "true"
        assert "v4serving.dev/routable" not in made["spec"]["selector"]["matchLabels"]
        service = plane.get(f"/api/v1/namespaces/{namespace}/services/{NAME}")
        assert service["spec"]["selector"].items() <= labels.items()
        assert service["spec"]["selector"]["v4serving.dev/routable"] == "true"

        image = {"spec": {"workload": {"template": _with_image(template, "sglang:0.5.24")}}}
        merge(plane, f"{collection(namespace)}/{NAME}", image)
        eventually(
            lambda: "sglang:0.5.24" in template_of(workload(plane, namespace)),
            what="the new image is rolled out",
            limit_seconds=LIMIT,
        )
        assert workload(plane, namespace)["spec"]["replicas"] == 2
        before = template_of(workload(plane, namespace))

    with running_operator(plane, namespace):
        known = applied(plane, namespace)
        eventually(
            lambda: applied(plane, namespace) > known,
            what="the next operator has applied what it renders",
            limit_seconds=LIMIT,
        )
        until_ready(plane, namespace, 2)
        assert template_of(workload(plane, namespace)) == before
        delete(plane, namespace)
        eventually(
            lambda: not workload(plane, namespace),
            what="the owned Deployment goes with its owner",
            limit_seconds=LIMIT,
        )


def _with_image(template: dict[str, Any], image: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(template))
    changed["spec"]["containers"][0]["image"] = f"example.invalid/{image}"
    return changed


def test_a_deployment_of_the_same_name_that_is_somebody_elses_is_not_touched(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    template = pod_template(make_nodes(1))
    post_fleet(plane, namespace, fleet(1, pod_template(make_nodes(1))))
    version = workload(plane, namespace)["metadata"]["generation"]
    with running_operator(plane, namespace):
        manifest = v4deployment({"template": template})
        assert create(plane, namespace, manifest, keep=True).accepted

        def told() -> dict[str, Any] | None:
            ready = condition_of(status_of(plane, namespace, NAME), "Ready")
            return ready if ready.get("reason") == "WorkloadUnavailable" else None

        ready = eventually(told, what="the taken name in a condition", limit_seconds=LIMIT)
        assert "belongs to somebody else" in ready["message"]
        assert workload(plane, namespace)["metadata"]["generation"] == version
