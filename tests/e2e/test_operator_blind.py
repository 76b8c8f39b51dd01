"""Metrics that are lost or wrong: absent is not zero, and the condition says what it is."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import PORT, EmulatedPods, Metrics
from tests.e2e.operator_fleets import (
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    count_of,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
)
from tests.e2e.operator_process import condition_of, status_of
from tests.e2e.operator_seen import set_least, set_spec, until_count, until_fresh, until_reason
from tests.e2e.resource import collection, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

PACE = {"shrinkWindow": "10s", "drainTimeout": "60s"}
CALM = 2.0  # requests a second: a quarter of what one replica carries

pytestmark = pytest.mark.usefixtures("definition", "operating")


def begin(
    plane: ControlPlane, namespace: str, selector: dict[str, str], engines: EmulatedPods, least: int
) -> None:
    """A fleet of that size whose demand takes one replica."""
    manifest = v4deployment({"template": pod_template(selector)}, behavior=PACE, minReplicas=least)
    assert create(plane, namespace, manifest, keep=True).accepted
    until_fresh(plane, namespace, least)
    engines.load(CALM)


@pytest.mark.parametrize("worth", [Metrics.LOST, Metrics.WEDGED, Metrics.NAN])
def test_one_silent_replica_of_six_is_named_kept_and_does_not_freeze_the_fleet(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    worth: Metrics,
) -> None:
    begin(plane, namespace, make_nodes(3), engines, 6)
    silent = min(engines.serving)
    engines.metrics(silent, worth)
    found = until_reason(plane, namespace, "MetricsAvailable", "SomeSilent")
    assert found["status"] == "True"
    assert found["message"].startswith(f"5 of 6 ready replicas have fresh metrics; {silent}: ")
    set_least(plane, namespace, 1)
    eventually(
        lambda: asked_counts(plane, namespace)[-3:] == [5, 4, 3],
        what="the fleet shrinks",
        limit_seconds=2 * LIMIT,
    )
    assert silent in engines.serving
    assert engines.cut == 0


def is_blind_still(plane: ControlPlane, namespace: str) -> bool:
    """Whether the operator says so of the spec as it is now."""
    generation = plane.get(f"{collection(namespace)}/{NAME}")["metadata"]["generation"]
    active = condition_of(status_of(plane, namespace, NAME), "ScalingActive")
    return bool(active["reason"] == "Blind" and active["observedGeneration"] == generation)


def until_told(plane: ControlPlane, namespace: str, what: str) -> dict[str, Any]:
    """The condition once it names that; before, it says what was wrong at the poll before."""

    def look() -> dict[str, Any] | None:
        found = condition_of(status_of(plane, namespace, NAME), "MetricsAvailable")
        return found if what in found.get("message", "") else None

    return eventually(look, what=f"the condition names {what!r}", limit_seconds=LIMIT)


UNREADABLE: Mapping[str, tuple[Metrics, int, str]] = {
    "all-lost": (Metrics.LOST, PORT, "503"),
    "all-wedged": (Metrics.WEDGED, PORT, "no whole answer"),
    "not-a-number": (Metrics.NAN, PORT, "not one of the samples is a number"),
    "another-program": (Metrics.FOREIGN, PORT, "no sample with a known prefix"),
    "wrong-port": (Metrics.GOOD, PORT + 1, "connection refused"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_without_figures_nothing_shrinks_and_the_condition_says_what_is_wrong(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    case: str,
) -> None:
    worth, port, named = UNREADABLE[case]
    post_fleet(plane, namespace, fleet(3, pod_template(make_nodes(2))))
    manifest = v4deployment(ADOPTED, behavior=PACE, minReplicas=3)
    assert create(plane, namespace, manifest, keep=True).accepted
    until_fresh(plane, namespace, 3)
    engines.load(CALM)
    for pod in engines.serving:
        engines.metrics(pod, worth)
    set_spec(plane, namespace, {"engine": {"metrics": {"port": port}}})
    found = until_told(plane, namespace, named)
    assert (found["status"], found["reason"]) == ("False", "TooFewFresh")
    assert re.match(r"[01] of 3 ready replicas have fresh metrics; ", found["message"])
    assert until_reason(plane, namespace, "ScalingActive", "Blind")["status"] == "False"
    set_least(plane, namespace, 1)
    eventually(
        lambda: is_blind_still(plane, namespace),
        what="the operator has decided under the lower bound",
        limit_seconds=LIMIT,
    )
    assert count_of(plane, namespace) == 3
    assert asked_counts(plane, namespace) == []
    set_least(plane, namespace, 4)
    until_count(plane, namespace, 4, "the user's floor holds, seen or not")
