"""What is written to a cluster and on which condition: counts, labels, status, what was learned."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.conftest import FakeClock
from tests.fleets import demand, forecast, observation, serving
from tests.fleets import deployment as made_deployment
from tests.unit.adapters.test_cluster_objects import READY, claim, pod, scalable

from v4operator.act.ports import Outcome
from v4operator.adapters.cluster_contest import Contest
from v4operator.adapters.cluster_learned import ClusterLearned
from v4operator.adapters.cluster_owned import OwnedWorkloads, Rendered
from v4operator.adapters.cluster_status import ClusterStatus, restored
from v4operator.adapters.cluster_stores import ClusterStores, Target, target_of
from v4operator.adapters.cluster_views import DELETION_COST, ClaimView
from v4operator.adapters.cluster_workloads import ClusterWorkloads
from v4operator.adapters.endpoints import EndpointsView
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import (
    Forbidden,
    KubeConflict,
    KubeError,
    NotFound,
    Rejected,
    Unavailable,
)
from v4operator.adapters.kube_request import KubeRequest
from v4operator.adapters.learned_text import contest_of, parsed, rendered
from v4operator.decide.decide import decide
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.learned import Learned, StartUps
from v4operator.model.memory import PolicyMemory
from v4operator.model.status import Status
from v4operator.observe.ports import WorkloadUnavailable
from v4operator.report.document import document
from v4operator.report.status import status
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.workers import RetryLater

KEY, OBJECT = Key("ns", "flash"), ObjectKey("ns", "flash")
ROUTABLE = "v4serving.dev/routable"
GROW = SetReplicas(expected=2, count=3, version="7", victim=None)
SHRINK = SetReplicas(expected=2, count=1, version="7", victim="a")
OUT = SetRoutable(replica="a", routable=False)
BACK = SetRoutable(replica="a", routable=True)
SETTLED = {"replicas": 2, "updatedReplicas": 2}


class Scripted:
    """An API server's answers in order; an error is raised. Keeps what was asked."""

    def __init__(self, *answers: Mapping[str, Any] | KubeError) -> None:
        self.answers = deque(answers)
        self.asked: list[KubeRequest] = []

    async def ask(self, request: KubeRequest) -> bytes:
        self.asked.append(request)
        answer = self.answers.popleft()
        if isinstance(answer, KubeError):
            raise answer
        return json.dumps(answer).encode()

    @property
    def api(self) -> KubeApi:
        return cast("KubeApi", self)

    def lines(self) -> list[str]:
        return [str(request) for request in self.asked]

    def body(self, number: int = -1) -> dict[str, Any]:
        found = self.asked[number].body
        assert found is not None
        return found


def answered(name: str = "flash", version: str = "8", **others: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "resourceVersion": version, "uid": "u1"}
    return {"metadata": metadata | others.pop("metadata", {}), **others}


def stores(held: ClaimView | None = None, **document: Any) -> ClusterStores:
    made = ClusterStores()
    view = held or claim(targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "flash"})
    made.claims.put(view.metadata.key, view)
    workload = scalable(**{"status": SETTLED, **document})
    made.scalables["Deployment"].put(workload.metadata.key, workload)
    for name in ("a", "b"):
        each = pod(name, conditions=[READY], podIP="10.0.0.1", metadata={"resourceVersion": "3"})
        made.pods.put(each.metadata.key, each)
    return made


def workloads(
    script: Scripted, held: ClusterStores | None = None, *, leads: bool = True
) -> ClusterWorkloads:
    return ClusterWorkloads(
        held or stores(),
        script.api,
        is_leading=lambda: leads,
        endpoints=EndpointsView(FakeClock()),
    )


def wanted(**changes: Any) -> Deployment:
    return made_deployment(key=KEY, **changes)


def marked(cost: str = "-1000") -> dict[str, Any]:
    created = {"creationTimestamp": "2026-11-24T10:00:00Z"}
    return answered("a", metadata={**created, "annotations": {DELETION_COST: cost}})


async def test_a_workload_is_read_with_its_pods_selector_and_version() -> None:
    workload = await workloads(Scripted()).read(wanted())
    assert (workload.desired, workload.version, workload.selector) == (2, "7", "app=flash")
    assert [replica.name for replica in workload.replicas] == ["a", "b"]
    assert [finding.reason for finding in workload.findings] == [
        "RoutingNotControlled",
        "NoPreStop",
    ]
    assert workload.next_to_go is None


async def test_a_replica_that_was_unready_for_a_moment_keeps_the_time_when_it_first_was_ready() -> (
    None
):
    held = stores()
    view = workloads(Scripted(), held)
    later = {**READY, "lastTransitionTime": "2026-11-24T11:00:00Z"}
    times = []
    for conditions in ([READY], [], [later]):
        each = pod("a", conditions=conditions, metadata={"uid": "u"})
        held.pods.put(each.metadata.key, each)
        times.append((await view.read(wanted())).replicas[0].ready_at)
    assert times[0] is not None
    assert times == [times[0]] * 3


async def test_a_template_with_label_and_pre_stop_needs_no_finding() -> None:
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    template = {"metadata": {"labels": {ROUTABLE: "true"}}, "spec": {"containers": [hook]}}
    held = stores(spec={"template": template})
    assert (await workloads(Scripted(), held).read(wanted())).findings == ()


@pytest.mark.parametrize(
    ("seconds", "told"), [(30, True), (300, False)], ids=["shorter than the drain", "as long"]
)
async def test_an_adopted_template_that_kills_before_requests_can_end_is_told(
    seconds: int, *, told: bool
) -> None:
    template = {"spec": {"terminationGracePeriodSeconds": seconds}}
    held = stores(spec={"template": template})
    findings = (await workloads(Scripted(), held).read(wanted())).findings
    assert any(finding.reason == "GracePeriodShort" for finding in findings) is told


async def test_an_owned_workload_needs_no_finding() -> None:
    held = stores(claim(template={}))
    assert (await workloads(Scripted(), held).read(wanted())).findings == ()


async def test_a_selector_that_matches_no_pod_is_told_with_the_nearest_labels() -> None:
    labels = {"app": "flash", "tier": "x"}
    held = stores(claim(template={}), spec={"selector": {"matchLabels": labels}})
    (finding,) = (await workloads(Scripted(), held).read(wanted())).findings
    assert finding.reason == "NoPods"
    assert "nearest: a has {'app': 'flash'}" in finding.message


async def test_of_a_stateful_set_the_last_ordinal_goes() -> None:
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "flash"}
    held = ClusterStores()
    held.claims.put(OBJECT, claim(targetRef=reference))
    held.scalables["StatefulSet"].put(OBJECT, scalable())
    for name in ("flash-2", "flash-10", "flash-x"):
        held.pods.put(ObjectKey("ns", name), pod(name))
    assert (await workloads(Scripted(), held).read(wanted())).next_to_go == "flash-10"


async def test_endpoints_are_recommended_for_and_have_no_count() -> None:
    held = stores(claim(endpoints=["http://a:1"]))
    view = workloads(Scripted(), held)
    workload = await view.read(wanted(endpoints=("http://a:1",)))
    assert workload.desired is None
    assert [finding.reason for finding in workload.findings] == ["EndpointsNotScaled"]
    assert await view.write(KEY, GROW) == (Outcome.REFUSED, "endpoints have no count")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "flahs"},
            "Deployment ns/flahs does not exist; there are flash",
        ),
        (
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "flash"},
            "StatefulSet ns/flash does not exist",
        ),
    ],
    ids=["mistyped", "none of the kind"],
)
async def test_a_target_that_is_not_there_is_said(reference: dict[str, str], message: str) -> None:
    view = workloads(Scripted(), stores(claim(targetRef=reference)))
    with pytest.raises(WorkloadUnavailable, match=message):
        await view.read(wanted())
    assert await view.write(KEY, GROW) == (Outcome.REFUSED, message)


async def test_a_v4deployment_that_is_gone_has_no_workload() -> None:
    with pytest.raises(WorkloadUnavailable, match="ns/other is gone"):
        await workloads(Scripted()).read(replace(wanted(), key=Key("ns", "other")))


async def test_an_operator_that_leads_no_more_writes_nothing() -> None:
    script = Scripted()
    outcome, _ = await workloads(script, leads=False).write(KEY, GROW)
    assert (outcome, script.asked) == (Outcome.REFUSED, [])


async def test_a_count_is_written_through_scale_on_condition_of_the_version() -> None:
    script = Scripted(answered())
    assert await workloads(script).write(KEY, GROW) == (Outcome.DONE, "replicas 2 -> 3")
    assert script.lines() == ["patch deployments.apps/scale ns/flash"]
    assert script.body() == {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 3}}


async def test_a_victim_is_marked_on_condition_of_its_version_before_the_count_is_lowered() -> None:
    script = Scripted(marked(), answered())
    assert await workloads(script).write(KEY, SHRINK) == (Outcome.DONE, "replicas 2 -> 1")
    assert script.lines() == ["patch pods ns/a", "patch deployments.apps/scale ns/flash"]
    metadata = script.body(0)["metadata"]
    assert metadata == {"resourceVersion": "3", "annotations": {DELETION_COST: "-1000"}}


async def test_a_victim_that_is_marked_already_is_not_marked_again() -> None:
    held = stores()
    again = pod("a", metadata={"annotations": {DELETION_COST: "-1000"}})
    held.pods.put(again.metadata.key, again)
    script = Scripted(answered())
    await workloads(script, held).write(KEY, SHRINK)
    assert script.lines() == ["patch deployments.apps/scale ns/flash"]


async def test_a_mark_that_does_not_stick_keeps_the_count() -> None:
    script = Scripted(marked(cost="0"))
    outcome, message = await workloads(script).write(KEY, SHRINK)
    assert (outcome, len(script.asked)) == (Outcome.CONFLICT, 1)
    assert "did not keep" in message


async def test_nothing_shrinks_while_a_rollout_is_under_way() -> None:
    script = Scripted()
    held = stores(status={"replicas": 2, "updatedReplicas": 1})
    outcome, message = await workloads(script, held).write(KEY, SHRINK)
    assert (outcome, script.asked) == (Outcome.CONFLICT, [])
    assert "rollout" in message


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KubeConflict("409"), Outcome.CONFLICT),
        (Forbidden("403"), Outcome.REFUSED),
        (Unavailable("no answer"), Outcome.REFUSED),
    ],
    ids=["another wrote", "not allowed", "not reached"],
)
async def test_what_the_server_does_not_take_is_an_outcome(
    error: KubeError, outcome: Outcome
) -> None:
    assert await workloads(Scripted(error)).write(KEY, GROW) == (outcome, str(error))


@pytest.mark.parametrize(
    ("effect", "template", "annotations", "change"),
    [
        (OUT, None, {}, {"labels": {ROUTABLE: "false"}}),
        (BACK, None, {}, {"labels": {ROUTABLE: None}}),
        (BACK, "true", {}, {"labels": {ROUTABLE: "true"}}),
        (
            BACK,
            None,
            {DELETION_COST: "-1000"},
            {"labels": {ROUTABLE: None}, "annotations": {DELETION_COST: None}},
        ),
    ],
    ids=["out", "back to nothing", "back to the template's label", "back with its mark removed"],
)
async def test_routing_is_a_label_written_on_condition_of_the_pods_version(
    effect: Effect,
    template: str | None,
    annotations: dict[str, str],
    change: dict[str, Any],
) -> None:
    labels = {ROUTABLE: template} if template else {}
    held = stores(spec={"template": {"metadata": {"labels": labels}}})
    victim = pod("a", metadata={"resourceVersion": "3", "annotations": annotations})
    held.pods.put(victim.metadata.key, victim)
    script = Scripted(marked())
    outcome, _ = await workloads(script, held).write(KEY, effect)
    assert outcome is Outcome.DONE
    assert script.body() == {"metadata": {"resourceVersion": "3", **change}}


async def test_a_pod_that_would_be_orphaned_by_the_label_is_left_alone() -> None:
    labels = {"app": "flash", ROUTABLE: "true"}
    script = Scripted()
    held = stores(spec={"selector": {"matchLabels": labels}})
    outcome, _ = await workloads(script, held).write(KEY, OUT)
    assert (outcome, script.asked) == (Outcome.REFUSED, [])


async def test_a_pod_that_is_gone_is_a_conflict() -> None:
    effect = SetRoutable(replica="z", routable=False)
    outcome, message = await workloads(Scripted()).write(KEY, effect)
    assert (outcome, message) == (Outcome.CONFLICT, "pod ns/z is gone")


async def test_a_count_that_is_fought_over_is_let_go_until_the_spec_changes() -> None:
    held, script = stores(), Scripted(*[answered() for _ in range(4)])
    view = workloads(script, held)
    count: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    rival = {"managedFields": [{"manager": "hpa", "fieldsV1": count}]}
    outcomes = []
    for _ in range(4):
        await view.read(wanted())
        outcomes.append((await view.write(KEY, GROW))[0])
        held.scalables["Deployment"].put(OBJECT, scalable(metadata=rival, status=SETTLED))
    assert outcomes == [Outcome.DONE] * 3 + [Outcome.REFUSED]
    reasons = {finding.reason for finding in (await view.read(wanted())).findings}
    assert "ScalingContested" in reasons
    await view.read(wanted(generation=99))
    assert (await view.write(KEY, GROW))[0] is Outcome.DONE


def test_a_contest_is_forgotten_with_its_v4deployment() -> None:
    view = workloads(Scripted())
    view.resume(KEY, Contest(generation=1))
    view.forget(KEY)
    assert view.contest(KEY) is None


async def test_a_fight_that_was_given_up_is_not_taken_up_by_the_next_leader() -> None:
    script = Scripted()
    view = workloads(script)
    given_up = Contest(generation=wanted().generation, reversals=3, rival="hpa", count=5)
    view.resume(KEY, given_up)
    await view.read(wanted())
    assert await view.write(KEY, GROW) == (
        Outcome.REFUSED,
        "hpa sets the count too: not fought over",
    )
    assert (view.contest(KEY), script.asked) == (given_up, [])


async def test_what_is_seen_by_this_process_is_not_overwritten_by_what_was_kept() -> None:
    view = workloads(Scripted())
    await view.read(wanted())
    view.resume(KEY, Contest(generation=1, reversals=3))
    found = view.contest(KEY)
    assert found is not None
    assert found.reversals == 0


async def test_a_write_that_is_not_allowed_is_told_until_one_goes_through() -> None:
    rule = "not allowed to patch deployments.apps/scale; the Role needs {...}"
    view = workloads(Scripted(Forbidden(rule), answered()))
    told = []
    for _ in range(2):
        await view.write(KEY, GROW)
        findings = (await view.read(wanted())).findings
        told.append([f.message for f in findings if f.reason == "PermissionDenied"])
    assert told == [[rule], []]


RENDERED = Rendered(
    deployment={"kind": "Deployment", "metadata": {"name": "flash"}},
    service={"kind": "Service", "metadata": {"name": "flash"}},
    uid="u1",
)


def fields_of(manager: str, operation: str, **spec: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {f"f:{name}": {} for name in spec}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


APPLIES = fields_of("v4-operator", "Apply", template={}, strategy={})
OURS: dict[str, Any] = {
    "metadata": {
        "ownerReferences": [{"uid": "u1", "controller": True}],
        "generation": 1,
        "managedFields": [APPLIES],
    }
}
THEIRS: dict[str, Any] = {"metadata": {"ownerReferences": [{"uid": "u2", "controller": True}]}}
APPLIED = answered(metadata={"generation": 1, "managedFields": [APPLIES]})


def owned_target() -> Target:
    found = target_of(claim(template={}))
    assert found is not None
    return found


async def test_owned_objects_are_applied_and_then_left_until_something_changes() -> None:
    held = ClusterStores()
    script = Scripted(NotFound("no service"), answered(), APPLIED)
    owned = OwnedWorkloads(held, script.api, is_leading=lambda: True)
    assert await owned.ensure(owned_target(), RENDERED) is False
    assert script.lines() == [
        "get services ns/flash",
        "patch services ns/flash",
        "patch deployments.apps ns/flash",
    ]
    held.scalables["Deployment"].put(OBJECT, scalable(**OURS))
    assert await owned.ensure(owned_target(), RENDERED) is True
    assert len(script.asked) == 3


def changed(*writers: dict[str, Any]) -> dict[str, Any]:
    """Metadata of the owned Deployment after another generation."""
    return {**OURS["metadata"], "generation": 2, "managedFields": list(writers)}


@pytest.mark.parametrize(
    "live",
    [
        changed(APPLIES, fields_of("v4-operator", "Update", replicas=3)),
        changed(APPLIES, fields_of("kubectl", "Update", paused=True)),
        {**OURS["metadata"], "generation": 0, "managedFields": []},
    ],
    ids=["a count was set", "a field that is not ours", "not seen since it was applied"],
)
async def test_owned_objects_are_left_alone_for_as_long_as_what_is_ours_stays(
    live: dict[str, Any],
) -> None:
    held = ClusterStores()
    held.scalables["Deployment"].put(OBJECT, scalable(**OURS))
    script = Scripted(answered(**OURS), answered(), APPLIED)
    owned = OwnedWorkloads(held, script.api, is_leading=lambda: True)
    assert await owned.ensure(owned_target(), RENDERED) is True
    held.scalables["Deployment"].put(OBJECT, scalable(metadata=live))
    assert await owned.ensure(owned_target(), RENDERED) is True
    assert len(script.asked) == 3


@pytest.mark.parametrize(
    ("live", "rendered"),
    [
        (changed(fields_of("v4-operator", "Apply", template={})), RENDERED),
        (changed(fields_of("kubectl", "Update", template={}, strategy={})), RENDERED),
        (OURS["metadata"], replace(RENDERED, service={"kind": "Service", "spec": {}})),
    ],
    ids=["somebody took a field", "somebody took all of them", "the spec renders something else"],
)
async def test_owned_objects_are_applied_again_when_something_changes(
    live: dict[str, Any], rendered: Rendered
) -> None:
    held = ClusterStores()
    held.scalables["Deployment"].put(OBJECT, scalable(**OURS))
    again = [answered(**OURS), answered(), APPLIED]
    script = Scripted(*again, *again)
    owned = OwnedWorkloads(held, script.api, is_leading=lambda: True)
    assert await owned.ensure(owned_target(), RENDERED) is True
    held.scalables["Deployment"].put(OBJECT, scalable(metadata=live))
    assert await owned.ensure(owned_target(), rendered) is True
    assert len(script.asked) == 6
    assert script.body()["metadata"]["resourceVersion"] == "7"


async def test_an_operator_that_leads_no_more_applies_nothing() -> None:
    script = Scripted()
    owned = OwnedWorkloads(ClusterStores(), script.api, is_leading=lambda: False)
    with pytest.raises(RetryLater, match="another operator"):
        await owned.ensure(owned_target(), RENDERED)
    assert script.asked == []


@pytest.mark.parametrize(
    ("live", "answers", "message"),
    [
        (THEIRS, [], "a Deployment ns/flash is there already"),
        ({}, [], "a Deployment ns/flash is there already"),
        (None, [answered(**THEIRS)], "a Service ns/flash is there already"),
        (
            None,
            [NotFound("none"), answered(), Rejected("spec.containers: Required")],
            "the template is refused: spec.containers: Required",
        ),
    ],
    ids=["another owner", "no owner", "another's Service", "the server refuses"],
)
async def test_what_is_somebody_elses_or_not_valid_is_said_and_not_written(
    live: dict[str, Any] | None, answers: list[dict[str, Any] | KubeError], message: str
) -> None:
    held = ClusterStores()
    if live is not None:
        held.scalables["Deployment"].put(OBJECT, scalable(**live))
    owned = OwnedWorkloads(held, Scripted(*answers).api, is_leading=lambda: True)
    with pytest.raises(WorkloadUnavailable, match=message):
        await owned.ensure(owned_target(), RENDERED)


async def test_owned_objects_are_applied_anew_for_a_v4deployment_that_was_forgotten() -> None:
    held = ClusterStores()
    held.scalables["Deployment"].put(OBJECT, scalable(**OURS))
    again = [answered(**OURS), answered(), APPLIED]
    script = Scripted(*again, *again)
    owned = OwnedWorkloads(held, script.api, is_leading=lambda: True)
    await owned.ensure(owned_target(), RENDERED)
    owned.forget(OBJECT)
    await owned.ensure(owned_target(), RENDERED)
    assert len(script.asked) == 6


def fleet_status(tokens: float = 0.0, *, replicas: int = 2) -> Status:
    seen = observation(serving(replicas))
    expected = forecast(demand(1.5), now=seen.now)
    verdict, _ = decide(seen, expected, PolicyMemory())
    made = status(seen, expected, verdict, None)
    observed = replace(made.observed, decode_tokens_per_second=tokens)
    return replace(made, observed=observed, key=KEY)


def body_of(made: Status) -> dict[str, Any]:
    body: dict[str, Any] = document(made)["status"]
    return body


def test_a_status_comes_back_from_its_document_as_it_was() -> None:
    made = fleet_status()
    assert restored(OBJECT, json.loads(json.dumps(body_of(made)))) == made


@pytest.mark.parametrize(
    "held",
    [{}, {"conditions": [{"lastTransitionTime": "yesterday"}]}, {"observedGeneration": "one"}],
    ids=["nothing", "no time", "another shape"],
)
def test_a_status_that_is_not_understood_is_none(held: dict[str, Any]) -> None:
    assert restored(OBJECT, held) is None


async def test_a_status_is_written_with_the_version_that_was_read_and_once() -> None:
    clock, body = FakeClock(), body_of(fleet_status())
    script = Scripted(answered(version="5"), answered(version="6"))
    statuses = ClusterStatus(script.api, clock)
    assert await statuses.read(OBJECT) is None
    assert await statuses.write(OBJECT, body) is True
    assert await statuses.write(OBJECT, body) is False
    assert script.lines()[-1] == "patch v4deployments.v4serving.dev/status ns/flash"
    assert script.body()["metadata"]["resourceVersion"] == "5"
    assert "selector" not in script.body()["status"]
    assert (await statuses.held(OBJECT))["replicas"] == 2


async def test_figures_are_written_once_a_minute_and_transitions_at_once() -> None:
    clock = FakeClock()
    script = Scripted(answered(), *[answered() for _ in range(3)])
    statuses = ClusterStatus(script.api, clock)
    assert await statuses.write(OBJECT, body_of(fleet_status(100.0))) is True
    assert await statuses.write(OBJECT, body_of(fleet_status(200.0))) is False
    assert await statuses.write(OBJECT, body_of(fleet_status(200.0, replicas=3))) is True
    await clock.advance(60.0)
    assert await statuses.write(OBJECT, body_of(fleet_status(300.0, replicas=3))) is True


async def test_after_a_conflict_the_status_is_read_anew() -> None:
    script = Scripted(answered(), KubeConflict("409"), answered(version="9"), answered())
    statuses = ClusterStatus(script.api, FakeClock())
    body = body_of(fleet_status())
    assert await statuses.write(OBJECT, body) is False
    assert await statuses.write(OBJECT, body) is True
    assert script.body()["metadata"]["resourceVersion"] == "9"


async def test_a_status_that_is_known_is_not_asked_for_again() -> None:
    script = Scripted(answered())
    statuses = ClusterStatus(script.api, FakeClock())
    assert [await statuses.read(OBJECT) for _ in range(3)] == [None] * 3
    assert len(script.asked) == 1


async def test_a_status_that_was_forgotten_is_read_anew() -> None:
    script = Scripted(answered(), answered())
    statuses = ClusterStatus(script.api, FakeClock())
    await statuses.held(OBJECT)
    statuses.forget(OBJECT)
    await statuses.held(OBJECT)
    assert len(script.asked) == 2


LEARNED = Learned(key="k", start_ups=StartUps(durations_seconds=(400.0, 420.0)))


def test_what_was_learned_comes_back_without_the_last_minutes() -> None:
    under_way = replace(LEARNED.start_ups, under_way=("a",))
    full = replace(LEARNED, block_started_at=1.0, start_ups=under_way)
    assert parsed(rendered(full)) == LEARNED


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"format":2,"learned":{"key":"k"}}', '{"format":1,"learned":{}}'],
    ids=["empty", "nothing", "another format", "incomplete"],
)
def test_what_is_not_understood_is_learned_again(text: str) -> None:
    assert parsed(text) is None


async def test_what_was_learned_is_saved_after_five_minutes_and_only_when_changed() -> None:
    clock, script = FakeClock(), Scripted(NotFound("none"), answered(version="4"), answered())
    learned = ClusterLearned(script.api, "operators", clock)
    assert await learned.read(OBJECT) is None
    learned.note(OBJECT, LEARNED, None)
    learned.note(ObjectKey("ns", "gone"), LEARNED, None)
    await learned.save_if_due([OBJECT])
    assert len(script.asked) == 1
    await clock.advance(300.0)
    await learned.save_if_due([OBJECT])
    assert script.lines()[-1] == "patch configmaps operators/v4-operator-learned"
    assert script.body()["data"] == {"ns.flash": rendered(LEARNED)}
    assert "resourceVersion" not in script.body()["metadata"]
    await clock.advance(300.0)
    await learned.save_if_due([OBJECT])
    assert len(script.asked) == 2
    learned.forget(OBJECT)
    await clock.advance(300.0)
    await learned.save_if_due([OBJECT])
    assert script.body()["metadata"]["resourceVersion"] == "4"
    assert script.body()["data"] == {}


async def test_a_reversal_is_saved_at_once_and_read_by_the_next_leader() -> None:
    fought = Contest(generation=3, reversals=2, rival="hpa", count=5, wrote=4)
    script = Scripted(NotFound("none"), answered(version="4"), answered(version="5"))
    learned = ClusterLearned(script.api, "operators", FakeClock())
    assert await learned.contest(OBJECT) is None
    learned.note(OBJECT, LEARNED, fought)
    await learned.save_if_due([OBJECT])
    data = script.body()["data"]
    again = ClusterLearned(Scripted(answered(data=data)).api, "operators", FakeClock())
    assert await again.contest(OBJECT) == replace(fought, wrote=None)
    assert await again.read(OBJECT) == LEARNED
    learned.note(OBJECT, LEARNED, Contest(generation=4))
    await learned.save_if_due([OBJECT])
    assert set(script.body()["data"]) == {"ns.flash"}
    assert contest_of("[]") is None


async def test_what_was_learned_is_saved_at_the_end_without_waiting() -> None:
    script = Scripted(NotFound("none"), answered())
    learned = ClusterLearned(script.api, "operators", FakeClock())
    learned.note(OBJECT, LEARNED, None)
    await learned.save([OBJECT])
    assert script.body()["data"] == {"ns.flash": rendered(LEARNED)}


async def test_a_new_leader_reads_what_the_last_one_kept() -> None:
    held = answered(data={"ns.flash": rendered(LEARNED)})
    learned = ClusterLearned(Scripted(held).api, "operators", FakeClock())
    assert await learned.read(OBJECT) == LEARNED
    assert await learned.read(ObjectKey("ns", "other")) is None


async def test_after_a_conflict_the_other_version_is_read_before_the_next_save() -> None:
    clock = FakeClock()
    script = Scripted(answered(version="4"), KubeConflict("409"), answered(version="5"), answered())
    learned = ClusterLearned(script.api, "operators", clock)
    await learned.read(OBJECT)
    learned.note(OBJECT, LEARNED, None)
    for _ in range(2):
        await clock.advance(300.0)
        await learned.save_if_due([OBJECT])
    assert script.body()["metadata"]["resourceVersion"] == "5"


async def test_a_config_map_that_cannot_be_reached_stops_nothing() -> None:
    clock = FakeClock()
    script = Scripted(Forbidden("no"), Forbidden("no"), answered(), Unavailable("down"))
    learned = ClusterLearned(script.api, "operators", clock)
    assert await learned.read(OBJECT) is None
    learned.note(OBJECT, LEARNED, None)
    for _ in range(2):
        await clock.advance(300.0)
        await learned.save_if_due([OBJECT])
    assert [str(each.verb) for each in script.asked] == ["get", "get", "get", "patch"]


async def test_more_than_a_config_map_holds_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("v4operator.adapters.cluster_learned._MOST_BYTES", 900)
    clock, script = FakeClock(), Scripted(NotFound("none"), answered())
    learned = ClusterLearned(script.api, "operators", clock)
    await learned.read(OBJECT)
    keys = [ObjectKey("ns", name) for name in ("a", "b", "c")]
    for key in keys:
        learned.note(key, LEARNED, None)
    await clock.advance(300.0)
    await learned.save_if_due(keys)
    assert set(script.body()["data"]) == {"ns.a"}
