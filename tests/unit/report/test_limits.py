"""One word for what keeps the count from the recommended one."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import demand, forecast, observation, observed, replica, scaling, serving, silent

from v4operator.decide.decide import decide
from v4operator.decide.reasons import Reason
from v4operator.model.hbm import Finding, HbmVerdict
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.replica import Phase
from v4operator.model.verdict import Veto
from v4operator.report.limits import Limiter, limiter


def limited(seen: Observation, asked: float, *reasons: Reason, **told: Any) -> Limiter:
    """What limits; `reasons` take the place of the vetoes that the policy found."""
    verdict, _ = decide(seen, forecast(demand(asked), **told), PolicyMemory())
    if reasons:
        vetoes = tuple(Veto(reason=reason.value, message="") for reason in reasons)
        verdict = replace(verdict, decision=replace(verdict.decision, vetoes=vetoes))
    return limiter(seen, verdict)


def stuck(*phases: Phase) -> list[ReplicaObservation]:
    return [observed(replica(f"stuck-{index}", phase)) for index, phase in enumerate(phases)]


def test_an_idle_fleet_at_its_minimum_is_limited_by_nothing() -> None:
    assert limited(observation(serving(1)), 0.1) is Limiter.NONE


def test_a_demand_above_the_maximum_is_bounded() -> None:
    most = scaling(max_replicas=2)
    assert limited(observation(serving(2), scaling=most), 5.0) is Limiter.BOUNDS


def test_a_paused_fleet_is_paused_whatever_else_holds() -> None:
    held = scaling(paused=True, max_replicas=2)
    assert limited(observation(serving(2), scaling=held), 5.0) is Limiter.PAUSED


def test_a_blind_fleet_is_blind() -> None:
    seen = observation([silent("a"), silent("b")])
    assert limited(seen, 0.0) is Limiter.BLIND


def test_replicas_that_do_not_start_are_pending() -> None:
    seen = observation([*serving(2), *stuck(Phase.UNSCHEDULABLE)])
    assert limited(seen, 5.0) is Limiter.PENDING


def test_replicas_that_are_not_created_are_kept_back_by_a_quota() -> None:
    seen = observation(serving(2), desired=4)
    assert limited(seen, 6.0, Reason.WAITING_FOR_CAPACITY) is Limiter.QUOTA


def test_a_replica_on_its_way_out_does_not_stand_in_for_one_that_is_not_created() -> None:
    seen = observation([*serving(2), *stuck(Phase.DRAINING)], desired=3)
    assert limited(seen, 6.0, Reason.WAITING_FOR_CAPACITY) is Limiter.QUOTA


def test_what_does_not_fit_its_devices_is_limited_by_memory() -> None:
    seen = observation(serving(1), enforce_hbm=True)
    found = replace(forecast(demand(1.0)).hbm, verdict=HbmVerdict.WEIGHTS_EXCEED)
    assert limited(seen, 4.0, hbm=found) is Limiter.HBM


@pytest.mark.parametrize("reason", [Reason.AT_MAXIMUM, Reason.BLIND, Reason.WAITING_FOR_CAPACITY])
def test_another_writer_goes_before_what_we_would_have_done(reason: Reason) -> None:
    seen = observation(serving(2))
    contested = Finding(reason="ScalingContested", message="an HPA writes the count")
    seen = replace(seen, workload=replace(seen.workload, findings=(contested,)))
    assert limited(seen, 5.0, reason) is Limiter.OTHER_WRITER
