"""The definition is deleted and installed again under a running operator."""

from typing import Any

import pytest
from tests.e2e.operator_fleets import (
    ACCOUNT,
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    count_of,
    deployments,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
)
from tests.e2e.operator_process import running_operator, status_of
from tests.e2e.operator_seen import set_least
from tests.e2e.resource import CRD_NAME, collection, create, install_definition
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

NAMESPACE = "default"
OWNED = "owned"
# Renewals of the Lease, one in two seconds, that the definition stays away.
RENEWALS = 10
# Requests meanwhile: one reflector whose pauses double from 0.1 s, and its list each time.
MOST_REQUESTS = 40


def requests(plane: ControlPlane, *, of_the_lease: bool) -> int:
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    return sum(e.user == user and (e.resource == "leases") is of_the_lease for e in plane.audit())


def until_ready(plane: ControlPlane, name: str) -> None:
    eventually(
        lambda: status_of(plane, NAMESPACE, name).get("readyReplicas") == 1,
        what=f"{name} is seen",
        limit_seconds=LIMIT,
    )


def owned() -> dict[str, Any]:
    made = v4deployment({"template": pod_template({})})
    return {**made, "metadata": {"name": OWNED}}


@pytest.mark.timeout(600)
def test_owned_workloads_go_adopted_ones_stay_and_the_operator_waits_for_the_definition(
    destructive_plane: ControlPlane,
) -> None:
    plane = destructive_plane
    install_definition(plane)
    plane.add_nodes(2)
    with running_operator(plane, NAMESPACE) as operator:
        post_fleet(plane, NAMESPACE, fleet(1, pod_template({})))
        for manifest in (v4deployment(ADOPTED), owned()):
            assert create(plane, NAMESPACE, manifest, keep=True).accepted
        until_ready(plane, NAME)
        until_ready(plane, OWNED)

        until_the_collector_knows_the_definition(plane)
        plane.kubectl("delete", "crd", CRD_NAME)
        eventually(
            lambda: names(plane) == [NAME],
            what="the owned Deployment has gone with its owner",
            limit_seconds=LIMIT,
        )
        renewed, known = (requests(plane, of_the_lease=each) for each in (True, False))
        eventually(
            lambda: requests(plane, of_the_lease=True) >= renewed + RENEWALS,
            what="the operator has gone on leading",
            limit_seconds=LIMIT,
        )
        assert requests(plane, of_the_lease=False) - known <= MOST_REQUESTS
        operator.check()

        install_definition(plane)
        assert create(plane, NAMESPACE, v4deployment(ADOPTED), keep=True).accepted
        until_ready(plane, NAME)
        set_least(plane, NAMESPACE, 2)
        eventually(
            lambda: count_of(plane, NAMESPACE) == 2, what="it is scaled again", limit_seconds=LIMIT
        )
        assert asked_counts(plane, NAMESPACE) == [2]
        assert names(plane) == [NAME]


def until_the_collector_knows_the_definition(plane: ControlPlane) -> None:
    """The garbage collector looks for new definitions every 30 s; see it collect once."""
    probe = {**v4deployment(ADOPTED), "metadata": {"name": "probe"}}
    owner = create(plane, NAMESPACE, probe, keep=True).document
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": "probe",
        "uid": owner["metadata"]["uid"],
    }
    held = {"metadata": {"name": "probe", "ownerReferences": [reference]}}
    maps = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    plane.api.post(maps, json=held).raise_for_status()
    plane.api.delete(f"{collection(NAMESPACE)}/probe").raise_for_status()
    eventually(
        lambda: plane.api.get(f"{maps}/probe").is_error,
        what="the garbage collector has collected",
        limit_seconds=LIMIT,
    )


def names(plane: ControlPlane) -> list[str]:
    return sorted(d["metadata"]["name"] for d in plane.get(deployments(NAMESPACE))["items"])
