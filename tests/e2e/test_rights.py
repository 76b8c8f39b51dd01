"""Least privilege, counted: what the stories used against what the manifests grant.

Last in the order of files, so that the audit log holds every story of the run; a story of its own
touches all that the operator does, so that it holds alone, too.
"""

from typing import Any

import pytest
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods
from tests.e2e.operator_fleets import (
    ADOPTED,
    LIMIT,
    NAME,
    pod_template,
    post_fleet,
    stateful,
    v4deployment,
)
from tests.e2e.operator_process import grant_nodes, running_operator, status_of
from tests.e2e.operator_seen import set_least, until_count, until_fresh
from tests.e2e.resource import change, create
from tests.e2e.rights_used import Right, granted, used
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

HELD = "held"

pytestmark = pytest.mark.usefixtures("definition")


def renamed(made: dict[str, Any], name: str) -> dict[str, Any]:
    return {**made, "metadata": {**made["metadata"], "name": name}}


def test_every_right_that_is_granted_is_used_and_no_other(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    engines: EmulatedPods,
    rights_elsewhere: set[Right],
) -> None:
    grant_nodes(plane, namespace)
    with running_operator(plane, namespace):
        touch_all(plane, namespace, make_nodes(3), engines)
    groups = {right.group for right in granted()}  # others' kinds are others' to grant

    def seen() -> set[Right]:
        return {r for r in used(plane.audit()) | rights_elsewhere if r.group in groups}

    # A watch is in the audit log when it has ended.
    eventually(lambda: seen() >= granted(), what="every granted right has been used")
    assert sorted(map(str, seen() - granted())) == []


def touch_all(
    plane: ControlPlane, namespace: str, selector: dict[str, str], engines: EmulatedPods
) -> None:
    """An owned fleet that grows and shrinks beside an adopted StatefulSet that grows."""
    owned = v4deployment({"template": pod_template(selector)}, behavior={"shrinkWindow": "10s"})
    assert create(plane, namespace, owned, keep=True).accepted
    post_fleet(plane, namespace, renamed(stateful(1, pod_template(selector)), HELD))
    target = {**ADOPTED["targetRef"], "kind": "StatefulSet", "name": HELD}
    adopting = renamed(v4deployment({"targetRef": target}), HELD)
    assert create(plane, namespace, adopting, keep=True).accepted
    until_fresh(plane, namespace, 1)
    engines.load(1.0)
    set_least(plane, namespace, 2)
    until_fresh(plane, namespace, 2)
    more = {"spec": {"scaling": {"minReplicas": 2}}}
    assert change(plane, namespace, HELD, more, keep=True).accepted
    eventually(
        lambda: status_of(plane, namespace, HELD).get("readyReplicas") == 2,
        what="the StatefulSet is scaled",
        limit_seconds=LIMIT,
    )
    set_least(plane, namespace, 1)
    until_count(plane, namespace, 1, f"{NAME} shrinks")
