"""manifests/rules as kustomize builds it into an overlay."""

import os
from pathlib import Path

import pytest
import yaml
from tests.rig.invoke import attempt, invoke

from v4operator.rulegen import render
from v4operator.rulegen.durations import Durations

MANIFESTS = Path(__file__).parents[2] / "manifests"


def overlay(folder: Path, **more: object) -> Path:
    """An overlay of the base and the rules."""
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(MANIFESTS / "base", folder.resolve())],
        "components": [os.path.relpath(MANIFESTS / "rules", folder.resolve())],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return folder


def built(folder: Path) -> dict[str, object]:
    """The PrometheusRule of an overlay."""
    documents = yaml.safe_load_all(invoke("kubectl", "kustomize", folder).stdout)
    (rule,) = [each for each in documents if each["kind"] == "PrometheusRule"]
    found: dict[str, object] = rule
    return found


def test_an_overlay_has_the_rules_beside_the_operator(tmp_path: Path) -> None:
    assert built(overlay(tmp_path)) == yaml.safe_load(render.prometheus_rule(Durations()))


def test_an_overlay_adds_the_label_that_its_prometheus_selects_by(tmp_path: Path) -> None:
    patch = "- {op: add, path: /metadata/labels/release, value: kube-prometheus-stack}"
    folder = overlay(tmp_path, patches=[{"target": {"kind": "PrometheusRule"}, "patch": patch}])
    metadata = built(folder)["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["labels"]["release"] == "kube-prometheus-stack"


def test_both_forms_hold_the_same_rules() -> None:
    plain = yaml.safe_load((MANIFESTS / "rules" / "v4-operator.rules.yaml").read_text())
    resource = yaml.safe_load((MANIFESTS / "rules" / "prometheus-rule.yaml").read_text())
    assert resource["spec"]["groups"] == plain["groups"]


@pytest.mark.parametrize("expression", ["sum(", "rate(v4_build_info)"])
def test_promtool_would_refuse_a_rule_that_is_wrong(expression: str, tmp_path: Path) -> None:
    rules = [{"record": "a:b:c", "expr": expression}]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "wrong", "rules": rules}]}))
    assert attempt("promtool", "check", "rules", path).status != 0
