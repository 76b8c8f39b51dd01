"""Waits for what a person would see of a V4Deployment, and changes it as a person would."""

from collections.abc import Mapping
from typing import Any

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
from tests.e2e.resource import change, create
from tests.rig.component import Component
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually


def until_fresh(plane: ControlPlane, namespace: str, count: int) -> dict[str, Any]:
    """The status once so many replicas have fresh metrics."""

    def look() -> dict[str, Any] | None:
        status = status_of(plane, namespace, NAME)
        return status if status.get("observed", {}).get("freshReplicas") == count else None

    return eventually(look, what=f"{count} fresh replicas", limit_seconds=2 * LIMIT)


def until_ready(plane: ControlPlane, namespace: str, count: int) -> None:
    """Once the status says that so many replicas are ready."""
    eventually(
        lambda: status_of(plane, namespace, NAME).get("readyReplicas") == count,
        what=f"{count} ready replicas in the status",
        limit_seconds=LIMIT,
    )


def adopt_two(plane: ControlPlane, namespace: str, selector: dict[str, str]) -> None:
    """Two replicas that somebody else made, adopted and seen; nobody asks them for anything."""
    post_fleet(plane, namespace, fleet(2, pod_template(selector)))
    assert create(plane, namespace, v4deployment(ADOPTED), keep=True).accepted
    until_ready(plane, namespace, 2)


def until_reason(
    plane: ControlPlane, namespace: str, kind: str, reason: str, *, limit_seconds: float = LIMIT
) -> dict[str, Any]:
    """The condition of that type once it has that reason."""

    def look() -> dict[str, Any] | None:
        found = condition_of(status_of(plane, namespace, NAME), kind)
        return found if found.get("reason") == reason else None

    return eventually(look, what=f"{kind} says {reason}", limit_seconds=limit_seconds)


def until_count(plane: ControlPlane, namespace: str, count: int, what: str) -> None:
    """Once the workload asks for so many replicas."""
    eventually(lambda: count_of(plane, namespace) == count, what=what, limit_seconds=2 * LIMIT)


def set_spec(plane: ControlPlane, namespace: str, spec: Mapping[str, Any]) -> None:
    """Merge a change into the spec of the V4Deployment."""
    answer = change(plane, namespace, NAME, {"spec": spec}, keep=True)
    assert answer.accepted, answer.message


def set_least(plane: ControlPlane, namespace: str, replicas: int) -> None:
    """Change `minReplicas`: the surest way to have the operator write a count."""
    set_spec(plane, namespace, {"scaling": {"minReplicas": replicas}})


def revive(process: Component) -> None:
    """Start it again if it has ended, as a kubelet does with a container."""
    if not process.is_running:
        process.start()


def until_asked(
    plane: ControlPlane, namespace: str, process: Component, counts: list[int], what: str
) -> None:
    """Once the operator has asked for these counts and no others; it is revived where it ends."""

    def look() -> bool:
        revive(process)
        return asked_counts(plane, namespace) == counts

    eventually(look, what=what, limit_seconds=2 * LIMIT)
