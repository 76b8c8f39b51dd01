"""What is planned with is what runs: the engine over its pod over the spec, on real objects."""

import json
from typing import Any

import pytest
from tests.e2e.conftest import OWNER_LABEL, MakeNodes
from tests.e2e.emulated_pods import emulated_pods
from tests.e2e.operator_fleets import (
    ACCOUNT,
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
    workload,
    writes,
)
from tests.e2e.operator_process import condition_of, running_operator, status_of
from tests.e2e.resource import apply, change, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

pytestmark = pytest.mark.usefixtures("definition")


def until_found(plane: ControlPlane, namespace: str, reason: str) -> list[str]:
    """Messages of the findings of that reason, once there are any."""

    def look() -> list[str]:
        findings = status_of(plane, namespace, NAME).get("findings", ())
        return [each["message"] for each in findings if each["reason"] == reason]

    return eventually(look, what=f"the finding {reason}", limit_seconds=LIMIT)


def until_fresh(plane: ControlPlane, namespace: str, count: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        status = status_of(plane, namespace, NAME)
        return status if status.get("observed", {}).get("freshReplicas") == count else None

    return eventually(look, what=f"{count} fresh replicas", limit_seconds=LIMIT)


def sglang(template: dict[str, Any], line: str, **variables: str) -> dict[str, Any]:
    """The pod template with an engine started through a shell."""
    container = template["spec"]["containers"][0]
    container["command"] = ["sh", "-c", f"exec python3 -m sglang.launch_server {line}"]
    container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
    return template


def test_a_pod_that_is_started_otherwise_than_the_spec_says_is_told_with_both_values(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    template = sglang(
        pod_template(make_nodes(1)),
        "--mem-fraction-static ${FRACTION} --tp 4 --max-running-requests 512",
        FRACTION="0.8",
    )
    post_fleet(plane, namespace, fleet(1, template))
    manifest = v4deployment(ADOPTED)
    manifest["spec"]["engine"].update(version="0.5.22", args=["--mem-fraction-static", "0.88"])
    with emulated_pods(plane, namespace), running_operator(plane, namespace):
        assert create(plane, namespace, manifest, keep=True).accepted
        until_fresh(plane, namespace, 1)

        def both() -> dict[str, str] | None:
            messages = until_found(plane, namespace, "ConfigMismatch")
            found = {message.partition(":")[0]: message for message in messages}
            return found if {"engine version", "memory fraction"} <= found.keys() else None

        told = eventually(both, what="both mismatches", limit_seconds=LIMIT)
        assert "the spec says 0.5.22, the engine 0.5.23" in told["engine version"]
        assert "the spec says 0.88, the pod" in told["memory fraction"]
        values = {v["name"]: v for v in status_of(plane, namespace, NAME)["configuration"]}
        assert values["memory fraction"]["value"] == "0.8"
        assert values["memory fraction"]["source"].endswith("container engine")
        assert values["engine version"]["source"] == "engine"
        assert values["running requests"]["value"] == "512"


def test_an_engine_whose_arguments_cannot_be_read_has_an_unknown_memory_and_no_default(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    post_fleet(plane, namespace, fleet(1, pod_template(make_nodes(1))))
    with emulated_pods(plane, namespace), running_operator(plane, namespace):
        assert create(plane, namespace, v4deployment(ADOPTED), keep=True).accepted
        (message,) = until_found(plane, namespace, "EngineArgumentsUnreadable")
        assert "the image starts the engine by itself" in message
        assert status_of(plane, namespace, NAME)["hbm"]["verdict"] == "unknown"


def test_an_owned_template_keeps_its_limit_and_grace_until_another_change_replaces_the_pods(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    template = pod_template(make_nodes(1))
    manifest = v4deployment({"template": template, "rollout": {"maxUnavailable": 2}})
    with emulated_pods(plane, namespace):
        with running_operator(plane, namespace):
            assert create(plane, namespace, manifest, keep=True).accepted
            until_fresh(plane, namespace, 1)
            first = workload(plane, namespace)
            assert "--max-running-requests" in line_of(first)
            assert first["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 2
            pace = {"scaling": {"minReplicas": 2, "behavior": {"drainTimeout": "2h"}}}
            assert change(plane, namespace, NAME, {"spec": pace}, keep=True).accepted
            until_observed(plane, namespace)
            assert text_of(workload(plane, namespace)) == text_of(first)
        kept = plane.get(f"/api/v1/namespaces/{namespace}/configmaps/v4-operator-learned")
        assert f"{namespace}.{NAME}" in kept["data"], "saved at the end, not after five minutes"
        with running_operator(plane, namespace):
            known = len(writes(plane, namespace))
            eventually(
                lambda: len(writes(plane, namespace)) > known,
                what="the next operator writes",
                limit_seconds=LIMIT,
            )
            until_fresh(plane, namespace, 2)
            assert text_of(workload(plane, namespace)) == text_of(first)
            template["spec"]["containers"][0]["image"] = "example.invalid/sglang:0.5.23-post1"
            other = {"spec": {"workload": {"template": template}}}
            assert change(plane, namespace, NAME, other, keep=True).accepted
            eventually(
                lambda: grace_of(workload(plane, namespace)) > 7200,
                what="the grace period follows with the image",
                limit_seconds=LIMIT,
            )
            until_fresh(plane, namespace, 2)
            assert asked_counts(plane, namespace) == [2]
            findings = {f["reason"] for f in status_of(plane, namespace, NAME)["findings"]}
            assert findings.isdisjoint({"OtherWriter", "ScalingContested"})


def line_of(found: dict[str, Any]) -> list[str]:
    args: list[str] = found["spec"]["template"]["spec"]["containers"][0]["args"]
    return args


def grace_of(found: dict[str, Any]) -> int:
    seconds: int = found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    return seconds


def text_of(found: dict[str, Any]) -> str:
    return json.dumps(found["spec"]["template"], sort_keys=True)


def until_observed(plane: ControlPlane, namespace: str) -> None:
    """The operator has seen the spec as it is now."""

    def seen() -> bool:
        status = status_of(plane, namespace, NAME)
        return bool(status.get("observedGeneration") == 2 and status.get("lastDecision"))

    eventually(seen, what="the change is observed", limit_seconds=LIMIT)


def test_the_product_that_a_node_has_is_held_against_the_spec_where_nodes_may_be_read(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    selector = make_nodes(1)
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
    nodes = plane.get("/api/v1/nodes", labelSelector=f"{OWNER_LABEL}={namespace}")["items"]
    for node in nodes:
        plane.api.patch(
            f"/api/v1/nodes/{node['metadata']['name']}",
            json={"metadata": {"labels": labels}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    post_fleet(plane, namespace, fleet(1, sglang(pod_template(selector), "--tp 4")))
    with emulated_pods(plane, namespace), running_operator(plane, namespace):
        assert create(plane, namespace, v4deployment(ADOPTED), keep=True).accepted
        (message,) = until_found(plane, namespace, "NodesNotReadable")
        assert "nodes" in message
        budget = status_of(plane, namespace, NAME)["hbm"]["budgetBytes"]
        grant_nodes(plane, namespace)
        (message,) = until_found(plane, namespace, "AcceleratorMismatch")
        assert "NVIDIA-H100-80GB-HBM3 (h100-80)" in message
        eventually(
            lambda: status_of(plane, namespace, NAME)["hbm"]["budgetBytes"] < budget * 0.7,
            what="the budget is that of the device at hand",
            limit_seconds=LIMIT,
        )


def grant_nodes(plane: ControlPlane, namespace: str) -> None:
    base, name = "/apis/rbac.authorization.k8s.io/v1", f"nodes-{namespace}"
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}
    apply(plane, f"{base}/clusterroles/{name}", {**head, "kind": "ClusterRole", "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    binding = {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}
    apply(plane, f"{base}/clusterrolebindings/{name}", {**head, **binding})


def test_a_fight_over_the_count_that_was_given_up_is_not_taken_up_after_a_restart(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    post_fleet(plane, namespace, fleet(1, sglang(pod_template(make_nodes(1)), "--tp 4")))
    with emulated_pods(plane, namespace):
        with running_operator(plane, namespace):
            manifest = v4deployment(ADOPTED, minReplicas=2)
            assert create(plane, namespace, manifest, keep=True).accepted
            for reversals in range(1, 4):
                eventually(
                    lambda: asked_counts(plane, namespace) == [2] * reversals,  # noqa: B023
                    what=f"the operator asks for two, {reversals} times",
                    limit_seconds=LIMIT,
                )
                plane.kubectl("scale", "deployment", NAME, "--replicas=1", "-n", namespace)
            eventually(
                lambda: reason_of(plane, namespace) == "ScalingContested",
                what="the fight is given up",
                limit_seconds=LIMIT,
            )
        with running_operator(plane, namespace):
            known = plane.get(f"/api/v1/namespaces/{namespace}/configmaps/v4-operator-learned")
            assert f"{namespace}.{NAME}" in known["data"]
            before = status_of(plane, namespace, NAME)["replicaStatuses"]
            eventually(
                lambda: (
                    status_of(plane, namespace, NAME)["replicaStatuses"] != before
                    or events_since(plane, namespace)
                ),
                what="the next operator has looked",
                limit_seconds=LIMIT,
            )
            assert asked_counts(plane, namespace) == [2, 2, 2]
            assert reason_of(plane, namespace) == "ScalingContested"


def reason_of(plane: ControlPlane, namespace: str) -> str:
    reason: str = condition_of(status_of(plane, namespace, NAME), "ScalingActive").get("reason", "")
    return reason


def events_since(plane: ControlPlane, namespace: str) -> bool:
    """Whether the next operator leads and has read what was kept."""
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    reads = [e for e in plane.audit() if e.user == user and e.resource == "configmaps"]
    return sum(e.verb == "get" for e in reads) > 1
