"""A shrink from the choice of the victim to its release, and every way in which it is undone."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import START, WINDOW, World, demand, reading, replica, scaling, settled, silent

from v4operator.model.deployment import ScalingMode
from v4operator.model.hbm import Finding
from v4operator.model.memory import Drain, PolicyMemory
from v4operator.model.observation import ReplicaObservation
from v4operator.model.replica import Phase
from v4operator.model.verdict import Action


def shrinking(count: int = 4, need: int = 2, **changes: object) -> World:
    """A fleet that has needed less for two windows and begins to drain at its next step."""
    world = World.of_size(count, demand=demand(float(need)), memory=settled(count, need))
    for index, r in enumerate(world.replicas):
        world.change(r.replica.name, reading=reading(running_requests=float(3 + index)))
    for name, value in changes.items():
        setattr(world, name, value)
    return world


def victim(world: World, name: str = "flash-0") -> ReplicaObservation:
    return next(r for r in world.replicas if r.replica.name == name)


def test_the_least_loaded_replica_leaves_routing_finishes_and_only_then_the_count_falls() -> None:
    world = shrinking()
    first = world.step()
    assert (first.action, first.desired, first.drain, first.release) == (
        Action.SHRINK,
        3,
        "flash-0",
        False,
    )
    assert not victim(world).replica.routable
    waiting = world.step()
    assert (waiting.reason, world.desired) == ("Draining", 4)
    decisions = world.run(20)
    assert [d.reason for d in decisions if d.release] == ["Drained"]
    assert world.desired == 3
    assert "flash-0" not in {r.replica.name for r in world.replicas}


def test_an_empty_victim_is_not_released_on_a_sample_taken_before_it_left_routing() -> None:
    world = shrinking()
    world.change("flash-0", reading=reading(running_requests=0.0), age_seconds=14.0)
    assert world.step().reason == "DemandFell"
    assert [world.step().reason for _ in range(3)] == ["Draining"] * 3
    assert world.step().reason == "Drained"


def test_a_victim_that_never_empties_goes_at_the_time_out() -> None:
    world = shrinking()
    world.change("flash-0", reading=reading(running_requests=10_000.0))
    for other in ("flash-1", "flash-2", "flash-3"):
        world.change(other, reading=reading(running_requests=20_000.0))
    decisions = world.run(400)
    released = [d for d in decisions if d.release]
    assert [d.reason for d in released] == ["DrainTimedOut"]
    assert released[0].time - START >= 300.0
    assert "flash-0 still runs 9940 requests after 5 min" in released[0].sentence


def test_a_victim_that_falls_silent_is_waited_for_until_the_time_out() -> None:
    world = shrinking(count=5)
    world.step()
    world.change("flash-0", fresh=False, unknown="timed out", age_seconds=90.0)
    decisions = world.run(320)
    released = [d for d in decisions if d.release]
    assert [d.reason for d in released] == ["DrainTimedOut"]
    assert "an unknown number of requests" in released[0].sentence


def test_a_victim_that_could_not_be_taken_out_of_routing_is_not_taken_for_drained() -> None:
    world = shrinking()
    world.step()
    back = replace(victim(world).replica, routable=True)
    world.change("flash-0", replica=back, reading=reading(running_requests=0.0))
    world.now += 60.0
    decision = world.step()
    assert (decision.reason, decision.release) == ("Draining", False)
    assert not victim(world).replica.routable


def test_demand_that_rises_while_the_victim_drains_puts_it_back_instead_of_starting_another() -> (
    None
):
    world = shrinking()
    world.step()
    world.demand = demand(3.5)
    decision = world.step()
    assert (decision.reason, decision.restore, decision.desired) == ("NeededAgain", "flash-0", 4)
    assert victim(world).replica.routable
    assert world.memory.drain is None


def test_demand_that_rises_further_puts_the_victim_back_and_grows_in_the_same_cycle() -> None:
    world = shrinking()
    world.step()
    world.demand = demand(5.5)
    decision = world.step()
    assert (decision.action, decision.restore, world.desired) == (Action.GROW, "flash-0", 6)
    assert victim(world).replica.routable


def test_blindness_puts_the_victim_back_and_nothing_goes() -> None:
    world = shrinking()
    world.step()
    seen = victim(world)
    world.replicas = [seen, *(silent(f"flash-{index}") for index in (1, 2, 3))]
    decision = world.step()
    assert (decision.reason, decision.restore) == ("NeededAgain", "flash-0")
    assert world.desired == 4


def test_a_survivor_that_falls_sick_while_the_victim_drains_puts_it_back() -> None:
    world = shrinking(count=3, need=2, demand=demand(1.7))
    world.step()
    world.speeds = {"flash-1": 0.5}
    decision = world.step()
    assert decision.restore == "flash-0"
    assert "the others carry 1.5 of 1.7" in decision.sentence


def test_a_replica_that_crashes_meanwhile_goes_instead_and_the_victim_serves_again() -> None:
    world = shrinking()
    world.step()
    crashed = replica("flash-3", Phase.CRASHED, reason="exited with 137")
    world.change("flash-3", replica=crashed, fresh=False)
    assert world.step().restore == "flash-0"
    decision = world.step()
    assert (decision.drain, decision.release, decision.reason) == ("flash-3", True, "NotServing")
    assert {r.replica.name for r in world.replicas} == {"flash-0", "flash-1", "flash-2"}


def test_a_victim_whose_drain_nobody_remembers_is_put_back_after_a_restart() -> None:
    world = shrinking()
    world.step()
    world.memory = PolicyMemory()
    decision = world.step()
    assert (decision.reason, decision.restore) == ("FoundUnroutable", "flash-0")
    assert "finish the drain of flash-0" in (decision.alternative or "")
    assert victim(world).replica.routable


def test_pausing_in_the_middle_of_a_drain_puts_the_victim_back() -> None:
    world = shrinking()
    world.step()
    world.of = {"scaling": scaling(paused=True)}
    assert world.step().restore == "flash-0"
    assert world.step().reason == "Paused"
    assert world.desired == 4


def test_a_contest_that_is_lost_in_the_middle_of_a_drain_puts_the_victim_back() -> None:
    world = shrinking()
    world.step()
    lost = Finding(reason="ScalingContested", message="an HPA writes the count")
    world.of = {"findings": (lost,)}
    assert world.step().restore == "flash-0"
    assert victim(world).replica.routable
    decision = world.step()
    assert (decision.reason, decision.restore, world.desired) == ("ScalingContested", None, 4)


HANDS_OFF: dict[str, dict[str, Any]] = {
    "contested": {"findings": (Finding(reason="ScalingContested", message="an HPA writes"),)},
    "paused": {"scaling": scaling(paused=True)},
    "disabled": {"scaling": scaling(mode=ScalingMode.DISABLED)},
    "recommend": {"scaling": scaling(mode=ScalingMode.RECOMMEND)},
}


@pytest.mark.parametrize("of", HANDS_OFF.values(), ids=HANDS_OFF)
def test_a_victim_of_a_predecessor_is_put_back_where_the_count_is_nobody_s_here(
    of: dict[str, Any],
) -> None:
    world = shrinking()
    world.step()
    world.memory, world.of = PolicyMemory(), of
    assert world.step().restore == "flash-0"
    assert victim(world).replica.routable
    assert (world.step().restore, world.desired) == (None, 4)


def test_a_contest_that_is_lost_by_a_changed_count_puts_the_victim_back() -> None:
    world = shrinking()
    world.step()
    world.desired, world.of = 5, HANDS_OFF["contested"]
    decision = world.step()
    assert (decision.reason, decision.restore) == ("ScalingContested", "flash-0")
    assert victim(world).replica.routable


def test_a_count_that_somebody_else_changed_ends_the_drain() -> None:
    world = shrinking()
    world.step()
    world.desired = 5
    decision = world.step()
    assert (decision.reason, decision.restore) == ("FoundUnroutable", "flash-0")


def test_a_released_victim_that_is_still_listed_is_leaving_and_is_not_put_back() -> None:
    world = shrinking()
    world.step()
    world.desired = 3
    decision = world.step()
    assert decision.restore is None
    assert {i.name: i.value for i in decision.inputs}["serving"] == 3


def test_the_last_replica_that_takes_requests_never_drains() -> None:
    world = World.of_size(1, demand=demand(0.0), memory=settled(1, 0))
    world.of = {"scaling": scaling(min_replicas=0)}
    world.run(2 * WINDOW)
    assert world.desired == 1
    assert [v.reason for v in world.decisions[-1].vetoes] == ["LastRoutable"]


def test_a_drain_of_the_only_replica_is_undone_whatever_is_remembered() -> None:
    world = World.of_size(1, demand=demand(0.0), of={"scaling": scaling(min_replicas=0)})
    world.memory = replace(settled(1, 0), drain=Drain(victim="flash-0", since=START, count=1))
    decision = world.step()
    assert decision.restore == "flash-0"
    assert "no other replica is known to take requests" in decision.sentence


def test_a_lowered_maximum_is_reached_one_drain_at_a_time_without_waiting_for_the_window() -> None:
    world = World.of_size(4, demand=demand(3.9), of={"scaling": scaling(max_replicas=2)})
    world.run(300)
    assert world.desired == 2
    assert world.counts[0] == 4
    assert 3 in world.counts
    assert world.decisions[-1].vetoes[0].reason == "AtMaximum"


def test_recommend_says_the_number_and_touches_nothing() -> None:
    world = shrinking(of={"scaling": scaling(mode=ScalingMode.RECOMMEND)})
    decision = world.step()
    assert (decision.desired, decision.wanted, decision.drain) == (4, 3, None)
    assert decision.sentence.startswith("recommend 3, now 4: demand 2.0 replicas now")
    assert all(r.replica.routable for r in world.replicas)


def test_a_silent_replica_is_no_victim_and_lends_nothing() -> None:
    world = World.of_size(4, demand=demand(3.0, silent_replicas=1), memory=settled(4, 3))
    world.replicas[3] = silent("flash-3")
    decision = world.step()
    assert decision.action is Action.HOLD
    assert [v.reason for v in decision.vetoes] == ["SurvivorsTooSmall"]
    world.demand = demand(2.4, silent_replicas=1)
    assert world.step().drain in {"flash-0", "flash-1", "flash-2"}


def test_the_survivors_must_carry_the_moved_load_with_cold_caches() -> None:
    world = World.of_size(2, demand=demand(0.9), memory=settled(2, 1))
    decision = world.step()
    assert decision.sentence == (
        "hold at 2: demand 0.9 replicas now, 0.9 in 8 min; without flash-0 the load would be 1.1,"
        " cold caches included, on the capacity of 1.0 replica"
    )
    assert decision.alternative is not None
    world.demand = demand(0.8)
    assert world.step().action is Action.SHRINK


def test_a_victim_that_left_by_itself_is_forgotten() -> None:
    world = shrinking()
    world.step()
    gone = victim(world)
    world.replicas = [r for r in world.replicas if r is not gone]
    ending = replace(gone, replica=replace(gone.replica, phase=Phase.DRAINING))
    world.replicas.append(ending)
    world.step()
    assert world.memory.drain is None
