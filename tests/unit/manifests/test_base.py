"""What is applied to a cluster: rights, and how the operator's own pods run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from v4operator.adapters.cluster_learned import CONFIG_MAP
from v4operator.cli import VERBS
from v4operator.crdgen import admission, crd
from v4operator.settings import Settings

BASE = Path(__file__).parents[3] / "manifests" / "base"
OPERATOR = "roles.yaml"
Document = dict[str, Any]


def documents(name: str) -> list[Document]:
    return list(yaml.safe_load_all((BASE / name).read_text()))


def rules(name: str) -> Iterator[dict[str, list[str]]]:
    for document in documents(name):
        yield from document.get("rules", ())


def pod() -> Document:
    (deployment,) = documents("deployment.yaml")
    found: Document = deployment["spec"]["template"]["spec"]
    return found


def container() -> Document:
    (found,) = pod()["containers"]
    return dict(found)


@pytest.mark.parametrize(
    ("name", "text"), [("crd.yaml", crd.text()), ("admission.yaml", admission.text())]
)
def test_what_is_generated_is_up_to_date(name: str, text: str) -> None:
    """If not: `v4-operator crd [--what admission] --output manifests/base/...`."""
    assert (BASE / name).read_text() == text


def test_every_file_of_the_base_is_applied() -> None:
    (kustomization,) = documents("kustomization.yaml")
    listed = set(kustomization["resources"]) | {"kustomization.yaml"}
    assert listed == {path.name for path in BASE.iterdir()}


def test_the_operator_reads_no_secret_deletes_nothing_and_has_no_wildcard() -> None:
    for rule in rules(OPERATOR):
        assert "secrets" not in rule["resources"]
        assert not {"delete", "deletecollection"} & set(rule["verbs"])
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]


def test_the_operator_writes_the_status_of_a_v4deployment_and_never_its_spec() -> None:
    ours = [rule for rule in rules(OPERATOR) if rule["apiGroups"] == ["v4serving.dev"]]
    verbs = {resource: set(rule["verbs"]) for rule in ours for resource in rule["resources"]}
    assert verbs == {"v4deployments": {"get", "list", "watch"}, "v4deployments/status": {"patch"}}


def test_a_configmap_is_reached_by_its_name_only() -> None:
    reached = [rule for rule in rules(OPERATOR) if "configmaps" in rule["resources"]]
    names = {name for rule in reached for name in rule["resourceNames"]}
    assert names == {admission.TABLE_NAME, CONFIG_MAP}


def test_people_may_not_write_the_status() -> None:
    writes = [rule for rule in rules("roles-for-people.yaml") if "create" in rule["verbs"]]
    assert [rule["resources"] for rule in writes] == [["v4deployments"]]


def test_a_pod_of_the_operator_has_no_privilege() -> None:
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] > 0
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & set(pod())


def test_every_variable_that_the_pod_sets_is_a_setting_as_others_stop_the_start() -> None:
    known = {f"V4_{name}".upper() for name in Settings.model_fields}
    set_here = {variable["name"] for variable in container()["env"]}
    assert set_here <= known


def test_probes_and_monitor_ask_for_the_port_that_the_operator_listens_on() -> None:
    (port,) = container()["ports"]
    assert port == {
        "name": "metrics",
        "containerPort": Settings.model_fields["listen_port"].default,
    }
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container()[probe]["httpGet"]["port"] == "metrics"
    (monitor,) = documents("pod-monitor.yaml")
    assert [e["port"] for e in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]


def test_the_pod_runs_a_verb_that_exists() -> None:
    assert container()["args"][0] in VERBS


def test_a_lease_is_reached_by_its_name_once_it_is_there() -> None:
    leases = [rule for rule in rules(OPERATOR) if "leases" in rule["resources"]]
    named = {tuple(rule.get("resourceNames", ())): set(rule["verbs"]) for rule in leases}
    assert named == {
        (): {"create"},
        (Settings.model_fields["lease_name"].default,): {"get", "patch"},
    }


def test_disruptions_network_and_monitor_mean_the_operators_pods() -> None:
    (deployment,) = documents("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (budget,), (policy,), (monitor,) = (
        documents(name)
        for name in ("disruption-budget.yaml", "network-policy.yaml", "pod-monitor.yaml")
    )
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert policy["spec"]["podSelector"]["matchLabels"] == labels
    assert monitor["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["minAvailable"] < deployment["spec"]["replicas"]


def test_the_operators_image_is_named_by_its_digest_and_never_by_a_tag() -> None:
    (kustomization,) = documents("kustomization.yaml")
    (image,) = kustomization["images"]
    assert image["name"] == container()["image"]
    assert image["digest"].startswith("sha256:")
    assert "newTag" not in image
