"""The number of replicas follows the demand: up at once, down drained, and no further than GPUs."""

import time
from datetime import datetime
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    count_of,
    pod_template,
    post_fleet,
    stateful,
    v4deployment,
    writes,
)
from tests.e2e.operator_process import condition_of, status_of
from tests.e2e.operator_seen import until_fresh
from tests.e2e.resource import create
from tests.rig.audit import AuditEntry
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

# Requests a second. One replica carries 8.5: 1200 tokens to read at 19.3 us and 200 to write at
# 0.41 ms take 105 ms of it, and a tenth goes to the steps themselves.
CALM = 2.0  # a quarter of it
STEP = 9.5  # a little more: two with the reserve for growth, and on its first counts too
STEP_NEEDS = 2  # replicas
POLLED = {"interval": "5s"}  # the default: there are some reconciles between two polls
BUSY = 20.0  # more than two replicas carry; what is kept ready of it afterwards, two do
FAST = {"shrinkWindow": "20s", "drainTimeout": "60s"}

pytestmark = pytest.mark.usefixtures("definition", "operating")


def make(
    plane: ControlPlane,
    namespace: str,
    template: dict[str, Any],
    metrics: dict[str, Any] | None = None,
    **scaling: Any,
) -> None:
    manifest = v4deployment({"template": template}, behavior=FAST, **scaling)
    manifest["spec"]["metrics"] = metrics or manifest["spec"]["metrics"]
    assert create(plane, namespace, manifest, keep=True).accepted


def until_calm(plane: ControlPlane, namespace: str, engines: EmulatedPods) -> None:
    """One replica serves a little, and it is known what requests are like."""
    until_fresh(plane, namespace, 1)
    engines.load(CALM)
    eventually(
        lambda: status_of(plane, namespace, NAME)["lastDecision"]["reason"] == "AtRest",
        what="the demand is known",
        limit_seconds=LIMIT,
    )


def test_a_step_in_demand_is_answered_at_once_in_one_step_and_to_size(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    template = pod_template(make_nodes(3), ready_seconds="15")
    make(plane, namespace, template, metrics=POLLED)
    until_calm(plane, namespace, engines)
    (only,) = engines.serving
    stepped_at = time.time()
    engines.load(STEP)

    def answered() -> dict[str, Any] | None:
        status = status_of(plane, namespace, NAME)
        count = count_of(plane, namespace) or 0
        fresh = status.get("observed", {}).get("freshReplicas")
        return status if count > 1 and fresh == count == status["desiredReplicas"] else None

    eventually(answered, what="the fleet has grown and serves", limit_seconds=2 * LIMIT)
    (step,) = (e for e in writes(plane, namespace) if e.subresource == "scale")
    written_at = datetime.fromisoformat(step.at).timestamp()
    assert STEP_NEEDS <= asked_counts(plane, namespace)[0] <= STEP_NEEDS + 1
    polls = [at for at in engines.polled_at(only) if stepped_at < at < written_at]
    # A rise is a rate, and a rate takes two readings: the write comes before the third.
    assert len(polls) <= 2


def test_a_fall_in_demand_drains_the_emptiest_and_cuts_no_request(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    make(plane, namespace, pod_template(make_nodes(2)), minReplicas=3)
    until_fresh(plane, namespace, 3)
    engines.load(CALM)
    path = f"/apis/v4serving.dev/v1alpha1/namespaces/{namespace}/v4deployments/{NAME}"
    plane.api.patch(
        path,
        json={"spec": {"scaling": {"minReplicas": 1}}},
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    eventually(
        lambda: len(engines.serving) == 1 and count_of(plane, namespace) == 1,
        what="one replica is left",
        limit_seconds=2 * LIMIT,
    )
    assert engines.sent > 0
    assert engines.cut == 0
    assert asked_counts(plane, namespace)[-2:] == [2, 1]
    order = [step for entry in writes(plane, namespace) if (step := _drain_step(entry))]
    assert order[-6:] == ["unrouted", "cheapest", "lowered"] * 2


def _drain_step(entry: AuditEntry) -> str | None:
    """What of a shrink a write is."""
    body = entry.request if isinstance(entry.request, dict) else {}
    metadata = body.get("metadata", {})
    if entry.resource == "pods" and "labels" in metadata:
        return {"false": "unrouted"}.get(metadata["labels"]["v4serving.dev/routable"], "routed")
    if entry.resource == "pods" and "annotations" in metadata:
        return "cheapest"
    return "lowered" if entry.subresource == "scale" else None


def test_when_gpus_run_out_the_count_stays_and_the_reason_names_the_resource(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    make(plane, namespace, pod_template(make_nodes(1)), minReplicas=1)
    until_calm(plane, namespace, engines)
    engines.load(BUSY)

    def limited() -> dict[str, Any] | None:
        found = condition_of(status_of(plane, namespace, NAME), "ScalingLimited")
        return found if found.get("reason") == "WaitingForCapacity" else None

    found = eventually(limited, what="the shortage is said", limit_seconds=LIMIT)
    assert "nvidia.com/gpu" in found["message"]
    asked = asked_counts(plane, namespace)
    grown = count_of(plane, namespace)
    assert grown is not None
    assert asked == sorted(set(asked))
    assert grown > 2
    engines.load(0.5)
    eventually(
        lambda: count_of(plane, namespace) == 2, what="the pending go", limit_seconds=2 * LIMIT
    )
    assert max(asked_counts(plane, namespace)) == grown
    assert engines.cut == 0


def test_of_a_stateful_set_the_last_ordinal_is_drained_because_it_is_the_one_that_goes(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    post_fleet(plane, namespace, stateful(3, pod_template(make_nodes(2))))
    reference = {**ADOPTED["targetRef"], "kind": "StatefulSet"}
    manifest = v4deployment({"targetRef": reference}, behavior=FAST, minReplicas=2)
    assert create(plane, namespace, manifest, keep=True).accepted
    engines.load(CALM)
    eventually(
        lambda: asked_counts(plane, namespace) == [2] and len(engines.serving) == 2,
        what="one replica goes",
        limit_seconds=2 * LIMIT,
    )
    drained = [e.name for e in writes(plane, namespace) if _drain_step(e) == "unrouted"]
    assert drained == [f"{NAME}-2"]
    assert sorted(engines.serving) == [f"{NAME}-0", f"{NAME}-1"]
    assert engines.cut == 0
