"""What people ask the leader: `top`, `explain`, `describe`; and the table that it keeps."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import LIMIT, NAME, pod_template, v4deployment, writes
from tests.e2e.operator_process import component, events_of, grant_rights, status_of
from tests.e2e.operator_seen import set_least, until_fresh
from tests.e2e.resource import ROOT, create
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

from v4operator.api.v1alpha1 import KIND
from v4operator.catalogue import load
from v4operator.crdgen import admission

pytestmark = pytest.mark.usefixtures("definition")


@dataclass(frozen=True, slots=True)
class Leader:
    """The operator, and what it writes to its log."""

    process: Component

    @property
    def url(self) -> str:
        port: int = eventually(self._port, what="the operator listens", limit_seconds=LIMIT)
        return f"http://127.0.0.1:{port}"

    def _port(self) -> int | None:
        lines = [json.loads(line) for line in self.process.log.read_text().splitlines()]
        return next((line["port"] for line in lines if line.get("event") == "started"), None)

    def asked(self, verb: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """What a person types, against this operator."""
        return subprocess.run(
            [sys.executable, "-m", "v4operator", verb, *words, "--operator", self.url],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        )


def says_the_same(leader: Leader) -> bool:
    """Whether `explain` has one sentence in both of its forms: a live one has new figures soon."""
    record = json.loads(leader.asked("explain", NAME, "-o", "json").stdout)
    text = leader.asked("explain", NAME).stdout
    return record["decision"]["sentence"] in " ".join(text.split())


@pytest.fixture
def leader(plane: ControlPlane, namespace: str) -> Iterator[Leader]:
    process = component(plane, namespace, grant_rights(plane, namespace))
    process.start()
    yield Leader(process)
    process.check()
    process.terminate()


def table(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    """The ConfigMap; empty where there is none."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/{admission.TABLE_NAME}"
    answer = plane.api.get(path)
    found: dict[str, Any] = answer.json() if answer.is_success else {}
    return found


def test_people_are_told_what_each_replica_does_and_why_there_are_so_many(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    leader: Leader,
) -> None:
    owned = v4deployment({"template": pod_template(make_nodes(2))})
    assert create(plane, namespace, owned, keep=True).accepted
    until_fresh(plane, namespace, 1)
    engines.load(2.0)
    set_least(plane, namespace, 2)
    until_fresh(plane, namespace, 2)

    (fleet,) = json.loads(leader.asked("top", NAME, "-n", namespace, "-o", "json").stdout)
    assert {replica["name"] for replica in fleet["replicas"]} == set(engines.serving)
    assert (fleet["readyReplicas"], fleet["desiredReplicas"]) == (2, 2)
    shown = leader.asked("top").stdout
    assert all(name in shown for name in engines.serving)

    record = json.loads(leader.asked("explain", NAME, "-o", "json").stdout)
    inputs = {each["name"]: each["value"] for each in record["decision"]["inputs"]}
    assert (inputs["count"], inputs["minReplicas"]) == (2, 2)
    eventually(lambda: says_the_same(leader), what="both forms say the same", limit_seconds=LIMIT)
    assert leader.asked("explain", "flesh").returncode == 2

    described = plane.kubectl("describe", "v4", NAME, "-n", namespace).stdout
    events = described.partition("Events:")[2]
    assert "ScaledUp" in events
    assert "grow from 1 to 2" in events
    row = plane.kubectl("get", "v4", NAME, "-n", namespace).stdout.splitlines()[1]
    assert row.split()[1:5] == ["V4-Flash", "sglang", "2", "2"]
    assert status_of(plane, namespace, NAME)["columns"]["hbm"] in row


def test_an_object_that_starts_well_makes_one_event_and_one_for_its_findings(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    leader: Leader,
) -> None:
    del engines
    assert leader.url
    owned = v4deployment({"template": pod_template(make_nodes(1))})
    assert create(plane, namespace, owned, keep=True).accepted
    until_fresh(plane, namespace, 1)
    told = [e for e in events_of(plane, namespace, NAME) if e["regarding"]["kind"] == KIND]
    findings = {each["reason"] for each in status_of(plane, namespace, NAME)["findings"]}
    reasons = [event["reason"] for event in told]
    of_findings = [reason for reason in reasons if reason in findings | {"Findings"}]
    assert sorted(reasons) == sorted(["MinimumServing", *of_findings])
    assert len(of_findings) <= 1


def test_the_table_is_written_by_the_leader_and_left_alone_while_it_is_right(
    plane: ControlPlane, namespace: str
) -> None:
    kubeconfig = grant_rights(plane, namespace)
    for number in (1, 2):  # the second finds what the first wrote
        process = component(plane, namespace, kubeconfig, name=f"operator-{number}")
        process.start()
        eventually(
            partial(looked, plane, namespace, times=number),
            what="the leader has looked at the table",
            limit_seconds=LIMIT,
        )
        eventually(lambda: table(plane, namespace), what="there is a table", limit_seconds=LIMIT)
        process.terminate()
    assert table(plane, namespace)["data"] == admission.table(load())["data"]
    written = [e for e in writes(plane, namespace) if e.name == admission.TABLE_NAME]
    assert len(written) == 1


def looked(plane: ControlPlane, namespace: str, *, times: int) -> bool:
    """Whether the table was read that often by the operator of that namespace."""
    return times <= sum(
        entry.verb == "get" and entry.name == admission.TABLE_NAME
        for entry in plane.audit()
        if entry.namespace == namespace and entry.user.endswith(":v4-operator")
    )
