"""A replica that crashes again and again is no start under way: no runaway, no freeze."""

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    LIMIT,
    asked_counts,
    count_of,
    pod_template,
    v4deployment,
)
from tests.e2e.operator_seen import set_least, until_count, until_fresh, until_reason
from tests.e2e.resource import create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

PACE = {"shrinkWindow": "10s", "drainTimeout": "60s"}
BUSY = 24.0  # requests a second: three replicas carry it
FLOOD = 60.0  # seven replicas
CALM = 2.0  # a quarter of one
LOOPING = 2  # restarts after which the operator takes a short life for a crash loop
CRASH = "rig.v4serving.dev/crash-seconds"

pytestmark = pytest.mark.usefixtures("definition", "operating")


def crash(plane: ControlPlane, namespace: str, pod: str, *, seconds: str | None) -> None:
    """Have its engine crash so many seconds after each start from now on, or live again."""
    plane.api.patch(
        f"/api/v1/namespaces/{namespace}/pods/{pod}",
        json={"metadata": {"annotations": {CRASH: seconds}}},
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()


def two_of_which_one_crashes(
    plane: ControlPlane, namespace: str, selector: dict[str, str], engines: EmulatedPods
) -> str:
    """A served fleet of two; then one of them crashes for good. Its name."""
    template = pod_template(selector, backoff_seconds="1")
    manifest = v4deployment({"template": template}, behavior=PACE, minReplicas=2)
    assert create(plane, namespace, manifest, keep=True).accepted
    until_fresh(plane, namespace, 2)
    broken = max(engines.serving)
    crash(plane, namespace, broken, seconds="0")
    eventually(
        lambda: restarts(plane, namespace, broken) >= LOOPING,
        what="it crashes again and again",
        limit_seconds=LIMIT,
    )
    eventually(lambda: broken not in engines.serving, what="it has crashed", limit_seconds=LIMIT)
    return broken


def restarts(plane: ControlPlane, namespace: str, pod: str) -> int:
    """How often its engine was started again."""
    found = plane.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")
    return sum(each["restartCount"] for each in found["status"].get("containerStatuses", ()))


def test_a_crash_looper_stops_growth_is_named_and_is_the_first_to_go(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    broken = two_of_which_one_crashes(plane, namespace, make_nodes(3), engines)
    engines.load(BUSY)
    found = until_reason(plane, namespace, "ScalingLimited", "WaitingForCapacity")
    assert found["message"].startswith(f"{broken} is ")
    eventually(  # between two back-offs it says how it ended
        lambda: (
            "CrashLoopBackOff"
            in until_reason(plane, namespace, "ScalingLimited", "WaitingForCapacity")["message"]
        ),
        what="its back-off is named",
        limit_seconds=LIMIT,
    )
    assert count_of(plane, namespace) == 2
    engines.load(CALM)
    kept = set(engines.serving)
    set_least(plane, namespace, 1)
    until_count(plane, namespace, 1, "the demand has fallen")
    eventually(
        lambda: not plane.api.get(f"/api/v1/namespaces/{namespace}/pods/{broken}").is_success,
        what="the crash looper has gone",
        limit_seconds=LIMIT,
    )
    assert set(engines.serving) == kept
    assert asked_counts(plane, namespace)[-1:] == [1]
    assert max(asked_counts(plane, namespace)) <= 2
    assert engines.cut == 0


def test_growth_goes_on_when_the_crash_looper_comes_up_after_all(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    broken = two_of_which_one_crashes(plane, namespace, make_nodes(3), engines)
    engines.load(FLOOD)
    until_reason(plane, namespace, "ScalingLimited", "WaitingForCapacity")
    crash(plane, namespace, broken, seconds=None)
    eventually(
        lambda: (count_of(plane, namespace) or 0) >= 3,
        what="the fleet grows",
        limit_seconds=2 * LIMIT,
    )
    assert broken in engines.serving
