"""Configurations that can never act: each is said by name, with what was found."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import MakeNodes
from tests.e2e.emulated_pods import EmulatedPods, emulated_pods
from tests.e2e.operator_fleets import (
    ACCOUNT,
    ADOPTED,
    LIMIT,
    NAME,
    asked_counts,
    fleet,
    pod_template,
    post_fleet,
    v4deployment,
)
from tests.e2e.operator_process import ROLES, condition_of, running_operator, status_of
from tests.e2e.resource import apply, create
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

CLOSED = 30999  # nothing listens there

pytestmark = pytest.mark.usefixtures("definition")


@pytest.fixture
def _operator(plane: ControlPlane, namespace: str) -> Iterator[None]:
    with running_operator(plane, namespace):
        yield


@pytest.fixture
def engines(plane: ControlPlane, namespace: str, _operator: None) -> Iterator[EmulatedPods]:
    with emulated_pods(plane, namespace) as pods:
        yield pods


def until_found(plane: ControlPlane, namespace: str, reason: str) -> dict[str, Any]:
    """The finding of that reason, once the status has it."""

    def look() -> dict[str, Any] | None:
        findings = status_of(plane, namespace, NAME).get("findings", ())
        return next((each for each in findings if each["reason"] == reason), None)

    return eventually(look, what=f"the finding {reason}", limit_seconds=LIMIT)


def adopt(plane: ControlPlane, namespace: str, **metrics: Any) -> None:
    manifest = v4deployment(ADOPTED)
    manifest["spec"]["engine"]["metrics"].update(metrics)
    assert create(plane, namespace, manifest, keep=True).accepted


@pytest.mark.usefixtures("_operator")
def test_a_workload_without_pods_is_told_with_the_labels_that_come_nearest(
    plane: ControlPlane, namespace: str
) -> None:
    labels = {"app": NAME, "tier": "gpu"}
    paused = fleet(2, pod_template({}))
    paused["spec"].update(paused=True, selector={"matchLabels": labels})
    paused["spec"]["template"]["metadata"]["labels"] = labels
    post_fleet(plane, namespace, paused)
    near = pod_template({})["spec"]
    pod = {"metadata": {"name": "near", "labels": {"app": NAME}}, "spec": near}
    plane.api.post(f"/api/v1/namespaces/{namespace}/pods", json=pod).raise_for_status()
    adopt(plane, namespace)
    found = until_found(plane, namespace, "NoPods")
    assert f"no pod matches app={NAME},tier=gpu" in found["message"]
    assert "near has {'app': 'flash'}" in found["message"]
    assert asked_counts(plane, namespace) == []


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("metrics", "reason", "message"),
    [
        ({"path": "/stats"}, "MetricsNotFound", "answered with 404"),
        ({"port": CLOSED}, "PortClosed", f"refused by all 2 replicas (port {CLOSED}"),
    ],
    ids=["404", "port closed"],
)
def test_metrics_that_no_replica_gives_are_told_with_where_they_were_looked_for(
    plane: ControlPlane,
    namespace: str,
    make_nodes: MakeNodes,
    metrics: dict[str, Any],
    reason: str,
    message: str,
) -> None:
    post_fleet(plane, namespace, fleet(2, pod_template(make_nodes(1))))
    adopt(plane, namespace, **metrics)
    assert message in until_found(plane, namespace, reason)["message"]

    def blind() -> bool:
        found = condition_of(status_of(plane, namespace, NAME), "MetricsAvailable")
        return (found["status"], found["reason"]) == ("False", "TooFewFresh")

    eventually(blind, what="no replica has fresh metrics", limit_seconds=LIMIT)
    assert asked_counts(plane, namespace) == []


@pytest.mark.usefixtures("engines")
def test_bounds_that_leave_nothing_to_decide_are_told(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    post_fleet(plane, namespace, fleet(2, pod_template(make_nodes(1))))
    manifest = v4deployment(ADOPTED, minReplicas=2, maxReplicas=2)
    assert create(plane, namespace, manifest, keep=True).accepted
    found = until_found(plane, namespace, "MinimumEqualsMaximum")
    assert "both 2" in found["message"]
    assert asked_counts(plane, namespace) == []


@pytest.mark.usefixtures("engines")
def test_a_count_that_may_not_be_written_is_told_with_the_missing_rule_until_it_may(
    plane: ControlPlane, namespace: str, make_nodes: MakeNodes
) -> None:
    allow(plane, namespace, without="deployments/scale")
    post_fleet(plane, namespace, fleet(1, pod_template(make_nodes(1))))
    manifest = v4deployment(ADOPTED, minReplicas=2)
    assert create(plane, namespace, manifest, keep=True).accepted
    found = until_found(plane, namespace, "PermissionDenied")
    rule = 'apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]'
    assert rule in found["message"]
    active = condition_of(status_of(plane, namespace, NAME), "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "PermissionDenied")
    assert asked_counts(plane, namespace) == []
    allow(plane, namespace)

    def acts() -> bool:
        active = condition_of(status_of(plane, namespace, NAME), "ScalingActive")
        return bool(active["reason"] != "PermissionDenied")

    eventually(acts, what="the right is used", limit_seconds=LIMIT)
    assert asked_counts(plane, namespace) == [2]


def allow(plane: ControlPlane, namespace: str, *, without: str = "") -> None:
    """The operator's role in that namespace, less the rules on one resource."""
    roles = yaml.safe_load_all(ROLES.read_text())
    rules = next(r["rules"] for r in roles if r["metadata"]["name"] == ACCOUNT)
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/{ACCOUNT}"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": ACCOUNT},
        "rules": [rule for rule in rules if without not in rule["resources"]],
    }
    apply(plane, path, role)
