"""Three hundred V4Deployments at once: each is told what is the matter, and none waits for them."""

import json
from collections import Counter
from copy import deepcopy

import pytest
from tests.e2e.operator_fleets import (
    ACCOUNT,
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
    writes,
)
from tests.e2e.operator_process import running_operator, status_of
from tests.e2e.operator_seen import set_least, until_count
from tests.e2e.resource import collection, create, install_definition
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

NAMESPACE = "default"
MANY = 300
# Renewals of the Lease, one in two seconds, that the fleet is watched at rest.
RENEWALS = 10
MEBIBYTES = 2**20
MOST_RESIDENT = 400 * MEBIBYTES  # of the operator: four times what it takes with one fleet


def manifests() -> str:
    """Adopters of Deployments that do not exist."""
    items = []
    for number in range(MANY):
        made = deepcopy(v4deployment(ADOPTED))
        made["metadata"]["name"] = f"flash-{number}"
        made["spec"]["workload"]["targetRef"]["name"] = f"absent-{number}"
        items.append(made)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def told(plane: ControlPlane) -> int:
    """Of how many the status says that the workload is not there."""
    items = plane.get(collection(NAMESPACE))["items"]
    conditions = (c for item in items for c in item.get("status", {}).get("conditions", ()))
    return sum(c["type"] == "Ready" and c["reason"] == "WorkloadUnavailable" for c in conditions)


def requests(plane: ControlPlane, *, of_the_lease: bool) -> int:
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    return sum(e.user == user and (e.resource == "leases") is of_the_lease for e in plane.audit())


@pytest.mark.timeout(600)
def test_three_hundred_at_once_are_each_told_once_and_the_served_one_goes_on(
    destructive_plane: ControlPlane,
) -> None:
    plane = destructive_plane
    install_definition(plane)
    plane.add_nodes(2)
    with running_operator(plane, NAMESPACE) as operator:
        post_fleet(plane, NAMESPACE, fleet(2, pod_template({})))
        assert create(plane, NAMESPACE, v4deployment(ADOPTED), keep=True).accepted
        eventually(
            lambda: status_of(plane, NAMESPACE, NAME).get("readyReplicas") == 2,
            what="the served one is seen",
            limit_seconds=LIMIT,
        )
        plane.kubectl("create", "-f", "-", stdin=manifests())
        set_least(plane, NAMESPACE, 3)
        until_count(plane, NAMESPACE, 3, "the served one is scaled amid the others")
        eventually(lambda: told(plane) == MANY, what="all are told", limit_seconds=2 * LIMIT)

        renewed, known = (requests(plane, of_the_lease=each) for each in (True, False))
        eventually(
            lambda: requests(plane, of_the_lease=True) >= renewed + RENEWALS,
            what="some time at rest",
            limit_seconds=LIMIT,
        )
        assert requests(plane, of_the_lease=False) - known <= RENEWALS
        statuses = Counter(
            e.name for e in writes(plane, NAMESPACE) if e.subresource == "status" and e.name != NAME
        )
        assert set(statuses.values()) == {1}
        events = plane.get(f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")["items"]
        named = Counter(e["regarding"]["name"] for e in events if e["regarding"]["name"] != NAME)
        assert all(named[f"flash-{number}"] == 1 for number in range(MANY))
        assert asked_counts(plane, NAMESPACE) == [3]
        assert operator.resident_bytes < MOST_RESIDENT
