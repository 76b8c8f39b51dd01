"""Shrinking under real streams: nothing is cut, whoever dies in the middle of it."""

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    LIMIT,
    NAME,
    asked_counts,
    count_of,
    pod_template,
    v4deployment,
)
from tests.e2e.operator_process import running_operator, status_of
from tests.e2e.operator_seen import set_least, set_spec, until_count, until_fresh, until_reason
from tests.e2e.resource import create
from tests.e2e.streaming_client import StreamingClient, streaming_client
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

ROUTABLE = "v4serving.dev/routable"
MOST, LEAST = 6, 2  # replicas
ROUNDS = 5  # of six to two: twenty shrinks
PACE = {"shrinkWindow": "10s", "drainTimeout": "300s"}

pytestmark = pytest.mark.usefixtures("definition")


def out_of_routing(plane: ControlPlane, namespace: str) -> list[str]:
    pods = plane.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["labels"].get(ROUTABLE) == "false"
        and "deletionTimestamp" not in pod["metadata"]
    ]


def begin_drain(plane: ControlPlane, namespace: str, client: StreamingClient) -> None:
    """Three replicas with long streams on each; then one is enough, and one leaves routing."""
    until_fresh(plane, namespace, 3)
    eventually(lambda: client.under_way == 6, what="every stream is open", limit_seconds=LIMIT)
    set_least(plane, namespace, 1)
    eventually(
        lambda: out_of_routing(plane, namespace),
        what="a drain has begun",
        limit_seconds=2 * LIMIT,
    )


def test_twenty_shrinks_cut_no_stream_of_a_client_that_follows_the_service(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes, engines: EmulatedPods
) -> None:
    template = pod_template(make_nodes(3))
    manifest = v4deployment({"template": template}, behavior=PACE, minReplicas=MOST)
    with running_operator(plane, namespace):
        assert create(plane, namespace, manifest, keep=True).accepted
        with streaming_client(plane, namespace, streams=12, tokens=150) as client:
            for round_number in range(1, ROUNDS + 1):
                set_least(plane, namespace, MOST)
                until_fresh(plane, namespace, MOST)
                set_least(plane, namespace, LEAST)
                until_count(plane, namespace, LEAST, f"two are left, round {round_number}")
    down = list(range(MOST - 1, LEAST - 1, -1))
    assert [c for c in asked_counts(plane, namespace) if c < MOST] == down * ROUNDS
    assert client.broken == []
    assert engines.cut == 0
    assert client.drained >= ROUNDS * len(down)  # victims had streams under way


def test_an_operator_that_is_killed_in_mid_drain_leaves_the_victim_served_again_or_gone(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    template = pod_template(make_nodes(2))
    manifest = v4deployment({"template": template}, behavior=PACE, minReplicas=3)
    assert create(plane, namespace, manifest, keep=True).accepted
    with streaming_client(plane, namespace, streams=6, tokens=600) as client:
        begin_drain(plane, namespace, client)
        operator.kill()
        assert count_of(plane, namespace) == 3
        operator.start()
        eventually(
            lambda: not out_of_routing(plane, namespace),
            what="the victim is served again, or gone",
            limit_seconds=LIMIT,
        )
        assert len(engines.serving) == count_of(plane, namespace)
        until_count(plane, namespace, 1, "the shrinks go on")
    operator.check()
    assert asked_counts(plane, namespace)[-2:] == [2, 1]
    assert client.broken == []
    assert engines.cut == 0


def test_a_victim_is_served_again_by_an_operator_that_is_paused_before_it_starts(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    template = pod_template(make_nodes(2))
    manifest = v4deployment({"template": template}, behavior=PACE, minReplicas=3)
    assert create(plane, namespace, manifest, keep=True).accepted
    with streaming_client(plane, namespace, streams=6, tokens=600) as client:
        begin_drain(plane, namespace, client)
        operator.kill()
        asked = asked_counts(plane, namespace)
        set_spec(plane, namespace, {"scaling": {"paused": True}})
        assert len(out_of_routing(plane, namespace)) == 1
        operator.start()
        eventually(
            lambda: not out_of_routing(plane, namespace),
            what="the victim is served again",
            limit_seconds=LIMIT,
        )
        until_reason(plane, namespace, "ScalingActive", "Paused")
    operator.check()
    assert asked_counts(plane, namespace) == asked
    assert count_of(plane, namespace) == len(engines.serving) == 3
    assert client.broken == []


def test_an_operator_that_is_killed_when_the_count_is_written_takes_no_second_replica(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    operator: Component,
) -> None:
    template = pod_template(make_nodes(2))
    manifest = v4deployment({"template": template}, behavior=PACE, minReplicas=3)
    assert create(plane, namespace, manifest, keep=True).accepted
    with streaming_client(plane, namespace, streams=6, tokens=100) as client:
        until_fresh(plane, namespace, 3)
        set_least(plane, namespace, 2)
        until_count(plane, namespace, 2, "the shrink is written")
        operator.kill()
        operator.start()
        until_fresh(plane, namespace, 2)
        eventually(
            lambda: status_of(plane, namespace, NAME)["lastDecision"]["desired"] == 2,
            what="the next one has decided",
            limit_seconds=LIMIT,
        )
    operator.check()
    assert asked_counts(plane, namespace)[-1:] == [2]
    assert sorted(engines.serving) == sorted(engines.running())
    assert out_of_routing(plane, namespace) == []
    assert client.broken == []
    assert engines.cut == 0
