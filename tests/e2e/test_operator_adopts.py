"""The operator beside a fleet that somebody else made: found, watched, never taken along."""

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
    delete,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
)
from tests.e2e.operator_process import condition_of, events_of, status_of
from tests.e2e.resource import collection, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

WIDTH = 120  # columns of a terminal that a person has open

pytestmark = pytest.mark.usefixtures("definition", "operating")


def test_an_adopted_fleet_of_six_is_found_watched_and_left_alone_when_the_resource_goes(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    post_fleet(plane, namespace, fleet(6, pod_template(make_nodes(3))))
    assert create(plane, namespace, v4deployment(ADOPTED), keep=True).accepted
    engines.load(4.0)

    def seen() -> dict[str, Any] | None:
        status = status_of(plane, namespace, NAME)
        return status if status.get("observed", {}).get("freshReplicas") == 6 else None

    status = eventually(seen, what="six fresh replicas in the status", limit_seconds=LIMIT)
    assert status["selector"] == f"app={NAME}"
    assert (status["replicas"], status["readyReplicas"], status["desiredReplicas"]) == (6, 6, 6)
    assert condition_of(status, "Ready")["status"] == "True"
    assert condition_of(status, "MetricsAvailable")["status"] == "True"
    assert {f["reason"] for f in status["findings"]} >= {"RoutingNotControlled", "NoPreStop"}
    (told,) = (e for e in events_of(plane, namespace, NAME) if e["reason"] == "Findings")
    assert "RoutingNotControlled: " in told["note"]
    assert "NoPreStop: " in told["note"]
    columns = plane.kubectl("get", "v4", "-n", namespace).stdout
    assert max(map(len, columns.splitlines())) <= WIDTH
    delete(plane, namespace)
    assert count_of(plane, namespace) == 6
    assert asked_counts(plane, namespace) == []


def test_a_target_that_does_not_exist_is_said_with_the_names_that_do(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    post_fleet(plane, namespace, fleet(1, pod_template(make_nodes(1))))
    manifest = v4deployment({"targetRef": {**ADOPTED["targetRef"], "name": "flahs"}})
    assert create(plane, namespace, manifest, keep=True).accepted

    def told() -> dict[str, Any] | None:
        ready = condition_of(status_of(plane, namespace, NAME), "Ready")
        return ready if ready.get("reason") == "WorkloadUnavailable" else None

    ready = eventually(told, what="the missing target in a condition", limit_seconds=LIMIT)
    assert ready["message"] == (f"Deployment {namespace}/flahs does not exist; there are {NAME}")
    good = {"spec": {"workload": ADOPTED}}
    plane.api.patch(
        f"{collection(namespace)}/{NAME}",
        json=good,
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    eventually(
        lambda: status_of(plane, namespace, NAME).get("readyReplicas") == 1,
        what="the mended target is seen",
        limit_seconds=LIMIT,
    )


def test_a_person_sets_the_count_through_the_resource_in_recommend(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    del engines
    post_fleet(plane, namespace, fleet(1, pod_template(make_nodes(2))))
    manifest = v4deployment(ADOPTED, mode="Recommend")
    assert create(plane, namespace, manifest, keep=True).accepted
    eventually(
        lambda: status_of(plane, namespace, NAME).get("readyReplicas") == 1,
        what="the fleet is seen",
        limit_seconds=LIMIT,
    )
    assert count_of(plane, namespace) == 1
    plane.kubectl("scale", "v4", NAME, "--replicas=3", "-n", namespace)
    eventually(
        lambda: status_of(plane, namespace, NAME).get("readyReplicas") == 3,
        what="three replicas serve",
        limit_seconds=LIMIT,
    )
    assert asked_counts(plane, namespace) == [3]
