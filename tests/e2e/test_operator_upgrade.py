"""Another version of the operator takes over: no pod with a GPU is restarted by that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    LIMIT,
    asked_counts,
    pod_template,
    v4deployment,
    workload,
    writes,
)
from tests.e2e.operator_process import component, grant_rights
from tests.e2e.operator_seen import until_fresh
from tests.e2e.resource import ROOT, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

from v4operator import __version__

NEXT = "99.1.0"

pytestmark = pytest.mark.usefixtures("definition")


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The package under another version."""
    source = tmp_path / "operator"
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "operator" / "v4operator", source / "v4operator", ignore=compiled)
    init = source / "v4operator" / "__init__.py"
    text = init.read_text()
    assert text.count(__version__) == 1
    init.write_text(text.replace(__version__, NEXT))
    return source


def applied(plane: ControlPlane, namespace: str) -> int:
    """How often operators have applied the Deployment."""
    return sum(e.resource == "deployments" and not e.subresource for e in writes(plane, namespace))


def pods_of(plane: ControlPlane, namespace: str) -> set[str]:
    items = plane.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return {pod["metadata"]["uid"] for pod in items}


def template_of(found: dict[str, Any]) -> bytes:
    return json.dumps(found["spec"]["template"]).encode()


def test_an_unchanged_spec_gives_a_byte_equal_template_under_the_next_version(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    next_version: Path,
) -> None:
    del engines
    kubeconfig = grant_rights(plane, namespace)
    first = component(plane, namespace, kubeconfig, name="first")
    second = component(plane, namespace, kubeconfig, name="second", source=next_version)
    first.start()
    try:
        manifest = v4deployment({"template": pod_template(make_nodes(1))}, minReplicas=2)
        assert create(plane, namespace, manifest, keep=True).accepted
        until_fresh(plane, namespace, 2)
        first.terminate()
        before, pods = workload(plane, namespace), pods_of(plane, namespace)
        known, counts = applied(plane, namespace), asked_counts(plane, namespace)
        second.start()
        eventually(
            lambda: applied(plane, namespace) > known,
            what="the next version has applied what it renders",
            limit_seconds=LIMIT,
        )
        until_fresh(plane, namespace, 2)
        after = workload(plane, namespace)
        assert template_of(after) == template_of(before)
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
        assert pods_of(plane, namespace) == pods
        assert asked_counts(plane, namespace) == counts
        second.check()
    finally:
        first.kill()
        second.terminate()
    assert version_of(next_version) == f"v4-operator {NEXT}"


def version_of(source: Path) -> str:
    """What the package there says of itself."""
    command = (sys.executable, "-m", "v4operator", "--version")
    environment = {"PYTHONPATH": str(source)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return said.stdout.strip()
