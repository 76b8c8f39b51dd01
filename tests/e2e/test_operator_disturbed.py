"""Somebody else's hands and a sudden death: the operator does not fight and leaves nothing half."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods, emulated_pods
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
from tests.e2e.operator_process import component, condition_of, grant_rights, status_of
from tests.e2e.resource import create, install_definition
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

ROUTABLE = "v4serving.dev/routable"


@pytest.fixture(scope="module", autouse=True)
def _definition(plane: ControlPlane) -> None:
    install_definition(plane)


@pytest.fixture
def engines(plane: ControlPlane, namespace: str) -> Iterator[EmulatedPods]:
    with emulated_pods(plane, namespace) as pods:
        yield pods


@pytest.fixture
def operator(plane: ControlPlane, namespace: str) -> Iterator[Component]:
    process = component(plane, namespace, grant_rights(plane, namespace))
    process.start()
    yield process
    process.terminate()


def unrouted(plane: ControlPlane, namespace: str) -> list[str]:
    pods = plane.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["labels"].get(ROUTABLE) == "false"
        and "deletionTimestamp" not in pod["metadata"]
    ]


def test_after_three_reversals_by_the_same_hand_the_operator_lets_go_and_names_it(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    del engines
    post_fleet(plane, namespace, fleet(2, pod_template(make_nodes(2))))
    manifest = v4deployment(ADOPTED, minReplicas=3)
    assert create(plane, namespace, manifest, keep=True).accepted
    for _ in range(3):
        eventually(
            lambda: count_of(plane, namespace) == 3, what="three replicas", limit_seconds=LIMIT
        )
        plane.kubectl("scale", "deployment", NAME, "--replicas=2", "-n", namespace)

    def told() -> dict[str, Any] | None:
        active = condition_of(status_of(plane, namespace, NAME), "ScalingActive")
        return active if active.get("reason") == "ScalingContested" else None

    active = eventually(told, what="the other hand in a condition", limit_seconds=LIMIT)
    assert active["message"].startswith("kubectl has set replicas to 2")
    assert count_of(plane, namespace) == 2
    assert asked_counts(plane, namespace) == [3, 3, 3]
    operator.check()


def test_a_drain_whose_operator_is_killed_is_undone_or_finished_by_the_next(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    post_fleet(plane, namespace, fleet(3, pod_template(make_nodes(2))))
    behavior = {"shrinkWindow": "10s", "drainTimeout": "300s"}
    assert create(plane, namespace, v4deployment(ADOPTED, behavior=behavior), keep=True).accepted
    engines.load(0.5, output_tokens=20_000)  # more than a minute each
    eventually(
        lambda: unrouted(plane, namespace), what="a drain has begun", limit_seconds=2 * LIMIT
    )
    operator.kill()
    assert count_of(plane, namespace) == 3
    operator.start()
    eventually(
        lambda: not unrouted(plane, namespace),
        what="the victim is served again, or gone",
        limit_seconds=LIMIT,
    )
    assert len(engines.serving) == count_of(plane, namespace)
    assert engines.cut == 0
