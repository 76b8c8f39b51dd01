"""The manifests on a real API server: kustomize builds them, the server takes them.

The rights of the operator's ServiceAccount are those that it needs and no others.

On a plane of its own: what is installed here belongs to the whole cluster.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.resource import ROOT, collection, create
from tests.e2e.rights import NAME, NEEDED, NEVER, NODES, OWN, SYSTEM, Wish, allowed
from tests.rig.invoke import invoke
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually
from tests.unit.manifests.test_examples import EXAMPLES, only

from v4operator.api.v1alpha1 import API_VERSION, KIND
from v4operator.catalogue import load
from v4operator.crdgen import admission
from v4operator.estimate.hbm import check
from v4operator.model.hbm import HbmVerdict
from v4operator.report.series import DEPLOYMENT
from v4operator.settings import Settings

MANIFESTS = ROOT / "manifests"
PLAIN = "overlays/without-prometheus-operator"
SINGLE, SINGLE_NAMESPACE = "overlays/single-namespace", "v4-serving"
AUTOSCALER = MANIFESTS / "examples" / "autoscalers" / "hpa.yaml"
DOES_NOT_FIT = MANIFESTS / "examples" / "flash-guide-2xh100.yaml"
IN_TABLE = {
    "sglang",
    "vllm",
}  # engines with a memory model; of others only `plan` compares file sizes
# A stand-in for the Prometheus operator's definition: any spec is taken, so that the whole base can
# be applied. Whether the spec of the PodMonitor is right is not seen here.
POD_MONITORS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: PodMonitor, plural: podmonitors, singular: podmonitor}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


def built(folder: str) -> str:
    """What `kubectl apply -k` of that folder would apply."""
    return invoke("kubectl", "kustomize", str(MANIFESTS / folder)).stdout


def objects(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def install(plane: ControlPlane, folder: str) -> None:
    """Apply it as the quick start does; a warning of the server's is a failure."""
    said = plane.kubectl.apply(built(folder), "--server-side")
    assert "Warning" not in said.stderr
    eventually(
        lambda: plane.kubectl.attempt("get", "v4", "-A").status == 0,
        what="V4Deployments are served",
    )


def serve_pod_monitors(plane: ControlPlane) -> None:
    plane.kubectl.apply(POD_MONITORS)
    eventually(
        lambda: plane.kubectl.attempt("get", "podmonitors", "-A").status == 0,
        what="PodMonitors are served",
    )


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """A plane with the overlay that needs nothing else in the cluster."""
    failed_before = request.session.testsfailed
    with ControlPlane() as plane:
        install(plane, PLAIN)
        yield plane
        plane.keep_files = request.session.testsfailed > failed_before


@pytest.fixture(scope="module")
def single(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """A plane with the installation for one namespace."""
    failed_before = request.session.testsfailed
    with ControlPlane() as plane:
        serve_pod_monitors(plane)
        install(plane, SINGLE)
        yield plane
        plane.keep_files = request.session.testsfailed > failed_before


@pytest.mark.parametrize("wish", NEEDED + OWN + NODES, ids=str)
def test_the_operator_may(installed: ControlPlane, wish: Wish) -> None:
    assert allowed(installed, wish)


@pytest.mark.parametrize("wish", NEVER, ids=str)
def test_the_operator_may_not(installed: ControlPlane, wish: Wish) -> None:
    assert not allowed(installed, wish)


def test_the_rights_tried_above_are_all_that_the_manifests_give() -> None:
    tried = {(wish.resource, wish.verb) for wish in NEEDED + OWN + NODES}
    made = objects(built("base"))
    bound = {each["roleRef"]["name"] for each in made if each["kind"].endswith("RoleBinding")}
    given = {
        (f"{resource}@{group}" if group else resource, verb)
        for each in made
        if each["kind"] in {"Role", "ClusterRole"} and each["metadata"]["name"] in bound
        for rule in each.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == tried


def test_pods_of_the_operator_run_in_a_namespace_that_forbids_privilege(
    installed: ControlPlane,
) -> None:
    installed.add_nodes(2, gpus=0)
    path = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/{NAME}"
    space = installed.get(f"/api/v1/namespaces/{SYSTEM}")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    eventually(
        lambda: installed.get(path)["status"].get("readyReplicas") == 2,
        what="both pods of the operator are ready",
    )


def test_the_operators_own_token_writes_its_table_by_name_and_no_other_configmap(
    installed: ControlPlane,
) -> None:
    put_table(installed, SYSTEM)
    table = admission.table(load())
    stored = installed.get(f"/api/v1/namespaces/{SYSTEM}/configmaps/{admission.TABLE_NAME}")
    assert stored["data"] == table["data"]
    another = table | {"metadata": {"name": "another", "namespace": SYSTEM}}
    access = installed.service_account_kubeconfig(SYSTEM, NAME)
    operator = installed.kubectl_as(access.kubeconfig)
    said = operator.attempt("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(another))
    assert said.status != 0
    assert "forbidden" in said.stderr


def test_a_labelled_role_lets_the_operator_adopt_another_kind(installed: ControlPlane) -> None:
    wish = Wish("patch", "leaderworkersets/scale@leaderworkerset.x-k8s.io")
    assert not allowed(installed, wish)
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "more", "labels": {"v4serving.dev/adopted-kind": "true"}},
        "rules": [
            {
                "apiGroups": ["leaderworkerset.x-k8s.io"],
                "resources": ["leaderworkersets/scale"],
                "verbs": ["get", "patch"],
            }
        ],
    }
    installed.kubectl.apply(yaml.safe_dump(role))
    eventually(lambda: allowed(installed, wish), what="the rule has been added")


@pytest.fixture(scope="module")
def judged(installed: ControlPlane) -> ControlPlane:
    """The table is there and the policies look things up in it."""
    put_table(installed, SYSTEM)
    wait_for_warnings(installed, "default")
    return installed


def put_table(plane: ControlPlane, namespace: str) -> None:
    """With the operator's own rights."""
    operator = plane.kubectl_as(plane.service_account_kubeconfig(namespace, NAME).kubeconfig)
    operator.apply(yaml.safe_dump(admission.table(load(), namespace)), "--server-side")


def wait_for_warnings(plane: ControlPlane, namespace: str) -> None:
    eventually(
        lambda: create(plane, namespace, manifest_of(DOES_NOT_FIT)).warnings,
        what="the policies are in force",
    )


def manifest_of(example: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(example.read_text())
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_and_warned_of_where_it_does_not_fit(
    judged: ControlPlane, example: Path
) -> None:
    answer = create(judged, "default", manifest_of(example))
    assert answer.accepted, answer.message
    plan = only(example).memory
    verdict = check(plan, load()).verdict
    exceeded = not verdict.fits and verdict is not HbmVerdict.UNKNOWN
    assert bool(answer.warnings) is (exceeded and plan.engine in IN_TABLE)


def test_a_v4deployment_of_an_example_is_listed_by_its_short_name(judged: ControlPlane) -> None:
    judged.kubectl("apply", "--server-side", "-f", str(DOES_NOT_FIT))
    said = judged.kubectl("get", "v4", DOES_NOT_FIT.stem, "--no-headers").stdout
    assert said.split()[:2] == [DOES_NOT_FIT.stem, "vllm"]  # the operator fills in the others


def test_an_hpa_may_set_the_count_of_the_example_that_it_carries_out(
    judged: ControlPlane,
) -> None:
    said = judged.kubectl("apply", "--server-side", "-f", str(AUTOSCALER))
    assert "Warning" not in said.stderr
    claim, autoscaler = objects(AUTOSCALER.read_text())
    target = autoscaler["spec"]["scaleTargetRef"]
    name = claim["metadata"]["name"]
    assert (target["apiVersion"], target["kind"], target["name"]) == (API_VERSION, KIND, name)
    scale = judged.get(f"{collection('default')}/{name}/scale")
    assert scale["spec"]["replicas"] == claim["spec"]["replicas"]
    (metric,) = autoscaler["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] in {family.name for family in DEPLOYMENT}


def test_the_whole_base_is_applied_where_the_prometheus_operator_is(
    installed: ControlPlane,
) -> None:
    serve_pod_monitors(installed)
    said = installed.kubectl.apply(built("base"), "--server-side", "--dry-run=server")
    assert "podmonitor.monitoring.coreos.com/v4-operator serverside-applied" in said.stdout
    assert "Warning" not in said.stderr


def test_only_the_overlay_without_it_leaves_the_monitor_out() -> None:
    base, plain = objects(built("base")), objects(built(PLAIN))
    assert plain == [each for each in base if each["kind"] != "PodMonitor"]
    assert len(plain) == len(base) - 1


def test_an_administrator_of_a_namespace_may_make_v4deployments_but_not_their_status(
    installed: ControlPlane,
) -> None:
    def may(role: str, resource: str, verb: str) -> bool:
        rules = installed.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}")["rules"]
        return any(resource in r.get("resources", ()) and verb in r["verbs"] for r in rules)

    eventually(lambda: may("edit", "v4deployments", "create"), what="the roles are put together")
    assert may("view", "v4deployments", "watch")
    assert may("admin", "v4deployments/scale", "patch")
    assert not may("view", "v4deployments", "create")
    assert not may("admin", "v4deployments/status", "patch")


@pytest.mark.parametrize("wish", NEEDED, ids=str)
def test_an_operator_of_one_namespace_may_there_and_nowhere_else(
    single: ControlPlane, wish: Wish
) -> None:
    here = Wish(wish.verb, wish.resource, SINGLE_NAMESPACE)
    assert allowed(single, here, SINGLE_NAMESPACE)
    assert not allowed(single, wish, SINGLE_NAMESPACE)


def test_an_operator_of_one_namespace_reads_no_node_and_is_told_its_namespace(
    single: ControlPlane,
) -> None:
    assert not any(allowed(single, wish, SINGLE_NAMESPACE) for wish in NODES)
    path = f"/apis/apps/v1/namespaces/{SINGLE_NAMESPACE}/deployments/{NAME}"
    (container,) = single.get(path)["spec"]["template"]["spec"]["containers"]
    told = {variable["name"]: variable.get("valueFrom") for variable in container["env"]}
    assert told["V4_NAMESPACE"]["fieldRef"]["fieldPath"] == "metadata.namespace"
    assert {name.removeprefix("V4_").lower() for name in told} <= Settings.model_fields.keys()


def test_the_policies_of_one_namespace_judge_there_and_nowhere_else(single: ControlPlane) -> None:
    put_table(single, SINGLE_NAMESPACE)
    wait_for_warnings(single, SINGLE_NAMESPACE)
    assert not create(single, "default", manifest_of(DOES_NOT_FIT)).warnings


def test_nothing_of_one_namespace_names_the_other() -> None:
    text = built(SINGLE)
    assert SYSTEM not in text
    bindings = [b["spec"] for b in objects(text) if b["kind"].endswith("PolicyBinding")]
    (label,) = {
        tuple(b["matchResources"]["namespaceSelector"]["matchLabels"].items()) for b in bindings
    }
    assert label == (("kubernetes.io/metadata.name", SINGLE_NAMESPACE),)
    tables = [b["paramRef"]["namespace"] for b in bindings if "paramRef" in b]
    assert tables == [SINGLE_NAMESPACE] * 2
