"""Workloads of any kind with a scale subresource: found, read, drained and scaled through it."""

from typing import Any

import pytest
from tests.conftest import FakeClock
from tests.unit.adapters.test_cluster_objects import READY, claim, pod
from tests.unit.adapters.test_cluster_writes import (
    BACK,
    GROW,
    KEY,
    OUT,
    ROUTABLE,
    SHRINK,
    Scripted,
    marked,
    wanted,
)

from v4operator.act.ports import Outcome
from v4operator.adapters.cluster_selector import Selector
from v4operator.adapters.cluster_stores import ClusterStores
from v4operator.adapters.cluster_views import DELETION_COST
from v4operator.adapters.cluster_workloads import ClusterWorkloads
from v4operator.adapters.endpoints import EndpointsView
from v4operator.adapters.kube_errors import Forbidden, NotFound, Unavailable
from v4operator.observe.ports import AccessRefused, Unanswered, WorkloadUnavailable
from v4operator.runtime.ports import ObjectKey

REFERENCE = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "flash"}
DISCOVERED = {
    "resources": [
        {"name": "rollouts", "kind": "Rollout"},
        {"name": "rollouts/scale", "kind": "Scale"},
        {"name": "analysisruns", "kind": "AnalysisRun"},
    ]
}
SCALE = {
    "metadata": {"name": "flash", "namespace": "ns", "resourceVersion": "7"},
    "spec": {"replicas": 2},
    "status": {"replicas": 2, "selector": "app=flash"},
}
LOOK = "get rollouts.argoproj.io/scale ns/flash"


def stores(maker: str = "ReplicaSet", **hashes: str) -> ClusterStores:
    made = ClusterStores()
    view = claim(targetRef=REFERENCE)
    made.claims.put(view.metadata.key, view)
    owner = [{"uid": "r", "kind": maker, "name": "flash-1", "controller": True}]
    for name in ("a", "b"):
        labels = {"pod-template-hash": hashes.get(name, "1")}
        meta = {
            "resourceVersion": "3",
            "ownerReferences": owner,
            "labels": labels | {"app": "flash"},
        }
        each = pod(name, conditions=[READY], podIP="10.0.0.1", metadata=meta)
        made.pods.put(each.metadata.key, each)
    return made


def view_of(script: Scripted, held: ClusterStores | None = None) -> ClusterWorkloads:
    return ClusterWorkloads(
        held or stores(),
        script.api,
        is_leading=lambda: True,
        endpoints=EndpointsView(FakeClock()),
    )


async def test_any_kind_with_a_scale_subresource_is_read_through_it() -> None:
    script = Scripted(DISCOVERED, SCALE, SCALE)
    view = view_of(script)
    workload = await view.read(wanted())
    await view.read(wanted())
    assert (workload.desired, workload.version, workload.selector) == (2, "7", "app=flash")
    assert [replica.name for replica in workload.replicas] == ["a", "b"]
    assert [finding.reason for finding in workload.findings] == [
        "RoutingNotControlled",
        "NoPreStop",
    ]
    assert script.asked[0].path == "/apis/argoproj.io/v1alpha1"
    assert script.lines()[1:] == [LOOK, LOOK]


async def test_it_is_scaled_and_the_pod_of_a_replica_set_is_marked_first() -> None:
    script = Scripted(DISCOVERED, SCALE, marked(), SCALE, SCALE, SCALE)
    view = view_of(script)
    assert await view.write(KEY, SHRINK) == (Outcome.DONE, "replicas 2 -> 1")
    assert script.lines()[1:] == [
        LOOK,
        "patch pods ns/a",
        "patch rollouts.argoproj.io/scale ns/flash",
    ]
    assert script.body() == {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 1}}
    assert script.body(2)["metadata"]["annotations"] == {DELETION_COST: "-1000"}


async def test_pods_of_two_templates_are_a_rollout_in_which_nothing_shrinks() -> None:
    script = Scripted(DISCOVERED, SCALE)
    outcome, message = await view_of(script, stores(b="2")).write(KEY, SHRINK)
    assert outcome is Outcome.CONFLICT
    assert "a rollout is under way" in message


async def test_of_pods_that_a_stateful_set_makes_the_last_ordinal_goes() -> None:
    held = stores("StatefulSet")
    for number in (0, 1):
        owner = [{"uid": "r", "kind": "StatefulSet", "name": "flash", "controller": True}]
        each = pod(f"flash-{number}", metadata={"ownerReferences": owner})
        held.pods.put(each.metadata.key, each)
    assert (await view_of(Scripted(DISCOVERED, SCALE), held).read(wanted())).next_to_go == "flash-1"


async def test_where_nobody_knows_which_pod_goes_that_is_said() -> None:
    workload = await view_of(Scripted(DISCOVERED, SCALE), stores("Clone")).read(wanted())
    assert workload.next_to_go is None
    assert "VictimNotChosen" in {finding.reason for finding in workload.findings}


async def test_a_pod_gets_the_routing_label_back_that_its_siblings_have() -> None:
    held = stores()
    labels = {"app": "flash", ROUTABLE: "true"}
    sibling = pod("b", metadata={"resourceVersion": "3", "labels": labels})
    held.pods.put(sibling.metadata.key, sibling)
    script = Scripted(DISCOVERED, SCALE, marked(), SCALE, marked())
    view = view_of(script, held)
    for effect, label in ((OUT, "false"), (BACK, "true")):
        assert (await view.write(KEY, effect))[0] is Outcome.DONE
        assert script.body()["metadata"]["labels"] == {ROUTABLE: label}


async def test_a_count_that_changed_under_the_operator_was_written_by_somebody() -> None:
    other = {**SCALE, "spec": {"replicas": 5}}
    view = view_of(Scripted(DISCOVERED, SCALE, SCALE, SCALE, other))
    await view.read(wanted())
    assert (await view.write(KEY, GROW))[0] is Outcome.DONE
    findings = {f.reason: f.message for f in (await view.read(wanted())).findings}
    assert findings["OtherWriter"].startswith("another writer has set replicas to 5")


@pytest.mark.parametrize(
    ("reference", "answers", "kind", "message"),
    [
        (REFERENCE, [NotFound("404")], WorkloadUnavailable, "serves no argoproj.io/v1alpha1"),
        (
            {**REFERENCE, "kind": "AnalysisRun"},
            [DISCOVERED],
            WorkloadUnavailable,
            "AnalysisRun has no scale subresource; Rollout can be adopted",
        ),
        (
            {**REFERENCE, "kind": "Rolout"},
            [DISCOVERED],
            WorkloadUnavailable,
            "Rolout is not served; Rollout can be adopted",
        ),
        (REFERENCE, [DISCOVERED, NotFound("404")], WorkloadUnavailable, "ns/flash does not exist"),
        (REFERENCE, [DISCOVERED, Unavailable("down")], Unanswered, "down"),
        (
            REFERENCE,
            [
                DISCOVERED,
                Forbidden("not allowed to get rollouts.argoproj.io/scale; the Role needs x"),
            ],
            AccessRefused,
            "the Role needs x in a ClusterRole with the label v4serving.dev/adopted-kind",
        ),
    ],
    ids=["no such API", "not scalable", "mistyped", "no such object", "no answer", "no right"],
)
async def test_a_workload_that_cannot_be_adopted_says_why(
    reference: dict[str, str], answers: list[Any], kind: type[Exception], message: str
) -> None:
    held = stores()
    held.claims.put(ObjectKey("ns", "flash"), claim(targetRef=reference))
    with pytest.raises(kind, match=message):
        await view_of(Scripted(*answers), held).read(wanted())


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("app=flash", {"app": "flash"}, True),
        ("app==flash,tier in (a, b)", {"app": "flash", "tier": "b"}, True),
        ("app!=pro, !old", {"app": "flash"}, True),
        ("app notin (flash)", {"app": "flash"}, False),
        ("example.com/a", {"example.com/a": ""}, True),
        ("", {"app": "flash"}, False),
        ("app in flash", {"app": "flash"}, False),
    ],
    ids=["equal", "a set", "different and absent", "not in", "exists", "empty", "not understood"],
)
def test_a_selector_is_read_as_kubectl_writes_it(
    text: str, labels: dict[str, str], *, matches: bool
) -> None:
    found = Selector.parse(text)
    assert found.matches(labels) is matches
    assert Selector.parse(str(found)) == found
