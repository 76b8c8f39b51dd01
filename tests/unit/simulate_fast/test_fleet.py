"""How replicas of a simulated fleet come, go, are billed and are seen."""

import math
from typing import Any, Literal

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, holding, names, phases, steady, trace_of

from v4operator.simulate.fast.fleet import Blind, FleetSimulation, Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import Truth

QUIET = trace_of([], seconds=7200.0)


def fleet_of(trace: Trace = QUIET, **fields: Any) -> FleetSimulation:
    return FleetSimulation(trace, Setting(profile=FLASH, start_up_spread=0.0, **fields))


def test_a_new_replica_loads_for_the_start_up_time_and_then_serves() -> None:
    fleet = fleet_of(start_up_seconds=480.0)
    fleet.advance(100.0)
    fleet.set_desired(2)

    assert phases(fleet) == ["ready", "starting"]
    fleet.advance(579.9)
    assert phases(fleet) == ["ready", "starting"]
    fleet.advance(580.0)
    assert phases(fleet) == ["ready", "ready"]
    assert fleet.metrics()[1].ready_at == 580.0
    assert fleet.metrics()[1].created_at == 100.0


def test_a_loading_engine_gives_no_figures_and_one_that_warms_up_gives_zeros() -> None:
    fleet = fleet_of(start_up_seconds=480.0)
    fleet.set_desired(2)

    fleet.advance(470.0)
    loading = fleet.metrics()[1]
    fleet.advance(478.0)
    warming = fleet.metrics()[1]

    assert not loading.answered
    assert math.isnan(loading.running)
    assert warming.answered
    assert (warming.phase, warming.running) == ("starting", 0.0)


def test_start_up_times_spread_by_seed_and_ordinal_around_their_mean() -> None:
    def ready_times(seed: int) -> list[float | None]:
        setting = Setting(profile=FLASH, start_up_seconds=480.0, start_up_spread=0.2, seed=seed)
        fleet = FleetSimulation(QUIET, setting)
        fleet.set_desired(60)
        fleet.advance(3000.0)
        return [replica.ready_at for replica in fleet.metrics()[1:]]

    first = np.array(ready_times(1), np.float64)

    assert ready_times(1) == first.tolist()
    assert ready_times(2) != first.tolist()
    assert first.mean() == pytest.approx(480.0, rel=0.08)
    assert first.std() / first.mean() == pytest.approx(0.2, abs=0.06)


def test_devices_are_billed_from_placement_to_release() -> None:
    fleet = fleet_of(start_up_seconds=600.0)
    fleet.advance(1200.0)
    fleet.set_desired(2)
    fleet.advance(4800.0)
    fleet.set_desired(1)

    result = fleet.result()

    assert result.replica_hours == pytest.approx(2.0 + 1.0)
    assert result.gpu_hours == pytest.approx(4 * 3.0)
    assert result.loading_hours == pytest.approx(4 * 600.0 / 3600.0)
    assert result.idle_hours == pytest.approx(4 * (3.0 - 1.0 / 6.0))


def test_what_the_quota_does_not_hold_stays_pending_and_costs_nothing() -> None:
    fleet = fleet_of(quota=2, start_up_seconds=300.0)
    fleet.set_desired(4)
    fleet.advance(900.0)

    assert phases(fleet) == ["ready", "ready", "pending", "pending"]
    fleet.set_desired(3)
    assert names(fleet) == ["replica-0", "replica-1", "replica-2"]
    fleet.set_desired(2)
    fleet.advance(1000.0)
    fleet.set_desired(1)
    fleet.set_desired(2)
    assert phases(fleet) == ["ready", "starting"]
    assert fleet.result().replica_hours == pytest.approx(4.0)


def test_surplus_takes_what_is_not_ready_then_the_victim_then_the_youngest() -> None:
    fleet = fleet_of(initial_replicas=4, start_up_seconds=300.0)
    fleet.set_desired(5)

    fleet.set_desired(3, victim="replica-1")

    assert names(fleet) == ["replica-0", "replica-2", "replica-3"]
    fleet.set_desired(2)
    assert names(fleet) == ["replica-0", "replica-2"]


def test_a_removed_replica_finishes_what_it_runs_and_takes_nothing_new() -> None:
    trace = trace_of([0.0, 0.0, 6.0, 6.0, 6.0], output=8000, seconds=600.0)
    fleet = fleet_of(trace, initial_replicas=2)
    fleet.advance(5.0)
    fleet.set_desired(1)
    fleet.advance(7.0)

    seen = {replica.name: replica for replica in fleet.metrics()}
    assert (seen["replica-1"].phase, seen["replica-1"].running) == ("draining", 1.0)
    assert seen["replica-0"].running == 4.0
    result = fleet.result()
    assert result.misses["cut"] == 0
    assert result.draining_hours > 0


def test_a_drain_that_takes_too_long_cuts_what_still_runs() -> None:
    trace = trace_of([0.0, 0.0], output=20_000, seconds=600.0)
    fleet = fleet_of(trace, initial_replicas=2, drain_seconds=10.0)
    fleet.advance(5.0)
    fleet.set_desired(1)
    fleet.advance(15.0)

    assert names(fleet) == ["replica-0"]
    assert fleet.result().misses["cut"] == 1


def test_a_failed_start_loads_again_and_is_billed_all_the_time() -> None:
    setting = Setting(
        profile=FLASH, start_up_seconds=100.0, start_up_spread=0.0, failed_starts=0.5, seed=3
    )
    fleet = FleetSimulation(QUIET, setting)
    fleet.set_desired(9)
    fleet.advance(5000.0)
    started = fleet.metrics()[1:]

    assert sum(replica.restarts for replica in started) >= 3
    for replica in started:
        assert replica.ready_at == pytest.approx(100.0 * (1 + replica.restarts))


def test_a_replica_out_of_routing_gets_nothing_until_it_is_back() -> None:
    fleet = fleet_of(steady(2.0, 100.0), initial_replicas=2)
    fleet.set_routable("replica-1", routable=False)
    fleet.advance(50.0)
    outside = fleet.metrics()[1]
    fleet.set_routable("replica-1", routable=True)
    fleet.set_routable("replica-7", routable=True)
    fleet.advance(90.0)

    assert (outside.routable, outside.first_tokens_total) == (False, 0.0)
    assert fleet.metrics()[1].first_tokens_total > 0


def test_without_any_replica_requests_wait_for_the_first_one_or_give_up() -> None:
    fleet = fleet_of(
        trace_of([0.0, 100.0], seconds=400.0), initial_replicas=0, start_up_seconds=150.0
    )
    fleet.set_desired(1)
    fleet.advance(110.0)

    assert fleet.gateway().queued == 2
    result = fleet.result()
    assert result.misses == {"timeout": 1, "cut": 0, "retraction": 0, "startup": 1, "queue": 0}


def test_how_often_time_is_advanced_changes_nothing() -> None:
    def run(step: float) -> list[float]:
        fleet = FleetSimulation(
            steady(6.0, 900.0), Setting(profile=FLASH, truth=Truth(noise=0.1), seed=4)
        )
        now = 0.0
        while now < 900.0:
            now = min(900.0, now + step)
            fleet.advance(now)
            fleet.metrics()
            fleet.gateway()
            if now == 300.0:
                fleet.set_desired(3)
        fleet.result()
        ended: list[float] = fleet._state.requests.ended.tolist()
        return ended

    assert run(300.0) == run(2.5)


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    def day(seed: int) -> float:
        setting = Setting(profile=FLASH, truth=Truth(noise=0.1), seed=seed)
        fleet = FleetSimulation(steady(6.0, 600.0), setting)
        fleet.set_desired(2)
        return fleet.result().tpot.p95

    assert day(1) == day(1)
    assert day(1) != day(2)


def test_more_replicas_than_there_was_room_for_are_simulated_all_the_same() -> None:
    trace = steady(40.0, 300.0)
    fleet = fleet_of(trace, start_up_seconds=0.0)
    fleet.set_desired(40)
    result = fleet.result()

    served = [replica.first_tokens_total for replica in fleet.metrics()]
    assert len(served) == 40
    assert min(served) > 0
    assert sum(served) == len(trace)
    assert result.attainment == 1.0


@pytest.mark.parametrize("count", [-1, -7])
def test_a_negative_count_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"found {count}"):
        fleet_of().set_desired(count)


# What a scrape sees


def test_a_scrape_shows_gauges_and_counters_of_the_moment() -> None:
    fleet = fleet_of(trace_of([0.0, 0.0], prompt=1000, output=500, seconds=60.0))
    fleet.advance(1.0)
    seen = fleet.metrics()[0]
    steps = seen.decode_tokens_total / 2

    assert (seen.running, seen.waiting) == (2.0, 0.0)
    assert (seen.first_tokens_total, seen.prompt_tokens_total) == (2.0, 2000.0)
    assert seen.prefill_tokens_total == 2000.0
    assert 100 < steps < 400
    assert seen.resident_tokens == 2000.0 + 2 * steps
    assert seen.kv_usage_ratio == seen.resident_tokens / FLASH.kv_capacity_tokens
    assert (seen.finished_total, seen.finished_decode_tokens_total) == (0.0, 0.0)


def test_finished_requests_count_with_their_whole_answer() -> None:
    fleet = fleet_of(trace_of([0.0, 0.0], output=[30, 40], seconds=60.0))
    fleet.advance(30.0)
    seen = fleet.metrics()[0]

    assert (seen.finished_total, seen.finished_decode_tokens_total) == (2.0, 70.0)
    assert seen.decode_tokens_total == 68.0


def test_stale_gauges_lag_while_counters_move() -> None:
    fleet = fleet_of(
        trace_of([0.0, 12.0], output=30_000, seconds=60.0), truth=Truth(stale_gauge_seconds=30.0)
    )
    fleet.advance(10.0)
    early = fleet.metrics()[0]
    fleet.advance(20.0)
    late = fleet.metrics()[0]
    fleet.advance(41.0)

    assert (early.running, late.running) == (1.0, 1.0)
    assert late.decode_tokens_total > early.decode_tokens_total
    assert fleet.metrics()[0].running == 2.0


@pytest.mark.parametrize(
    ("kind", "answered", "running"),
    [("missing", False, math.nan), ("stale", True, 1.0)],
)
def test_a_blind_spell_hides_one_replica(
    kind: Literal["missing", "stale"],
    answered: bool,  # noqa: FBT001 - a table's column
    running: float,
) -> None:
    blind = Blind(begin=20.0, end=40.0, kind=kind, ordinal=0)
    trace = trace_of([0.0, 0.0, 12.0, 13.0, 14.0, 15.0], output=30_000, seconds=90.0)
    fleet = fleet_of(trace, initial_replicas=2, blind=(blind,))
    fleet.advance(10.0)
    fleet.metrics()
    fleet.advance(30.0)
    hidden, other = fleet.metrics()
    fleet.advance(45.0)

    assert hidden.answered is answered
    assert hidden.running == pytest.approx(running, nan_ok=True)
    assert (hidden.phase, other.running) == ("ready", 3.0)
    assert fleet.metrics()[0].running == 3.0


def test_a_full_pool_gives_back_the_youngest_and_shows_it() -> None:
    fleet = FleetSimulation(
        trace_of([0.0, 0.1, 0.2, 0.3], prompt=400, output=400, seconds=60.0),
        Setting(profile=holding(2200)),
    )
    result = fleet.result()

    assert fleet.metrics()[0].retractions_total > 0
    assert result.requests == 4
    assert (fleet._state.requests.output == 400).all()
    assert fleet._state.replicas[0].finished == 4
