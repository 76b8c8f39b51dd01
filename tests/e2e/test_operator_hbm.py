"""Memory as the running engines report it, against the budget: condition, event and column."""

from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import NAME, pod_template, v4deployment
from tests.e2e.operator_process import condition_of, events_of, status_of
from tests.e2e.operator_seen import set_spec, until_fresh, until_reason
from tests.e2e.resource import create
from tests.rig.plane import ControlPlane

# An emulated engine on an H200 of 140 GiB holds 39 GiB of weights and a KV pool of 29 GiB, by its
# own report; the plan fits into the narrow one with a smaller pool.
ROOMY, NARROW = "99%", "45%"
# Requests a second: three times what one replica carries, so that they pile up.
FLOOD = 60.0
# A demand above the pools must have lasted five minutes, after it has grown for one or two.
PILED_UP_SECONDS = 540.0

pytestmark = pytest.mark.usefixtures("definition", "operating")


def make(plane: ControlPlane, namespace: str, selector: dict[str, str], budget: str) -> None:
    manifest = v4deployment({"template": pod_template(selector)}, maxReplicas=1)
    manifest["spec"]["hbm"] = {"budget": budget}
    answer = create(plane, namespace, manifest, keep=True)
    assert answer.accepted, answer.message
    until_fresh(plane, namespace, 1)


def reasons(plane: ControlPlane, namespace: str) -> list[str]:
    return [event["reason"] for event in events_of(plane, namespace, NAME)]


def test_engines_that_hold_more_than_the_budget_are_told_live_until_the_budget_is_wider(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    engines.load(2.0)
    make(plane, namespace, make_nodes(1), NARROW)
    found = until_reason(plane, namespace, "HBMBudgetExceeded", "Live")
    assert found["status"] == "True"
    assert found["message"].startswith("Beyond the budget: a device holds ")
    assert "Live" in reasons(plane, namespace)
    status = status_of(plane, namespace, NAME)
    assert condition_of(status, "Ready")["status"] == "True"  # a finding stops nothing
    assert column(plane, namespace, "HBM") == expected_column(status)
    set_spec(plane, namespace, {"hbm": {"budget": ROOMY}})
    assert until_reason(plane, namespace, "HBMBudgetExceeded", "Fits")["status"] == "False"


def test_requests_that_ask_for_more_kv_than_there_is_are_told_after_five_minutes(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    make(plane, namespace, make_nodes(1), ROOMY)
    engines.load(FLOOD)
    found = until_reason(
        plane,
        namespace,
        "HBMBudgetExceeded",
        "KVDemandExceedsPool",
        limit_seconds=PILED_UP_SECONDS,
    )
    assert found["status"] == "True"
    assert " times the KV there is" in found["message"]
    assert "KVDemandExceedsPool" in reasons(plane, namespace)


def column(plane: ControlPlane, namespace: str, name: str) -> str:
    """A cell of `kubectl get v4`."""
    lines = plane.kubectl("get", "v4", NAME, "-n", namespace).stdout.splitlines()
    begin = lines[0].index(name)
    return lines[1][begin:].split()[0]


def expected_column(status: dict[str, Any]) -> str:
    told: str = status["columns"]["hbm"]
    return told
