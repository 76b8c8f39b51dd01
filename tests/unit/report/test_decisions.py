"""What the leader tells of its decisions: pages, keys, and what never stands in them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import demand, forecast, observation, serving, silent

from v4operator.decide.decide import decide
from v4operator.decide.reasons import Reason
from v4operator.model.deployment import Key
from v4operator.model.forecast import ThroughputVerdict
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import ReplicaObservation
from v4operator.model.verdict import Action, Veto
from v4operator.report.decisions import Decisions, Standing
from v4operator.report.next_step import NOTHING, next_step
from v4operator.report.record import Cycled
from v4operator.report.status import status


def cycled(*replicas: ReplicaObservation) -> Cycled:
    seen = observation(replicas or serving(2))
    told = forecast(demand(1.5), now=seen.now)
    verdict, _ = decide(seen, told, PolicyMemory())
    return Cycled(forecast=told, verdict=verdict, status=status(seen, told, verdict, None))


def decisions(now: float = 0.0, *, leads: bool = True) -> Decisions:
    return Decisions(
        Standing(identity="a_1", leads=lambda: leads, leader=lambda: "b_2", now=lambda: now)
    )


def page(held: Decisions, path: str) -> dict[str, Any]:
    found = held.page(path)
    assert found is not None
    answer: dict[str, Any] = json.loads(found)
    return answer


def with_one(now: float = 0.0) -> tuple[Decisions, Cycled, str]:
    made, held = cycled(), decisions(now)
    held.record(made.forecast, made.verdict, made.status)
    return held, made, f"v4deployments/{made.status.key}"


def test_a_record_has_the_decision_with_inputs_formula_and_next_step() -> None:
    held, made, path = with_one()
    record = page(held, path)["record"]
    decision = made.verdict.decision
    assert record["decision"]["sentence"] == decision.sentence
    assert [i["name"] for i in record["decision"]["inputs"]] == [i.name for i in decision.inputs]
    assert record["formula"]["demand"]["nowReplicas"] == made.forecast.demand.now_replicas
    assert record["formula"]["startUpSeconds"] == round(made.forecast.start_up_seconds)
    assert record["problem"] is None


def test_a_record_says_how_old_its_decision_is() -> None:
    made = cycled()
    held = decisions(made.verdict.decision.time + 90.0)
    held.record(made.forecast, made.verdict, made.status)
    assert page(held, f"v4deployments/{made.status.key}")["record"]["ageSeconds"] == 90.0


def test_the_configuration_of_engines_and_selectors_are_not_shown() -> None:
    held, _, path = with_one()
    assert {"configuration", "selector"} & page(held, path)["record"]["status"].keys() == set()


def test_a_figure_that_is_no_number_is_shown_as_not_known() -> None:
    made, held = cycled(), decisions()
    odd = replace(made.forecast, demand=replace(made.forecast.demand, now_replicas=float("inf")))
    held.record(odd, made.verdict, made.status)
    record = page(held, f"v4deployments/{made.status.key}")["record"]
    assert record["formula"]["demand"]["nowReplicas"] is None


def test_the_list_names_everything_and_forgets_what_is_gone() -> None:
    held, made, path = with_one()
    held.withhold(Key("ns", "other"), "InvalidSpec", "no such checkpoint")
    assert page(held, "v4deployments")["total"] == 2
    held.forget(made.status.key)
    assert page(held, "v4deployments")["items"] == [{"namespace": "ns", "name": "other"}]
    assert page(held, path)["record"] is None


def test_a_problem_takes_the_place_of_a_decision() -> None:
    held, made, path = with_one()
    held.withhold(made.status.key, "InvalidSpec", "no such checkpoint")
    record = page(held, path)["record"]
    assert record["problem"] == {"reason": "InvalidSpec", "message": "no such checkpoint"}
    assert (record["decision"], record["status"]) == (None, None)


def test_a_standby_says_who_leads() -> None:
    told = page(decisions(leads=False), "v4deployments")
    assert (told["leads"], told["identity"], told["leader"]) == (False, "a_1", "b_2")


@pytest.mark.parametrize("path", ["", "metrics", "v4deployments/a", "v4deployments/a/b/c"])
def test_there_are_no_other_pages(path: str) -> None:
    assert decisions().page(path) is None


@pytest.mark.parametrize("veto", [Reason.BLIND, Reason.AT_MAXIMUM, Reason.WAITING_FOR_CAPACITY])
def test_the_next_step_follows_from_what_holds_the_count(veto: Reason) -> None:
    made = cycled()
    held = replace(
        made.verdict.decision,
        reason=Reason.AT_REST.value,
        vetoes=(Veto(reason=veto.value, message="m"),),
    )
    free = replace(held, vetoes=())
    assert next_step(held, made.forecast) != next_step(free, made.forecast) == NOTHING


def test_a_sick_replica_is_a_step_of_its_own() -> None:
    made = cycled()
    sick = replace(made.forecast.throughput, verdict=ThroughputVerdict.SICK_REPLICA)
    paused = replace(made.verdict.decision, reason=Reason.PAUSED.value, vetoes=())
    told = next_step(paused, replace(made.forecast, throughput=sick))
    assert "scaling.paused" in told
    assert "the replica that is named" in told


def test_growth_is_waited_for() -> None:
    made = cycled(silent("a"), silent("b"))
    grow = replace(
        made.verdict.decision, action=Action.GROW, reason=Reason.DEMAND_NOW.value, vetoes=()
    )
    seconds = f"{made.forecast.start_up_seconds:,.0f} s"
    assert seconds in next_step(grow, made.forecast)
