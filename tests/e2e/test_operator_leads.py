"""Two operators: one leads; the other takes over from a dead one and from a frozen one."""

from collections.abc import Iterator

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.operator_fleets import (
    LIMIT,
    asked_counts,
    writes,
)
from tests.e2e.operator_process import component, grant_rights, leads
from tests.e2e.operator_seen import adopt_two, set_least, until_count, until_ready
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

LEASE_LOST = 1  # exit status

pytestmark = pytest.mark.usefixtures("definition")


@pytest.fixture
def pair(plane: ControlPlane, namespace: str) -> Iterator[tuple[Component, Component]]:
    """Two operators, the first of which leads."""
    kubeconfig = grant_rights(plane, namespace)
    one, other = (component(plane, namespace, kubeconfig, name=name) for name in ("one", "other"))
    one.start()
    try:
        eventually(lambda: leads(one), what="the first one leads", limit_seconds=LIMIT)
        other.start()
        yield one, other
    finally:
        one.kill()
        other.terminate()


def test_a_dead_leader_is_succeeded_and_its_wish_is_written_once(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    pair: tuple[Component, Component],
) -> None:
    one, other = pair
    adopt_two(plane, namespace, make_nodes(2))
    assert not leads(other)
    one.kill()
    set_least(plane, namespace, 3)
    until_count(plane, namespace, 3, "the other one has taken over")
    until_ready(plane, namespace, 3)
    assert asked_counts(plane, namespace) == [3]
    other.check()


def test_a_leader_that_was_frozen_past_its_lease_ends_when_it_wakes_and_writes_nothing(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    pair: tuple[Component, Component],
) -> None:
    one, other = pair
    adopt_two(plane, namespace, make_nodes(2))
    assert not leads(other)
    one.pause()
    set_least(plane, namespace, 3)
    until_count(plane, namespace, 3, "the other one has taken over")
    until_ready(plane, namespace, 3)
    other.pause()  # so that whatever is written from now on is the old one's
    known = len(writes(plane, namespace))
    one.resume()
    assert one.wait_ended(LIMIT) == LEASE_LOST
    assert writes(plane, namespace)[known:] == []
    assert asked_counts(plane, namespace) == [3]
    other.resume()
