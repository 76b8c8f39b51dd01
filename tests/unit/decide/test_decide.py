"""The chain as a whole, one case a line; how it goes on in time is told by the stories."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import (
    START,
    demand,
    forecast,
    hbm,
    observation,
    observed,
    replica,
    scaling,
    serving,
    settled,
    silent,
)

from v4operator.decide.decide import decide
from v4operator.decide.reasons import EXPLANATION, VETO_REASONS, Reason
from v4operator.model.deployment import ScalingMode
from v4operator.model.forecast import Demand
from v4operator.model.hbm import Finding, HbmVerdict
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import GatewayObservation
from v4operator.model.replica import Phase
from v4operator.model.verdict import Action, Decision


def decided(count: int, asked: Demand, **of: Any) -> Decision:
    seen = observation(serving(count), **of)
    return decide(seen, forecast(asked), PolicyMemory())[0].decision


@pytest.mark.parametrize(
    ("count", "asked", "bounds", "expected"),
    [
        (4, demand(3.5), {}, ("hold", 4, "AtRest")),
        (4, demand(4.2), {}, ("grow", 5, "DemandNow")),
        (4, demand(3.5, 5.2), {}, ("grow", 6, "DemandAhead")),
        (4, demand(9.0), {"max_replicas": 6}, ("grow", 6, "DemandNow")),
        (6, demand(9.0), {"max_replicas": 6}, ("hold", 6, "AtMaximum")),
        (1, demand(0.0), {"min_replicas": 3}, ("grow", 3, "BelowMinimum")),
        (4, demand(1.0), {}, ("hold", 4, "RestartGuard")),
        (4, demand(9.0), {"paused": True}, ("hold", 4, "Paused")),
        (4, demand(9.0), {"mode": ScalingMode.DISABLED}, ("hold", 4, "Disabled")),
        (4, demand(9.0), {"mode": ScalingMode.RECOMMEND}, ("hold", 4, "RecommendOnly")),
    ],
)
def test_the_chain_reads_like_a_table(
    count: int, asked: Demand, bounds: dict[str, Any], expected: tuple[str, int, str]
) -> None:
    decision = decided(count, asked, scaling=scaling(**bounds))
    assert (decision.action, decision.desired, decision.reason) == expected


def test_a_count_that_somebody_else_keeps_setting_is_recommended_and_not_asked_for() -> None:
    contested = Finding(reason="ScalingContested", message="an HPA writes the count")
    decision = decided(4, demand(9.0), findings=(contested,))
    assert (decision.action, decision.desired, decision.wanted) == (Action.HOLD, 4, 9)
    assert decision.reason == "ScalingContested"
    assert decision.sentence.endswith("somebody else keeps setting the count")


def test_the_sentence_carries_rounded_figures() -> None:
    decision = decided(4, demand(2.93, 3.41))
    assert decision.sentence == (
        "hold at 4: demand 2.9 replicas now, 3.4 in 8 min; the present ones are worth 4.0"
    )
    assert decision.alternative == "shrink to 3: the demand takes 4"


def test_growth_says_what_it_rejects() -> None:
    decision = decided(4, demand(3.5, 5.2))
    assert decision.sentence == (
        "grow from 4 to 6: demand 3.5 replicas now, 5.2 in 8 min; the present ones are worth 4.0"
    )
    assert decision.alternative == (
        "hold at 4: 1.2 short of the demand when a new replica is ready (8 min)"
    )


def test_the_first_of_several_vetoes_is_told_and_all_are_kept() -> None:
    decision = decided(4, demand(1.0))
    assert [v.reason for v in decision.vetoes] == ["RestartGuard"]
    assert "watching began within the shrink window; 10 min to go" in decision.sentence


def test_blind_growth_follows_what_is_seen_now_and_no_forecast() -> None:
    seen = observation([*serving(1), silent("b"), silent("c")])
    asked = demand(4.5, 9.0, computable=False, reason="1 of 3 fresh")
    decision = decide(seen, forecast(asked), PolicyMemory())[0].decision
    assert (decision.action, decision.desired) == (Action.GROW, 5)
    assert "blind, only 1 of 3 ready replicas have fresh metrics" in decision.sentence


def test_blind_holds_where_nothing_is_seen() -> None:
    seen = observation([silent("a"), silent("b")])
    asked = demand(float("nan"), computable=False, reason="nothing seen")
    decision = decide(seen, forecast(asked), settled(2, 1))[0].decision
    assert (decision.action, decision.reason) == (Action.HOLD, "Blind")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (demand(1.0, computable=False, reason="no finished request yet"), "no finished request"),
        (demand(float("nan")), "not a finite number"),
        (demand(1.0, float("inf")), "not a finite number"),
    ],
)
def test_a_demand_that_is_not_known_is_blindness_even_with_fresh_metrics(
    asked: Demand, words: str
) -> None:
    decision = decide(observation(serving(3)), forecast(asked), settled(3, 1))[0].decision
    assert decision.desired == 3
    assert words in decision.sentence


def test_two_thirds_fresh_are_enough_to_see() -> None:
    seen = observation([*serving(4), silent("x"), silent("y")])
    decision = decide(seen, forecast(demand(3.0, silent_replicas=2)), settled(6, 3))[0].decision
    assert decision.action is Action.SHRINK


def test_an_enforced_budget_that_does_not_fit_stops_growth() -> None:
    tight = forecast(demand(5.0), hbm=hbm(HbmVerdict.WEIGHTS_EXCEED, sentence="too big"))
    held = decide(observation(serving(4), enforce_hbm=True), tight, PolicyMemory())[0].decision
    assert (held.desired, [v.reason for v in held.vetoes]) == (4, ["HBMEnforced"])
    warned = decide(observation(serving(4)), tight, PolicyMemory())[0].decision
    assert warned.desired == 5


@pytest.mark.parametrize("verdict", [HbmVerdict.UNKNOWN, HbmVerdict.FITS_TIGHT])
def test_an_unknown_or_tight_budget_never_blocks(verdict: HbmVerdict) -> None:
    asked = forecast(demand(5.0), hbm=hbm(verdict))
    seen = observation(serving(4), enforce_hbm=True)
    assert decide(seen, asked, PolicyMemory())[0].decision.desired == 5


def test_the_minimum_holds_even_while_a_replica_cannot_start() -> None:
    stuck = observed(replica("u", Phase.UNSCHEDULABLE, reason="no GPU"))
    seen = observation([*serving(1), stuck], scaling=scaling(min_replicas=4))
    decision = decide(seen, forecast(demand(9.0)), PolicyMemory())[0].decision
    assert (decision.desired, [v.reason for v in decision.vetoes]) == (4, ["WaitingForCapacity"])


def test_endpoints_get_a_recommendation_and_no_count() -> None:
    seen = observation(serving(2), desired=None)
    decision = decide(seen, forecast(demand(3.4)), PolicyMemory())[0].decision
    assert (decision.current, decision.desired, decision.wanted) == (None, None, 4)
    assert decision.reason == "NoScaleTarget"
    assert decision.sentence.startswith("recommend 4, now 2")


def test_a_recommendation_to_shrink_respects_the_vetoes() -> None:
    only = scaling(mode=ScalingMode.RECOMMEND)
    seen = observation(serving(4), scaling=only)
    early = decide(seen, forecast(demand(1.0)), PolicyMemory())[0].decision
    later = decide(seen, forecast(demand(1.0)), settled(4, 1))[0].decision
    assert (early.wanted, later.wanted) == (4, 3)


def test_starts_under_way_are_told() -> None:
    start = observed(replica("n", Phase.STARTING, created_at=START - 60))
    seen = observation([*serving(2), start])
    decision = decide(seen, forecast(demand(2.5)), PolicyMemory())[0].decision
    assert decision.sentence.endswith("the present ones are worth 2.0, 1 more under way")


def test_the_inputs_carry_value_unit_age_and_source() -> None:
    inputs = {i.name: i for i in decided(3, demand(2.5)).inputs}
    assert (inputs["demand"].value, inputs["demand"].unit) == (2.5, "replicas")
    assert inputs["demand"].age_seconds == 2.0
    assert inputs["start-up"].source == "median of 3 starts"
    assert inputs["maxReplicas"].value == 100


def test_a_fleet_without_a_capacity_model_has_no_such_input() -> None:
    asked = forecast(demand(0.0, computable=False, reason="no prior"), capacity=None)
    decision = decide(observation(serving(1)), asked, PolicyMemory())[0].decision
    assert "capacity of a replica" not in {i.name for i in decision.inputs}
    assert {i.name: i.value for i in decision.inputs}["demand"] is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(reason: Reason) -> None:
    assert EXPLANATION[reason].endswith(".")


def test_every_veto_that_can_be_counted_is_a_reason_of_its_own() -> None:
    assert len(set(VETO_REASONS)) == len(VETO_REASONS) == 12


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        pytest.param(demand(2.5), "in the last minutes", id="as before"),
        pytest.param(demand(2.5, surging=True), "in the last polls, a step", id="a step"),
    ],
)
def test_the_inputs_tell_the_spread_its_evidence_and_what_the_demand_was_seen_in(
    asked: Demand, seen: str
) -> None:
    told = replace(asked, spread_ratio=0.31, spread_seconds=7200.0)
    inputs = {i.name: i for i in decided(3, told).inputs}
    spread = inputs["spread of unforeseen growth"]
    assert (spread.value, spread.unit) == (0.31, "ratio")
    assert spread.source.endswith("120 min of own forecast errors")
    assert seen in inputs["demand"].source


def test_the_inputs_tell_what_waits_at_a_gateway_and_the_use_that_a_replica_must_have() -> None:
    waiting = GatewayObservation(waiting_requests=7.0, lost_total=None)
    seen = replace(observation(serving(3)), gateway=waiting)
    asked = replace(demand(2.5), least_used_share=0.02, full_work_ratio=0.8)
    inputs = {i.name: i for i in decide(seen, forecast(asked), PolicyMemory())[0].decision.inputs}
    assert inputs["waiting at the gateway"].value == 7.0
    assert inputs["least use of a further replica"].value == 0.02
    assert inputs["work of a full replica"].value == 0.8
    without = {i.name: i for i in decided(3, demand(2.5)).inputs}
    assert "waiting at the gateway" not in without
    assert "work of a full replica" not in without
    assert "a reserve is held" in without["least use of a further replica"].source
