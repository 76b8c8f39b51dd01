"""A new process goes on where the old one ended: nothing asked twice, nothing cut unseen."""

import json
from datetime import datetime

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    ACCOUNT,
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    count_of,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
    writes,
)
from tests.e2e.operator_process import status_of
from tests.e2e.operator_seen import set_least, until_count, until_fresh
from tests.e2e.resource import create
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

WINDOW_SECONDS = 60.0
PACE = {"shrinkWindow": f"{WINDOW_SECONDS:.0f}s", "drainTimeout": "60s"}
LEARNED = "v4-operator-learned"

pytestmark = pytest.mark.usefixtures("definition")


def begin(plane: ControlPlane, namespace: str, selector: dict[str, str]) -> None:
    """One replica that somebody else made; the next ones take their time."""
    post_fleet(plane, namespace, fleet(1, pod_template(selector, ready_seconds="5")))
    manifest = v4deployment(ADOPTED, behavior=PACE)
    assert create(plane, namespace, manifest, keep=True).accepted
    until_fresh(plane, namespace, 1)


def first_request_after(plane: ControlPlane, namespace: str, known: int) -> str:
    """When the account first asked for anything after that many answered requests."""
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    return next(e.at for e in plane.audit()[known:] if e.user == user)


def test_a_process_that_starts_in_mid_scale_asks_nothing_twice_and_watches_a_window_first(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    begin(plane, namespace, make_nodes(2))
    engines.load(2.0)
    set_least(plane, namespace, 3)
    until_count(plane, namespace, 3, "three are asked for")
    operator.kill()
    known = len(plane.audit())
    operator.start()
    until_fresh(plane, namespace, 3)
    assert asked_counts(plane, namespace) == [3]
    set_least(plane, namespace, 1)
    eventually(
        lambda: status_of(plane, namespace, NAME)["lastDecision"]["reason"] == "RestartGuard",
        what="the first window is said to be under way",
        limit_seconds=LIMIT,
    )
    assert count_of(plane, namespace) == 3
    until_count(plane, namespace, 2, "the window has been seen")
    lowered = next(e.at for e in writes(plane, namespace)[::-1] if e.subresource == "scale")
    began = first_request_after(plane, namespace, known)
    watched = datetime.fromisoformat(lowered) - datetime.fromisoformat(began)
    assert watched.total_seconds() >= WINDOW_SECONDS
    assert engines.cut == 0


def test_what_was_learned_is_back_in_the_next_process(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    begin(plane, namespace, make_nodes(2))
    set_least(plane, namespace, 3)
    until_fresh(plane, namespace, 3)
    operator.terminate()
    kept = start_ups(plane, namespace)
    assert len(kept) >= 2  # of the two that were seen on their way
    operator.start()
    until_fresh(plane, namespace, 3)
    until_seen_again(plane, namespace)
    operator.terminate()
    assert start_ups(plane, namespace) == kept
    assert len(engines.serving) == 3


def until_seen_again(plane: ControlPlane, namespace: str) -> None:
    """The new process has looked at the fleet: it has written something of it."""
    known = len(writes(plane, namespace))
    set_least(plane, namespace, 2)
    eventually(
        lambda: len(writes(plane, namespace)) > known,
        what="the new bound is in the status",
        limit_seconds=LIMIT,
    )


def start_ups(plane: ControlPlane, namespace: str) -> list[float]:
    """Seconds to ready as they are kept."""
    found = plane.get(f"/api/v1/namespaces/{namespace}/configmaps/{LEARNED}")
    entry = json.loads(found["data"][f"{namespace}.{NAME}"])
    seconds: list[float] = entry["learned"]["start_ups"]["durations_seconds"]
    return seconds
