"""The traps that other autoscalers fall into, each as a story with a perfect plant."""

from itertools import pairwise

import pytest
from tests.fleets import START, WINDOW, World, demand, observed, reading, replica, scaling, silent

from v4operator.model.replica import Phase
from v4operator.model.verdict import Action


def test_missing_metrics_are_not_zero_load_and_never_lower_the_count() -> None:
    world = World.of_size(4, demand=demand(3.5))
    world.run(2 * WINDOW)
    world.replicas = [silent(r.replica.name) for r in world.replicas]
    world.demand = demand(0.0, computable=False, reason="no fresh replica")
    world.run(4 * WINDOW)
    assert set(world.counts) == {4}
    assert "none of 4 ready replicas has fresh metrics" in world.decisions[-1].sentence


def test_an_idle_service_shrinks_to_its_minimum() -> None:
    world = World.of_size(4, demand=demand(0.0), of={"scaling": scaling(min_replicas=2)})
    for r in world.replicas:
        world.change(r.replica.name, reading=reading(running_requests=0.0))
    world.run(4 * WINDOW)
    assert world.desired == 2
    assert {e.reason for e in world.decisions[-1].vetoes} == {"AtMinimum"}


@pytest.mark.parametrize("count", [11, 20, 50])
def test_one_more_replica_takes_effect_above_ten_as_it_does_below(count: int) -> None:
    world = World.of_size(count, demand=demand(count + 0.1))
    world.step()
    assert world.desired == count + 1


def test_the_highest_need_of_the_window_holds_not_the_lowest() -> None:
    world = World.of_size(4, demand=demand(3.9))
    world.run(2 * WINDOW)
    world.demand = demand(1.2)
    world.run(WINDOW - 60)
    assert world.desired == 4
    assert world.decisions[-1].vetoes[0].reason == "ShrinkWindow"
    world.run(240)
    assert world.desired == 3


def test_with_one_unschedulable_replica_shrinking_still_works_and_takes_it_first() -> None:
    world = World.of_size(4, demand=demand(4.6), quota=4)
    world.run(2 * WINDOW)
    assert world.desired == 5
    assert "no nvidia.com/gpu free" in world.decisions[-1].sentence
    world.demand = demand(2.5)
    decisions = world.run(2 * WINDOW)
    gone = [d.drain for d in decisions if d.action is Action.SHRINK and d.release]
    assert gone[0] == "new-1"
    assert world.desired == 3


def test_an_unschedulable_replica_bounds_what_is_asked_for() -> None:
    world = World.of_size(4, demand=demand(4.6), quota=4)
    world.run(600)
    world.demand = demand(9.0)
    world.run(1200)
    assert world.desired == 5
    assert world.decisions[-1].vetoes[0].reason == "WaitingForCapacity"
    assert world.decisions[-1].alternative == (
        "grow to 9: new-1 is unschedulable: no nvidia.com/gpu free"
    )


def test_a_crash_loop_never_raises_the_count() -> None:
    world = World.of_size(3, demand=demand(2.8))
    broken = replica("flash-2", Phase.CRASHED, reason="exited with 1")
    world.change("flash-2", replica=broken, fresh=False, unknown="connection refused")
    world.run(2 * WINDOW)
    assert set(world.counts) == {3}
    assert "flash-2 is crashed: exited with 1" in world.decisions[-1].sentence


def test_a_start_under_way_is_not_asked_for_a_second_time() -> None:
    world = World.of_size(2, demand=demand(2.5, 4.5))
    world.run(400)
    assert set(world.counts) == {5}
    world.run(600)
    assert set(world.counts) == {5}


def test_a_start_three_times_as_long_as_learned_no_longer_counts_as_capacity_to_come() -> None:
    world = World.of_size(2, demand=demand(2.5), start_up=1e9)
    world.run(300)
    assert world.desired == 3
    world.demand = demand(3.5)
    world.run(1200)
    assert world.decisions[-1].vetoes[0].message == "new-1 is overdue: no reason given"


def test_the_recommendation_at_n_is_n_at_rest() -> None:
    world = World.of_size(6, demand=demand(5.5))
    world.run(4 * WINDOW)
    assert set(world.counts) == {6}


def test_doubling_the_replicas_at_equal_load_does_not_change_the_need() -> None:
    needs = []
    for count in (4, 8):
        world = World.of_size(count, demand=demand(3.5))
        needs.append(world.step().wanted)
    assert needs == [4, 4]


def test_nothing_shrinks_within_one_window_of_a_restart() -> None:
    world = World.of_size(5, demand=demand(1.5))
    world.run(WINDOW - 5)
    assert set(world.counts) == {5}
    assert world.decisions[-1].vetoes[0].reason == "RestartGuard"
    world.run(160)
    assert world.desired == 4


def test_every_serving_replica_that_goes_has_its_own_part_of_the_window() -> None:
    world = World.of_size(6, demand=demand(1.5))
    for r in world.replicas:
        world.change(r.replica.name, reading=reading(running_requests=0.0))
    world.run(3 * WINDOW)
    shrunk = [d.time for d in world.decisions if d.action is Action.SHRINK and d.release]
    assert len(shrunk) == 4
    assert min(b - a for a, b in pairwise(shrunk)) >= WINDOW / 4


def test_a_needless_start_is_cancelled_before_a_serving_replica_is_drained() -> None:
    world = World.of_size(3, demand=demand(2.5), start_up=1e9)
    late = observed(replica("flash-3", Phase.STARTING, created_at=START + WINDOW))
    world.replicas.append(late)
    world.desired = 4
    decisions = world.run(WINDOW + 60)
    assert [d.drain for d in decisions if d.action is Action.SHRINK] == ["flash-3"]
    assert decisions[-1].reason == "AtRest"


def test_a_sick_replica_counts_at_what_it_does_and_is_not_killed() -> None:
    world = World.of_size(4, demand=demand(3.7), speeds={"flash-1": 0.5})
    decision = world.step()
    assert (decision.action, decision.desired) == (Action.GROW, 5)
    assert {i.name: i.value for i in decision.inputs}["speed of flash-1"] == 0.5
    world.run(3 * WINDOW)
    assert "flash-1" in {r.replica.name for r in world.replicas}


def test_an_outage_of_the_metrics_has_to_be_followed_by_a_whole_window_of_sight() -> None:
    world = World.of_size(4, demand=demand(3.5))
    world.run(2 * WINDOW)
    seen = list(world.replicas)
    world.replicas = [silent(r.replica.name) for r in seen]
    world.run(WINDOW)
    world.replicas, world.demand = seen, demand(1.2)
    world.run(WINDOW - 200)
    assert set(world.counts) == {4}
    assert world.decisions[-1].vetoes[0].reason == "WindowHasHoles"


def test_a_window_of_a_few_cycles_has_no_holes_between_them() -> None:
    short = scaling(shrink_window_seconds=12.0)
    world = World.of_size(4, demand=demand(3.5), of={"scaling": short})
    world.run(60)
    world.demand = demand(1.2)
    world.run(120)
    assert world.desired < 4


def test_demand_that_triples_over_twenty_minutes_is_met_before_it_arrives() -> None:
    world = World.of_size(2, demand=demand(1.5))
    short: list[float] = []
    ramp = [1.5] * 100 + [1.5 + 3.0 * minute / 240 for minute in range(241)] + [4.5] * 100
    for level, ahead in zip(ramp, ramp[98:] + [4.5] * 98, strict=True):
        ready = sum(r.replica.phase is Phase.READY for r in world.replicas)
        short.append(level - ready)
        world.demand = demand(level, ahead)
        world.step()
    assert world.desired == 5
    assert max(short) <= 0.0
