"""The files that bring the dashboards into a Grafana."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "dashboards"
# Above it a client-side apply fails: the annotation with the last state is part of the object.
APPLY_LIMIT_BYTES = 262_144


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


def test_the_component_brings_every_dashboard_with_the_label_of_the_sidecar() -> None:
    component = read("kustomization.yaml")

    assert component["kind"] == "Component"
    assert component["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}
    brought = {file for each in component["configMapGenerator"] for file in each["files"]}
    assert brought == {path.name for path in FOLDER.glob("*.json")}


def test_every_dashboard_fits_a_config_map_that_is_applied_by_a_client() -> None:
    for path in FOLDER.glob("*.json"):
        assert path.stat().st_size < APPLY_LIMIT_BYTES, path.name


def test_grafana_is_provisioned_with_the_folder_and_a_prometheus() -> None:
    (provider,) = read("provisioning/dashboards/v4-operator.yaml")["providers"]
    (source,) = read("provisioning/datasources/prometheus.yaml")["datasources"]

    assert (
        provider["folder"]
        == read("kustomization.yaml")["generatorOptions"]["annotations"]["grafana_folder"]
    )
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == "15s"
