"""What is read off a cluster's objects: selectors, phases, writers, and which key they concern."""

import json
from typing import Any

import pytest

from v4operator.adapters.cluster_contest import Contest
from v4operator.adapters.cluster_pod_views import PodView
from v4operator.adapters.cluster_pods import replica_of
from v4operator.adapters.cluster_selector import Selector
from v4operator.adapters.cluster_stores import ClusterStores, target_of
from v4operator.adapters.cluster_views import (
    ClaimView,
    ScalableView,
)
from v4operator.model.replica import Phase
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.store import Transition

CREATED = "2026-11-24T10:00:00Z"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T10:08:00Z"}


def pod(name: str = "a", **status: Any) -> PodView:
    labels = {"app": "flash"} | status.pop("labels", {})
    metadata = {"name": name, "namespace": "ns", "creationTimestamp": CREATED, "labels": labels}
    metadata |= status.pop("metadata", {})
    spec = status.pop("spec", {"nodeName": "gpu-0"})
    return PodView.model_validate_json(
        json.dumps({"metadata": metadata, "spec": spec, "status": status})
    )


def scalable(**document: Any) -> ScalableView:
    metadata = {"name": "flash", "namespace": "ns", "resourceVersion": "7"}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "flash"}}}
    return ScalableView.model_validate(
        {
            "metadata": metadata | document.get("metadata", {}),
            "spec": spec | document.get("spec", {}),
            "status": document.get("status", {}),
        }
    )


def claim(name: str = "flash", **workload: Any) -> ClaimView:
    return ClaimView.model_validate(
        {"metadata": {"name": name, "namespace": "ns"}, "spec": {"workload": workload}}
    )


def container(state: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"name": "engine", "state": state, **others}


def restarted(count: int, *, lived_minutes: int | None) -> dict[str, Any]:
    """Runs, after it crashed; its last life was that long, if that is known."""
    ended: dict[str, Any] = {"exitCode": 1}
    if lived_minutes is not None:
        ended |= {"startedAt": CREATED, "finishedAt": f"2026-11-24T10:{lived_minutes:02}:00Z"}
    return container({"running": {}}, restartCount=count, lastState={"terminated": ended})


@pytest.mark.parametrize(
    ("selector", "matches", "text"),
    [
        ({"matchLabels": {"app": "flash", "b": "2"}}, True, "app=flash,b=2"),
        ({"matchLabels": {"app": "pro"}}, False, "app=pro"),
        ({}, False, ""),
        (
            {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "flash"]}]},
            True,
            "app in (x,flash)",
        ),
        (
            {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["flash"]}]},
            False,
            "app notin (flash)",
        ),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, True, "b"),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, False, "!b"),
        ({"matchExpressions": [{"key": "b", "operator": "Near"}]}, False, "b"),
    ],
    ids=["labels", "another", "empty", "in", "not in", "exists", "does not exist", "unknown"],
)
def test_a_selector_matches_and_is_written_as_kubectl_has_it(
    selector: dict[str, Any], *, matches: bool, text: str
) -> None:
    view = Selector.model_validate(selector)
    assert view.matches({"app": "flash", "b": "2"}) is matches
    assert str(view) == text


def test_a_selector_knows_which_labels_it_names() -> None:
    expressions = [{"key": "b", "operator": "Exists"}]
    view = Selector.model_validate({"matchLabels": {"a": "1"}, "matchExpressions": expressions})
    assert [view.names(label) for label in "abc"] == [True, True, False]


@pytest.mark.parametrize(
    ("made", "phase", "reason"),
    [
        ({"conditions": [READY]}, Phase.READY, None),
        (
            {"conditions": [READY], "metadata": {"deletionTimestamp": CREATED}},
            Phase.DRAINING,
            "is being deleted",
        ),
        ({"spec": {}}, Phase.PENDING, "waiting for a node"),
        (
            {
                "spec": {},
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes: Insufficient nvidia.com/gpu",
                    }
                ],
            },
            Phase.UNSCHEDULABLE,
            "0/1 nodes: Insufficient nvidia.com/gpu",
        ),
        (
            {
                "containerStatuses": [
                    container(
                        {"waiting": {"reason": "CrashLoopBackOff"}},
                        lastState={"terminated": {"exitCode": 137}},
                    )
                ]
            },
            Phase.CRASHED,
            "engine: CrashLoopBackOff, exited with 137",
        ),
        (
            {"containerStatuses": [container({"waiting": {"reason": "ImagePullBackOff"}})]},
            Phase.CRASHED,
            "engine: ImagePullBackOff",
        ),
        (
            {"containerStatuses": [container({"terminated": {"exitCode": 1, "reason": "Error"}})]},
            Phase.CRASHED,
            "engine: exited with 1 Error",
        ),
        (
            {"containerStatuses": [container({"terminated": {"exitCode": 0}})]},
            Phase.STARTING,
            "the engine is loading",
        ),
        (
            {"containerStatuses": [container({"running": {}}, restartCount=2)]},
            Phase.STARTING,
            "the engine is loading, 2 restarts",
        ),
        (
            {"containerStatuses": [restarted(2, lived_minutes=5)]},
            Phase.CRASHED,
            "engine: restarted 2 times, exited with 1",
        ),
        (
            {"containerStatuses": [restarted(2, lived_minutes=None)]},
            Phase.CRASHED,
            "engine: restarted 2 times, exited with 1",
        ),
        (
            {"containerStatuses": [restarted(1, lived_minutes=5)]},
            Phase.STARTING,
            "the engine is loading, 1 restarts",
        ),
        (
            {"containerStatuses": [restarted(7, lived_minutes=30)]},
            Phase.STARTING,
            "the engine is loading, 7 restarts",
        ),
        (
            {"containerStatuses": [restarted(2, lived_minutes=5)], "conditions": [READY]},
            Phase.READY,
            None,
        ),
    ],
    ids=[
        "ready",
        "on its way out",
        "not placed yet",
        "unschedulable",
        "crash loop",
        "no image",
        "has just crashed",
        "has ended well",
        "loads again",
        "loads between two crashes",
        "crashes, nobody knows how soon",
        "has crashed once",
        "has crashed after a long life",
        "has come up after all",
    ],
)
def test_a_pod_is_in_one_phase_and_says_why(
    made: dict[str, Any], phase: Phase, reason: str | None
) -> None:
    replica = replica_of(pod(**made), 30000)
    assert (replica.phase, replica.reason) == (phase, reason)


@pytest.mark.parametrize(
    ("address", "url"),
    [("10.0.0.1", "http://10.0.0.1:30000"), ("fd00::1", "http://[fd00::1]:30000"), ("", "")],
)
def test_an_engine_answers_on_the_address_of_its_pod(address: str, url: str) -> None:
    assert replica_of(pod(podIP=address), 30000).address == url


def test_a_replica_has_the_times_of_its_pod() -> None:
    replica = replica_of(pod(conditions=[READY]), 30000)
    assert replica.ready_at is not None
    assert replica.ready_at - replica.created_at == 480.0
    assert replica_of(pod(), 30000).ready_at is None


def test_a_pod_is_out_of_routing_only_where_its_label_says_so() -> None:
    label = "v4serving.dev/routable"
    states = [pod(), pod(labels={label: "true"}), pod(labels={label: "false"})]
    assert [replica_of(each, 1).routable for each in states] == [True, True, False]


@pytest.mark.parametrize(
    ("document", "rolls"),
    [
        ({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}, True),
        (
            {
                "metadata": {"generation": 2},
                "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2},
            },
            True,
        ),
        (
            {
                "metadata": {"generation": 2},
                "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3},
            },
            False,
        ),
    ],
    ids=["not seen yet", "under way", "done"],
)
def test_a_rollout_is_seen(document: dict[str, Any], *, rolls: bool) -> None:
    assert scalable(**document).rolls_out is rolls


def writer(manager: str, time: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields}


def test_the_count_was_written_by_the_last_one_whose_fields_hold_it() -> None:
    count: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    managers = [
        writer("v4-operator", "2026-11-24T10:00:00Z", count),
        writer("kubectl", "2026-11-24T10:05:00Z", count),
        writer("kube-controller-manager", "2026-11-24T10:09:00Z", {"f:status": {}}),
    ]
    assert scalable(metadata={"managedFields": managers}).count_writer == "kubectl"
    assert scalable().count_writer is None


def test_owners_are_told_from_controllers() -> None:
    owners = [{"uid": "a"}, {"uid": "b", "controller": True}]
    assert scalable(metadata={"ownerReferences": owners}).controller_uid == "b"
    assert scalable().controller_uid is None


@pytest.mark.parametrize(
    ("workload", "text", "followed"),
    [
        ({"template": {}}, "Deployment ns/flash", True),
        (
            {"targetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x"}},
            "StatefulSet ns/x",
            True,
        ),
        (
            {"targetRef": {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "Y", "name": "x"}},
            "Y ns/x",
            False,
        ),
    ],
    ids=["owned", "adopted", "of another kind"],
)
def test_a_v4deployment_names_its_workload(
    workload: dict[str, Any], text: str, *, followed: bool
) -> None:
    target = target_of(claim(**workload))
    assert target is not None
    assert (str(target), target.is_followed) == (text, followed)


def test_endpoints_are_no_workload() -> None:
    assert target_of(claim(endpoints=["http://a"])) is None


@pytest.fixture
def stores() -> ClusterStores:
    made = ClusterStores()
    for each in (claim(template={}), claim("other", endpoints=["http://a"])):
        made.claims.put(each.metadata.key, each)
    made.scalables["Deployment"].put(ObjectKey("ns", "flash"), scalable())
    return made


def test_pods_belong_to_the_workload_that_selects_them_unless_they_have_ended(
    stores: ClusterStores,
) -> None:
    others = {"app": "pro"}
    for each in (pod("a"), pod("b", phase="Failed"), pod("c", labels=others)):
        stores.pods.put(each.metadata.key, each)
    assert [each.metadata.name for each in stores.pods_of(scalable())] == ["a"]


def test_a_pod_concerns_those_whose_workload_selects_it_before_or_after(
    stores: ClusterStores,
) -> None:
    ours, others = pod("a"), pod("a", labels={"app": "pro"})
    key = ObjectKey("ns", "a")
    moves = [(None, ours), (ours, others), (others, None)]
    found = [
        [*stores.concerned_by_pod(Transition(key=key, before=before, after=after))]
        for before, after in moves
    ]
    assert found == [[ObjectKey("ns", "flash")], [ObjectKey("ns", "flash")], []]


def test_a_workload_concerns_those_that_name_it(stores: ClusterStores) -> None:
    key = ObjectKey("ns", "flash")
    assert [*stores.concerned_by_scalable("Deployment", key)] == [key]
    assert [*stores.concerned_by_scalable("StatefulSet", key)] == []


def seen(contest: Contest, count: int, writer: str | None = "hpa", generation: int = 1) -> Contest:
    return contest.seen(generation=generation, count=count, writer=writer, own="v4-operator")


def test_only_a_change_of_what_the_operator_wrote_by_another_is_a_reversal() -> None:
    fresh = Contest(generation=1)
    assert seen(fresh, 5) == fresh
    wrote = fresh.written(4)
    assert seen(wrote, 4) == wrote
    assert seen(wrote, 5, "v4-operator") == wrote
    assert seen(wrote, 5, None) == wrote
    assert (seen(wrote, 5).reversals, seen(wrote, 5).wrote) == (1, None)


def test_after_three_reversals_it_is_lost_until_the_spec_changes() -> None:
    contest = Contest(generation=1)
    assert [*contest.findings()] == []
    told = []
    for _ in range(3):
        contest = seen(contest.written(4), 5)
        told += [finding.reason for finding in contest.findings()]
    assert contest.is_lost
    assert told == ["OtherWriter", "OtherWriter", "ScalingContested"]
    assert seen(contest, 5, generation=2) == Contest(generation=2)
