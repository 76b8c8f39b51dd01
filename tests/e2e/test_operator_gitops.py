"""Others who write too: manifests that are applied again, another manager, an autoscaler."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    ACCOUNT,
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    count_of,
    deployments,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
    workload,
)
from tests.e2e.operator_process import condition_of, status_of
from tests.e2e.operator_seen import set_spec, until_count, until_fresh, until_reason
from tests.e2e.resource import apply, collection, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

ROUTABLE_LABEL = "v4serving.dev/routable"
PACE = {"shrinkWindow": "10s", "drainTimeout": "60s"}

pytestmark = pytest.mark.usefixtures("definition", "operating")


def applied(plane: ControlPlane, namespace: str, manifest: dict[str, Any]) -> None:
    """`kubectl apply`, and the operator has looked at what is there now."""
    plane.kubectl.apply(json.dumps(manifest), "-n", namespace)
    until_generation_is_seen(plane, namespace)


def until_generation_is_seen(plane: ControlPlane, namespace: str) -> None:
    def look() -> bool:
        found = plane.get(f"{collection(namespace)}/{NAME}")
        seen = found.get("status", {}).get("observedGeneration")
        return bool(seen == found["metadata"]["generation"])

    eventually(look, what="the operator has seen the spec", limit_seconds=LIMIT)


def with_replicas(manifest: dict[str, Any], replicas: int) -> dict[str, Any]:
    return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}


def test_a_manifest_that_is_applied_again_undoes_no_scale_with_replicas_or_without(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    template = pod_template(make_nodes(2))
    manifest = v4deployment({"template": template}, behavior=PACE)
    applied(plane, namespace, manifest)
    until_fresh(plane, namespace, 1)
    set_spec(plane, namespace, {"scaling": {"minReplicas": 3}})
    until_fresh(plane, namespace, 3)
    asked = asked_counts(plane, namespace)
    manifest["spec"]["scaling"]["minReplicas"] = 3
    for again in (with_replicas(manifest, 1), manifest, with_replicas(manifest, 5)):
        applied(plane, namespace, again)
        assert count_of(plane, namespace) == 3
    assert asked_counts(plane, namespace) == asked
    assert len(plane.get(deployments(namespace))["items"]) == 1
    assert answers_to_applies(plane, namespace) == [HTTPStatus.CREATED]


def answers_to_applies(plane: ControlPlane, namespace: str) -> list[int]:
    """Of the API server, each time that the operator applied its Deployment."""
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    mine = (entry for entry in plane.audit() if entry.user == user and entry.verb == "patch")
    return [e.status for e in mine if (e.resource, e.subresource) == ("deployments", "")]


def test_a_count_that_is_taken_out_of_the_manifest_leaves_the_workload_as_it_is(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    template = pod_template(make_nodes(2))
    manifest = v4deployment({"template": template}, mode="Recommend")
    applied(plane, namespace, with_replicas(manifest, 3))
    until_fresh(plane, namespace, 3)
    applied(plane, namespace, manifest)
    status = status_of(plane, namespace, NAME)
    assert status["desiredReplicas"] == 3
    assert count_of(plane, namespace) == 3
    assert condition_of(status, "ScalingActive")["reason"] == "RecommendOnly"


def test_another_manager_keeps_its_own_fields_and_loses_those_of_the_operator(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    template = pod_template(make_nodes(2))
    assert create(plane, namespace, v4deployment({"template": template}), keep=True).accepted
    until_fresh(plane, namespace, 1)
    path = f"{deployments(namespace)}/{NAME}"
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "annotations": {"team": "chat"}},
        "spec": {"progressDeadlineSeconds": 77},
    }
    apply(plane, path, theirs)
    eventually(
        lambda: workload(plane, namespace)["spec"]["progressDeadlineSeconds"] != 77,
        what="what the operator renders is back",
        limit_seconds=LIMIT,
    )
    assert workload(plane, namespace)["metadata"]["annotations"]["team"] == "chat"
    assert count_of(plane, namespace) == 1


def test_an_autoscaler_with_other_bounds_on_the_target_is_named_and_not_fought(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    post_fleet(plane, namespace, fleet(4, pod_template(make_nodes(2))))
    assert create(plane, namespace, v4deployment(ADOPTED, behavior=PACE), keep=True).accepted
    post_autoscaler(plane, namespace, ADOPTED["targetRef"], least=4)
    engines.load(2.0)
    found = until_reason(
        plane, namespace, "ScalingActive", "ScalingContested", limit_seconds=3 * LIMIT
    )
    assert found["message"].startswith("kube-controller-manager has set replicas to 4")
    asked = asked_counts(plane, namespace)
    assert len(asked) >= 3
    assert max(asked) < 4
    until_generation_is_seen(plane, namespace)
    eventually(
        lambda: len(routed(plane, namespace)) == 4,
        what="the replica that was being drained is served again",
        limit_seconds=LIMIT,
    )
    assert asked_counts(plane, namespace) == asked
    assert count_of(plane, namespace) == 4
    assert engines.cut == 0


def test_an_autoscaler_on_the_resource_itself_sets_the_count_in_recommend(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    post_fleet(plane, namespace, fleet(1, pod_template(make_nodes(2))))
    manifest = with_replicas(v4deployment(ADOPTED, mode="Recommend"), 1)
    assert create(plane, namespace, manifest, keep=True).accepted
    until_fresh(plane, namespace, 1)
    reference = {
        "apiVersion": "v4serving.dev/v1alpha1",
        "kind": "V4Deployment",
        "name": NAME,
    }
    post_autoscaler(plane, namespace, reference, least=3)
    until_count(plane, namespace, 3, "the count of the autoscaler is carried out")
    until_fresh(plane, namespace, 3)
    assert asked_counts(plane, namespace) == [3]


def routed(plane: ControlPlane, namespace: str) -> list[str]:
    """Pods that no label keeps out of routing."""
    pods = plane.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    labels = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in pods}
    return [name for name, held in labels.items() if held.get(ROUTABLE_LABEL) != "false"]


def post_autoscaler(
    plane: ControlPlane, namespace: str, target: dict[str, str], *, least: int
) -> None:
    """An HPA whose bounds are all that counts: there is no metrics API here."""
    plane.api.post(
        f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
        json={
            "metadata": {"name": NAME},
            "spec": {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": 6},
        },
    ).raise_for_status()
