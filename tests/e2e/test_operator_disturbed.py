"""Somebody else's hands on the same workload: the operator neither fights nor stumbles."""

from collections.abc import Iterator

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.operator_fleets import (
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
from tests.e2e.operator_process import running_operator
from tests.e2e.operator_seen import adopt_two, set_least, until_count, until_ready, until_reason
from tests.e2e.resource import create
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

pytestmark = pytest.mark.usefixtures("definition")


@pytest.fixture
def operator(plane: ControlPlane, namespace: str) -> Iterator[Component]:
    with running_operator(plane, namespace) as process:
        yield process


def test_after_three_reversals_by_the_same_hand_the_operator_lets_go_and_names_it(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, operator: Component
) -> None:
    post_fleet(plane, namespace, fleet(2, pod_template(make_nodes(2))))
    manifest = v4deployment(ADOPTED, minReplicas=3)
    assert create(plane, namespace, manifest, keep=True).accepted
    for number in range(1, 4):
        until_count(plane, namespace, 3, f"three replicas, time {number}")
        plane.kubectl("scale", "deployment", NAME, "--replicas=2", "-n", namespace)
    active = until_reason(plane, namespace, "ScalingActive", "ScalingContested")
    assert active["message"].startswith("kubectl has set replicas to 2")
    assert count_of(plane, namespace) == 2
    assert asked_counts(plane, namespace) == [3, 3, 3]
    operator.check()


def test_a_workload_that_somebody_keeps_touching_is_scaled_once_all_the_same(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, operator: Component
) -> None:
    adopt_two(plane, namespace, make_nodes(2))
    set_least(plane, namespace, 3)
    touches = iter(range(10_000))

    def asked_amid_touches() -> bool:
        note = {"metadata": {"annotations": {"touched": str(next(touches))}}}
        plane.api.patch(
            f"{deployments(namespace)}/{NAME}",
            json=note,
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
        return bool(asked_counts(plane, namespace))

    eventually(asked_amid_touches, what="the count is written", limit_seconds=LIMIT)
    until_ready(plane, namespace, 3)
    assert asked_counts(plane, namespace) == [3]
    operator.check()
