"""The committed definition on a real API server."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from tests.e2e.resource import DEFINITION, ROOT, change, collection, create, install_definition
from tests.fleets import demand, forecast, observation, serving
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually
from tests.unit.api.test_cel import ACCEPTED, REFUSED, VALID, Case

from v4operator.decide.decide import decide
from v4operator.model.memory import PolicyMemory
from v4operator.report.document import document
from v4operator.report.status import status

STORIES = sorted((ROOT / "operator/v4operator/cli/demo/story").glob("*-*.yaml"))
WIDTH = 120  # columns of a terminal that a person has open
WIDEST = {
    "checkpoint": "V4-Flash-NVFP4",
    "tokensPerSecond": "1200000",
    "kv": "-",
    "hbm": "176/124Gi",
    "state": "AcceptanceDropped",
}


@pytest.fixture(scope="module")
def definition(plane: ControlPlane) -> dict[str, Any]:
    return install_definition(plane)


@pytest.fixture(autouse=True)
def _installed(definition: dict[str, Any]) -> None:
    """Every test here needs it."""


def written_status() -> dict[str, Any]:
    """What the operator writes of a fleet of two that serves."""
    seen = observation(serving(2))
    told = forecast(demand(1.5), now=seen.now)
    verdict, _ = decide(seen, told, PolicyMemory())
    written: dict[str, Any] = document(status(seen, told, verdict, None))["status"]
    return written


def put_status(
    plane: ControlPlane, namespace: str, made: Mapping[str, Any], written: dict[str, Any]
) -> dict[str, Any]:
    """Replace the status; what the server then holds."""
    path = f"{collection(namespace)}/{made['metadata']['name']}/status"
    answer = plane.api.put(path, json={**made, "status": written})
    answer.raise_for_status()
    held: dict[str, Any] = answer.json()["status"]
    return held


def fields(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, below in schema.get("properties", {}).items():
        yield f"{path}.{name}", below
        yield from fields(below, f"{path}.{name}")
        yield from fields(below.get("items", {}), f"{path}.{name}")


def explained(plane: ControlPlane, *arguments: str) -> str | None:
    """What `kubectl explain` prints; the server publishes a new kind a little after serving it."""
    said = plane.kubectl.attempt("explain", *arguments)
    return None if said.status else said.stdout


def test_the_definition_is_established_as_a_structural_schema(definition: dict[str, Any]) -> None:
    states = {c["type"]: c["status"] for c in definition["status"]["conditions"]}
    assert states == {"NamesAccepted": "True", "Established": "True"}
    assert definition["spec"]["names"]["shortNames"] == ["v4", "v4d"]


def test_explain_shows_every_field_and_teaches_each(
    plane: ControlPlane, definition: dict[str, Any]
) -> None:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    said = eventually(
        lambda: explained(plane, "v4deployment.spec", "--recursive"), what="it is explained"
    )
    shown = {line.split()[0] for line in said.splitlines() if line.strip()}
    names = {path.rpartition(".")[2]: below for path, below in fields(schema, "spec")}
    assert set(names) <= shown
    assert all(below.get("description") for _, below in fields(schema, "spec"))
    budget = " ".join((explained(plane, "v4deployment.spec.hbm.budget") or "").split())
    assert names["budget"]["description"] in budget


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_the_server_refuses_what_python_refuses(
    plane: ControlPlane, namespace: str, case: Case
) -> None:
    answer = create(plane, namespace, case.manifest)
    assert not answer.accepted
    assert [text for field, text in answer.causes if field == case.field and case.message in text]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_the_server_accepts_what_python_accepts(
    plane: ControlPlane, namespace: str, case: Case
) -> None:
    answer = create(plane, namespace, case.manifest)
    assert answer.accepted, answer.message


def test_defaults_stand_in_the_object_as_a_person_would_write_them(
    plane: ControlPlane, namespace: str
) -> None:
    spec = create(plane, namespace, VALID).document["spec"]
    assert spec["scaling"]["behavior"] == {"shrinkWindow": "10m", "drainTimeout": "10m"}
    assert spec["objectives"]["interTokenLatency"] == "33ms"
    assert spec["hbm"] == {"policy": "Warn", "concurrency": 1}
    assert spec["metrics"] == {"source": "Scrape", "interval": "5s"}
    assert "replicas" not in spec


def test_a_pod_template_is_kept_as_it_is(plane: ControlPlane, namespace: str) -> None:
    template = {"spec": {"containers": [{"name": "engine", "args": ["--a"], "unheardOf": 1}]}}
    manifest = {**VALID, "spec": {**VALID["spec"], "workload": {"template": template}}}
    assert create(plane, namespace, manifest).document["spec"]["workload"]["template"] == template


def test_an_unknown_field_is_named_by_kubectl(plane: ControlPlane, namespace: str) -> None:
    wrong = {**VALID, "spec": {**VALID["spec"], "hbm": {"polcy": "Warn"}}}
    said = plane.kubectl.attempt("apply", "-n", namespace, "-f", "-", stdin=json.dumps(wrong))
    assert said.status != 0
    assert 'unknown field "spec.hbm.polcy"' in said.stderr


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_the_manifests_of_the_demo_apply(plane: ControlPlane, namespace: str, story: Any) -> None:
    manifest = yaml.safe_load(story.read_text())
    manifest["metadata"]["namespace"] = namespace
    said = plane.kubectl.apply(yaml.safe_dump(manifest))
    assert said.stdout.split() == [f"v4deployment.v4serving.dev/{story.stem}", "created"]


def test_the_status_that_the_operator_writes_is_held_unchanged(
    plane: ControlPlane, namespace: str
) -> None:
    made = create(plane, namespace, VALID, keep=True).document
    written = written_status()
    assert put_status(plane, namespace, made, written) == written


def test_columns_fit_at_their_widest_and_an_unknown_figure_is_not_shown_as_zero(
    plane: ControlPlane, namespace: str
) -> None:
    made = create(plane, namespace, VALID, keep=True).document
    written = written_status()
    written["columns"] = WIDEST
    written["desiredReplicas"] = 1000
    written["readyReplicas"] = 1000
    put_status(plane, namespace, made, written)
    header, row = plane.kubectl("get", "v4", "-n", namespace).stdout.splitlines()
    assert header.split() == (
        ["NAME", "CHECKPOINT", "ENGINE", "DESIRED", "READY", "TPS", "KV", "HBM", "STATUS", "AGE"]
    )
    assert row.split()[:-1] == [
        "flash",
        WIDEST["checkpoint"],
        "vllm",
        "1000",
        "1000",
        "1200000",
    ] + [WIDEST[each] for each in ("kv", "hbm", "state")]
    longest = len("flash-office-hour") - len("flash") + len("vllm-ascend") - len("ENGINE")
    assert max(len(header), len(row)) + longest <= WIDTH


def test_kubectl_scale_writes_the_count_and_the_selector_is_served(
    plane: ControlPlane, namespace: str
) -> None:
    made = create(plane, namespace, VALID, keep=True).document
    put_status(plane, namespace, made, written_status() | {"selector": "app=flash"})
    plane.kubectl("scale", "v4d", "flash", "--replicas=3", "-n", namespace)
    scale = plane.get(f"{collection(namespace)}/flash/scale")
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "app=flash"}
    assert plane.get(f"{collection(namespace)}/flash")["spec"]["replicas"] == 3


def test_objects_are_found_by_engine_and_by_device(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, VALID, keep=True)
    for selector, expected in (
        ("spec.engine.name=vllm,spec.accelerator.product=h200-141", ["flash"]),
        ("spec.engine.name=sglang", []),
        ("spec.scaling.mode=Automatic", ["flash"]),
    ):
        found = plane.get(collection(namespace), fieldSelector=selector)["items"]
        assert [item["metadata"]["name"] for item in found] == expected


def test_two_appliers_own_a_schedule_each(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, VALID, keep=True)
    for manager in ("day", "night"):
        floor = {"name": manager, "start": "0 8 * * *", "duration": "9h", "minReplicas": 2}
        part = {
            "apiVersion": VALID["apiVersion"],
            "kind": VALID["kind"],
            "metadata": {"name": "flash", "namespace": namespace},
            "spec": {**VALID["spec"], "scaling": {"schedules": [floor]}},
        }
        plane.kubectl.apply(json.dumps(part), "--server-side", f"--field-manager={manager}")
    held = plane.get(f"{collection(namespace)}/flash")["spec"]["scaling"]["schedules"]
    assert {schedule["name"] for schedule in held} == {"day", "night"}


def test_a_stored_object_may_be_changed_in_what_is_right(
    plane: ControlPlane, namespace: str
) -> None:
    create(plane, namespace, VALID, keep=True)
    paused = change(plane, namespace, "flash", {"spec": {"scaling": {"paused": True}}})
    assert paused.accepted
    assert paused.document["spec"]["scaling"]["paused"] is True


def test_the_definition_is_small_enough_for_every_client() -> None:
    assert DEFINITION.stat().st_size < 200_000
