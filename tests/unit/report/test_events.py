from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import demand, forecast, observation, serving, silent

from v4operator.act.apply import Applied
from v4operator.act.ports import Outcome
from v4operator.decide.decide import decide
from v4operator.model.effects import SetReplicas, SetRoutable
from v4operator.model.hbm import Finding
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import ReplicaObservation
from v4operator.model.status import Status
from v4operator.report.events import Notice, notices
from v4operator.report.problems import problem_document
from v4operator.report.status import status

GROW = SetReplicas(expected=2, count=4, version="7", victim=None)


def told(*replicas: ReplicaObservation, **changes: Any) -> Status:
    seen = observation(replicas or serving(2))
    expected = forecast(demand(1.5), now=seen.now)
    verdict, _ = decide(seen, expected, PolicyMemory())
    made = status(seen, expected, verdict, None)
    decision = replace(made.last_decision, **changes)
    return replace(made, last_decision=decision, findings=())


def done(effect: SetReplicas | SetRoutable, outcome: Outcome = Outcome.DONE) -> Applied:
    return Applied(effect=effect, outcome=outcome, message="what happened")


def test_a_fleet_at_rest_is_not_told_of() -> None:
    assert notices(told(), told(), ()) == ()


def test_a_fleet_seen_for_the_first_time_is_told_of_only_where_something_is_wrong() -> None:
    assert notices(None, told(), ()) == ()
    found = notices(None, told(silent("a"), silent("b")), ())
    assert [(n.warning, n.reason) for n in found] == [(True, "TooFewFresh")]


def test_a_condition_that_turns_is_told_in_both_directions() -> None:
    well, blind = told(), told(silent("a"), silent("b"))
    bad = {n.reason: n.warning for n in notices(well, blind, ())}
    good = {n.reason: n.warning for n in notices(blind, well, ())}
    assert bad["TooFewFresh"] is True
    assert good["AllFresh"] is False


@pytest.mark.parametrize(
    ("count", "reason"), [(4, "ScaledUp"), (1, "ScaledDown")], ids=["up", "down"]
)
def test_a_write_of_the_count_is_told_with_its_sentence(count: int, reason: str) -> None:
    after = told(sentence="because")
    found = notices(told(), after, (done(replace(GROW, count=count)),))
    assert found == (
        Notice(warning=False, reason=reason, action="Scale", note="what happened: because"),
    )


def test_a_refusal_is_told_once_for_each_decision() -> None:
    refused = done(GROW, Outcome.REFUSED)
    first = notices(told(time=1.0), told(time=2.0), (refused,))
    assert [(n.warning, n.reason) for n in first] == [(True, "WriteRefused")]
    assert notices(told(time=2.0), told(time=2.0), (refused,)) == ()


def test_a_drain_is_told_when_it_begins() -> None:
    drain = told(time=2.0, action="shrink", reason="DemandFell", sentence="a goes")
    found = notices(told(time=1.0), drain, (done(SetRoutable(replica="a", routable=False)),))
    assert found == (Notice(warning=False, reason="DemandFell", action="Drain", note="a goes"),)


def test_a_finding_is_told_when_it_is_new_and_once_for_its_reason() -> None:
    finding = Finding(reason="NoPods", message="none")
    after = replace(told(), findings=(finding, finding))
    found = notices(told(), after, ())
    assert [(n.warning, n.reason, n.note) for n in found] == [(True, "NoPods", "none")]
    assert notices(after, after, ()) == ()


def test_new_findings_of_one_cycle_are_one_event_that_names_each_once() -> None:
    one, other = (Finding(reason=reason, message="why") for reason in ("NoPreStop", "NoLabel"))
    before = replace(told(), findings=(Finding(reason="Old", message="known"),))
    after = replace(told(), findings=(*before.findings, one, other, one))
    (found,) = notices(before, after, ())
    assert (found.warning, found.reason) == (True, "Findings")
    assert found.note == "NoPreStop: why; NoLabel: why"


@pytest.mark.parametrize(
    ("reasons", "events"),
    [
        (("Automatic", "Paused"), ["Paused"]),
        (("Paused", "Automatic"), ["Automatic"]),
        (("Blind", "Automatic"), []),
        (("Automatic", "Blind"), []),
        (("Paused", "RecommendOnly"), []),
    ],
    ids=" to ".join,
)
def test_scaling_that_is_turned_off_or_on_is_told_but_not_that_metrics_are_missing(
    reasons: tuple[str, str], events: list[str]
) -> None:
    before, after = (scaling_is(reason) for reason in reasons)
    assert [notice.reason for notice in notices(before, after, ())] == events


def scaling_is(reason: str) -> Status:
    made = told()
    status = "True" if reason == "Automatic" else "False"
    return replace(
        made,
        conditions=tuple(
            replace(each, status=status, reason=reason) if each.type == "ScalingActive" else each
            for each in made.conditions
        ),
    )


def test_what_the_operator_may_not_do_is_no_event_of_any_object() -> None:
    finding = Finding(reason="NodesNotReadable", message="nodes are not read")
    after = replace(told(), findings=(finding,))
    assert notices(told(), after, ()) == ()
    assert notices(None, after, ()) == ()


def test_a_problem_keeps_the_time_since_when_it_is_one() -> None:
    first = problem_document({}, generation=3, reason="InvalidSpec", message="no", now=0.0)
    (condition,) = first["conditions"]
    assert condition == {
        "type": "Ready",
        "status": "False",
        "reason": "InvalidSpec",
        "message": "no",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
        "observedGeneration": 3,
    }
    again = problem_document(first, generation=4, reason="Other", message="no", now=60.0)
    assert again["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    ready = {"conditions": [{**condition, "status": "True"}]}
    turned = problem_document(ready, generation=4, reason="Other", message="no", now=60.0)
    assert turned["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:01:00Z"
