"""The component that gives the operator a Prometheus: kustomize builds it, and its paths agree."""

import os
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.resource import ROOT
from tests.rig.invoke import invoke

from v4operator.adapters.prometheus_entries import PrometheusEntry

MANIFESTS = ROOT / "manifests"


def _built(folder: Path) -> dict[str, dict[str, Any]]:
    """What the base and the component make together, by kind; the operator's own objects."""
    parts = {
        "resources": [os.path.relpath(MANIFESTS / "base", folder)],
        "components": [os.path.relpath(MANIFESTS / "components/prometheus-source", folder)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    documents = yaml.safe_load_all(invoke("kubectl", "kustomize", str(folder)).stdout)
    return {d["kind"]: d for d in documents if d["metadata"]["name"].startswith("v4-operator")}


def test_the_file_that_the_operator_is_told_of_is_mounted_with_its_secrets(tmp_path: Path) -> None:
    built = _built(tmp_path)
    pod = built["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    told = {each["name"]: each.get("value", "") for each in container["env"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    servers = built["ConfigMap"]["data"]
    assert told["V4_PROMETHEUS_FILE"] == f"{mounts['prometheus']}/servers.yaml"
    assert told["V4_LOG_FORMAT"] == "json"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert volumes["prometheus"]["configMap"]["name"] == built["ConfigMap"]["metadata"]["name"]
    assert volumes["prometheus-secret"]["secret"]["secretName"] == "v4-operator-prometheus"
    (entry,) = yaml.safe_load(servers["servers.yaml"])["prometheus"]
    read = PrometheusEntry.model_validate(entry)
    for file in (read.token_file, read.ca_file):
        assert str(file).startswith(f"{mounts['prometheus-secret']}/")


def test_the_server_may_be_reached(tmp_path: Path) -> None:
    egress = _built(tmp_path)["NetworkPolicy"]["spec"]["egress"]
    assert {"port": 9090, "protocol": "TCP"} in egress[-1]["ports"]
    assert len(egress) > 1
