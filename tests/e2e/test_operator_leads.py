"""Two operators: one leads, and one that was frozen past its Lease finds out before it writes."""

from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
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
from tests.e2e.operator_process import component, grant_rights, status_of
from tests.e2e.resource import change, create, install_definition
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

LEASE_LOST = 1  # exit status


@pytest.fixture(scope="module", autouse=True)
def _definition(plane: ControlPlane) -> None:
    install_definition(plane)


def leads(process: Component) -> bool:
    return '"event": "leading"' in process.log.read_text()


def test_of_two_operators_one_writes_and_a_frozen_leader_ends_when_it_wakes(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    post_fleet(plane, namespace, fleet(2, pod_template(make_nodes(2))))
    kubeconfig = grant_rights(plane, namespace)
    one, other = (component(plane, namespace, kubeconfig, name=name) for name in ("one", "other"))
    one.start()
    try:
        eventually(lambda: leads(one), what="the first one leads", limit_seconds=LIMIT)
        other.start()
        assert create(plane, namespace, v4deployment(ADOPTED), keep=True).accepted
        eventually(
            lambda: status_of(plane, namespace, NAME).get("readyReplicas") == 2,
            what="the fleet is seen",
            limit_seconds=LIMIT,
        )
        assert not leads(other)
        one.pause()
        more: dict[str, Any] = {"spec": {"scaling": {"minReplicas": 3}}}
        assert change(plane, namespace, NAME, more, keep=True).accepted
        eventually(
            lambda: count_of(plane, namespace) == 3,
            what="the other one has taken over",
            limit_seconds=LIMIT,
        )
        one.resume()
        assert one.wait_ended(LIMIT) == LEASE_LOST
        assert asked_counts(plane, namespace) == [3]
        other.check()
    finally:
        one.kill()
        other.terminate()
