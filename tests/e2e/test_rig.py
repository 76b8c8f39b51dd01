"""The rig itself: what every story on a real control plane relies on."""

import ipaddress
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from tests.e2e.conftest import MakeNodes
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

ANNOTATION = "rig.v4serving.dev"
NEVER = "3600"  # seconds: longer than any test


def deployment(
    name: str,
    *,
    replicas: int,
    node_selector: Mapping[str, str],
    gpus: int = 1,
    annotations: Mapping[str, str] | None = None,
    grace_seconds: int = 30,
) -> str:
    labels = {"app": name}
    container = {
        "name": "engine",
        "image": "example.invalid/engine:1",
        "resources": {"limits": {"nvidia.com/gpu": str(gpus)}},
    }
    made = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": dict(annotations or {})},
                "spec": {
                    "nodeSelector": dict(node_selector),
                    "terminationGracePeriodSeconds": grace_seconds,
                    "containers": [container],
                },
            },
        },
    }
    return json.dumps(made)


def pods_of(plane: ControlPlane, namespace: str, app: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plane.get(
        f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app={app}"
    )["items"]
    return found


def condition(pod: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in pod["status"]["conditions"] if c["type"] == kind)
    return found


def is_ready(pod: Mapping[str, Any]) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ())
    )


def ready_pods(
    plane: ControlPlane, namespace: str, app: str, count: int
) -> Callable[[], list[dict[str, Any]] | None]:
    def look() -> list[dict[str, Any]] | None:
        ready = [pod for pod in pods_of(plane, namespace, app) if is_ready(pod)]
        return ready if len(ready) == count else None

    return look


def test_a_deployment_becomes_ready_on_addresses_that_anyone_here_can_listen_on(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    made = deployment("flash", replicas=3, node_selector=make_nodes(1))
    plane.kubectl.apply(made, "-n", namespace)

    pods = eventually(ready_pods(plane, namespace, "flash", 3), what="three ready pods")

    addresses = {pod["status"]["podIP"] for pod in pods}
    assert len(addresses) == 3
    ours = ipaddress.ip_network(plane.block.pods)
    for address in addresses:
        assert ipaddress.ip_address(address) in ours
        with socket.create_server((address, 0)) as engine:
            assert engine.getsockname()[0] == address


def test_a_node_carries_the_labels_of_its_devices(plane: ControlPlane) -> None:
    (name,) = plane.add_nodes(1, gpus=4, product="NVIDIA-B200", memory_mebibytes=183_359)

    node = plane.get(f"/api/v1/nodes/{name}")

    assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-B200"
    assert node["metadata"]["labels"]["nvidia.com/gpu.memory"] == "183359"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    plane.delete_nodes((name,))


def test_five_pods_of_two_devices_leave_one_pending_on_a_node_of_eight(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    made = deployment("flash", replicas=5, gpus=2, node_selector=make_nodes(1, gpus=8))
    plane.kubectl.apply(made, "-n", namespace)

    eventually(ready_pods(plane, namespace, "flash", 4), what="four ready pods")

    (left,) = [pod for pod in pods_of(plane, namespace, "flash") if not is_ready(pod)]
    assert left["status"]["phase"] == "Pending"
    refused = condition(left, "PodScheduled")
    assert refused["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in refused["message"]


def test_a_pod_runs_before_it_is_ready_for_as_long_as_its_annotation_says(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    nodes = make_nodes(1)
    slow = {f"{ANNOTATION}/ready-seconds": NEVER}
    short = {f"{ANNOTATION}/ready-seconds": "0.5"}
    for name, pace in (("slow", slow), ("short", short)):
        made = deployment(name, replicas=1, node_selector=nodes, annotations=pace)
        plane.kubectl.apply(made, "-n", namespace)

    eventually(ready_pods(plane, namespace, "short", 1), what="the short start is over")
    loading = eventually(
        lambda: [p for p in pods_of(plane, namespace, "slow") if p["status"]["phase"] == "Running"],
        what="the slow one runs",
    )

    assert condition(loading[0], "Ready")["status"] == "False"
    assert loading[0]["status"]["containerStatuses"][0]["started"] is True


def test_a_pod_crashes_again_and_again_where_its_annotation_says_so(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    pace = {f"{ANNOTATION}/crash-seconds": "0", f"{ANNOTATION}/backoff-seconds": "0.1"}
    made = deployment("sick", replicas=1, node_selector=make_nodes(1), annotations=pace)
    plane.kubectl.apply(made, "-n", namespace)

    def looping() -> dict[str, Any] | None:
        for pod in pods_of(plane, namespace, "sick"):
            for container in pod["status"].get("containerStatuses", ()):
                if container["restartCount"] >= 2 and "waiting" in container["state"]:
                    return dict(pod)
        return None

    pod = eventually(looping, what="a pod that has crashed three times")

    container = pod["status"]["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert condition(pod, "Ready")["status"] == "False"


def test_a_deleted_pod_stays_terminating_until_its_grace_period_is_over(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    pace = {f"{ANNOTATION}/stop-seconds": NEVER}
    made = deployment(
        "flash", replicas=1, node_selector=make_nodes(1), annotations=pace, grace_seconds=3
    )
    plane.kubectl.apply(made, "-n", namespace)
    eventually(ready_pods(plane, namespace, "flash", 1), what="a ready pod")

    plane.kubectl("scale", "deployment/flash", "--replicas=0", "-n", namespace)

    stopping = eventually(
        lambda: [
            pod
            for pod in pods_of(plane, namespace, "flash")
            if "deletionTimestamp" in pod["metadata"]
        ],
        what="the pod is terminating",
    )
    assert stopping[0]["metadata"]["deletionGracePeriodSeconds"] == 3
    assert is_ready(stopping[0])
    eventually(lambda: not pods_of(plane, namespace, "flash"), what="the pod is gone")


def test_a_pod_that_stops_at_once_does_not_wait_for_its_grace_period(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    made = deployment("flash", replicas=1, node_selector=make_nodes(1), grace_seconds=int(NEVER))
    plane.kubectl.apply(made, "-n", namespace)
    eventually(ready_pods(plane, namespace, "flash", 1), what="a ready pod")

    plane.kubectl("scale", "deployment/flash", "--replicas=0", "-n", namespace)

    eventually(lambda: not pods_of(plane, namespace, "flash"), what="the pod is gone")


def test_an_emulated_kubelet_may_end_a_pod_before_its_grace_period_is_over(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    made = deployment(
        "flash",
        replicas=1,
        node_selector=make_nodes(1),
        annotations={f"{ANNOTATION}/stop-seconds": NEVER},
        grace_seconds=int(NEVER),
    )
    plane.kubectl.apply(made, "-n", namespace)
    (pod,) = eventually(ready_pods(plane, namespace, "flash", 1), what="a ready pod")
    plane.kubectl("scale", "deployment/flash", "--replicas=0", "-n", namespace)
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
    eventually(
        lambda: "deletionTimestamp" in plane.get(path)["metadata"], what="the pod is terminating"
    )

    plane.api.delete(path, params={"gracePeriodSeconds": "0"}).raise_for_status()

    eventually(lambda: not pods_of(plane, namespace, "flash"), what="the pod is gone")


def make_service_account(plane: ControlPlane, namespace: str, name: str) -> None:
    plane.kubectl("create", "serviceaccount", name, "-n", namespace)


def test_a_service_account_without_rights_is_refused(plane: ControlPlane, namespace: str) -> None:
    make_service_account(plane, namespace, "nobody")
    access = plane.service_account_kubeconfig(namespace, "nobody")

    said = plane.kubectl_as(access.kubeconfig).attempt("get", "pods", "-n", namespace)

    assert said.status == 1
    assert f'User "system:serviceaccount:{namespace}:nobody" cannot list resource' in said.stderr


def test_a_token_ends_with_the_object_it_is_bound_to_and_a_new_one_is_read_from_the_file(
    plane: ControlPlane, namespace: str
) -> None:
    make_service_account(plane, namespace, "worker")
    plane.kubectl("create", "secret", "generic", "tie", "-n", namespace)
    uid = plane.get(f"/api/v1/namespaces/{namespace}/secrets/tie")["metadata"]["uid"]
    tie = {"apiVersion": "v1", "kind": "Secret", "name": "tie", "uid": uid}
    access = plane.service_account_kubeconfig(namespace, "worker", bound_to=tie)
    worker = plane.kubectl_as(access.kubeconfig)
    assert "system:serviceaccount" in worker("auth", "whoami").stdout

    plane.kubectl("delete", "secret", "tie", "-n", namespace)

    eventually(  # the API server remembers a good token for ten seconds
        lambda: "Unauthorized" in worker.attempt("auth", "whoami").stderr,
        what="the token is refused",
    )
    access.token_file.write_text(plane.service_account_token(namespace, "worker"))
    assert "system:serviceaccount" in worker("auth", "whoami").stdout


def test_the_audit_log_shows_who_wrote_what(plane: ControlPlane, namespace: str) -> None:
    make_service_account(plane, namespace, "writer")
    for command in (
        ("create", "role", "write", "--verb=create,get", "--resource=configmaps"),
        ("create", "rolebinding", "write", "--role=write", f"--serviceaccount={namespace}:writer"),
    ):
        plane.kubectl(*command, "-n", namespace)
    writer = plane.kubectl_as(plane.service_account_kubeconfig(namespace, "writer").kubeconfig)

    writer("create", "configmap", "note", "--from-literal=said=yes", "-n", namespace)
    writer("get", "configmap", "note", "-n", namespace)

    entries = [
        entry
        for entry in plane.audit()
        if (entry.namespace, entry.resource) == (namespace, "configmaps")
        and entry.user == f"system:serviceaccount:{namespace}:writer"
    ]
    assert [(entry.verb, entry.status, entry.writes) for entry in entries] == [
        ("create", 201, True),
        ("get", 200, False),
    ]
    assert isinstance(entries[0].request, dict)
    assert entries[0].request["data"] == {"said": "yes"}
    assert entries[1].request is None
    assert "kubectl" in entries[0].user_agent


WARNING = "more than eight devices are not to be had here"


def policy(namespace: str) -> str:
    only_here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    deployments = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    made = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [deployments]},
            "validations": [{"expression": "object.spec.replicas <= 8", "message": WARNING}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {
            "policyName": namespace,
            "validationActions": ["Warn"],
            "matchResources": {"namespaceSelector": only_here},
        },
    }
    return yaml.safe_dump_all([made, binding])


def test_an_admission_policy_warns_the_person_who_applies(
    plane: ControlPlane, namespace: str
) -> None:
    plane.kubectl.apply(policy(namespace))

    def answer(replicas: int) -> str:
        made = deployment("flash", replicas=replicas, node_selector={})
        return plane.kubectl.apply(made, "-n", namespace, "--dry-run=server").stderr

    warned = eventually(
        lambda: said if WARNING in (said := answer(9)) else None, what="the policy is active"
    )

    assert warned.startswith("Warning:")
    assert WARNING not in answer(8)
    plane.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", namespace)


def test_the_plane_goes_on_after_a_server_was_killed_or_frozen(
    destructive_plane: ControlPlane,
) -> None:
    plane = destructive_plane
    plane.add_nodes(1)
    plane.kubectl.apply(deployment("flash", replicas=1, node_selector={}))
    eventually(ready_pods(plane, "default", "flash", 1), what="a ready pod")

    plane.components["kube-apiserver"].restart()
    plane.wait_ready()
    plane.components["kube-scheduler"].pause()
    plane.kubectl("scale", "deployment/flash", "--replicas=2")
    eventually(lambda: len(pods_of(plane, "default", "flash")) == 2, what="a second pod")
    (unplaced,) = [pod for pod in pods_of(plane, "default", "flash") if not is_ready(pod)]
    plane.components["kube-scheduler"].resume()

    assert "nodeName" not in unplaced["spec"]
    eventually(ready_pods(plane, "default", "flash", 2), what="two ready pods")
