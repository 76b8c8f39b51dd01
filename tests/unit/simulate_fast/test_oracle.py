"""The clairvoyant fleet against the work and against constant fleets."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, steady, trace_of

from v4operator.simulate.fast.fleet import Setting
from v4operator.simulate.fast.fluid import Schedule, cover, demand
from v4operator.simulate.fast.oracle import clairvoyant, run_schedule, smallest_constant
from v4operator.simulate.fast.trace import Trace

TPOT = 1 / 30
SETTING = Setting(profile=FLASH, start_up_seconds=480.0)


def hilly(seconds: float = 6000.0) -> Trace:
    """Traffic that rises from 4 to 28 requests a second and falls again, smoothly."""
    edges = np.arange(0.0, seconds, 1.0)
    rate = 16.0 - 12.0 * np.cos(2 * np.pi * edges / seconds)
    arrived = np.cumsum(rate)
    arrival = np.interp(np.arange(int(arrived[-1])), arrived, edges)
    return trace_of(arrival.tolist(), prompt=500, output=200, seconds=seconds)


def test_on_smooth_traffic_the_search_meets_the_cover_of_the_work() -> None:
    trace = hilly()

    best = clairvoyant(trace, SETTING, 0.99, start_up_seconds=0.0)

    bound = cover(demand(trace, FLASH.step, TPOT))
    assert best.result.attainment >= 0.99
    assert best.schedule.replica_hours == pytest.approx(bound.replica_hours, rel=0.03)
    work = float(demand(trace, FLASH.step, TPOT).sum()) * 300 / 3600
    assert best.replica_hours(0.0) > 0.99 * work


def test_a_start_up_time_costs_the_clairvoyant_too_and_a_constant_fleet_is_dearer() -> None:
    trace = hilly()

    best = clairvoyant(trace, SETTING, 0.99)

    constant = smallest_constant(trace, SETTING, 0.99)
    assert best.schedule.counts.max() <= constant
    assert best.replica_hours(0.0) < best.replica_hours(480.0) < 2.0 * constant
    assert best.gpu_hours(480.0) == 4 * best.replica_hours(480.0)


def test_what_a_gateway_may_drop_makes_its_optimum_no_dearer() -> None:
    trace = hilly(2400.0)
    gateway = replace(SETTING, overload="gateway", admission_limit=55)

    plain, limited = clairvoyant(trace, SETTING, 0.95), clairvoyant(trace, gateway, 0.95)

    assert limited.replica_hours(480.0) <= 1.05 * plain.replica_hours(480.0)


def test_the_frontier_says_what_a_higher_attainment_costs() -> None:
    best = clairvoyant(hilly(2400.0), SETTING, 0.95)

    assert best.replica_hours_at(0.95) <= best.replica_hours_at(0.99)
    assert best.replica_hours_at(0.95) == pytest.approx(best.replica_hours(480.0))
    with pytest.raises(ValueError, match="the frontier ends at"):
        best.replica_hours_at(1.01)


def test_a_schedule_is_followed_without_delay() -> None:
    trace = steady(20.0, 900.0)
    schedule = Schedule(counts=np.array([2, 5, 1]))

    series = run_schedule(trace, SETTING, schedule).series

    assert series.at(np.array([1.0, 301.0, 601.0]), series.ready).tolist() == [2, 5, 1]


def test_a_quota_holds_the_clairvoyant_as_well() -> None:
    trace = hilly(2400.0)

    assert clairvoyant(trace, replace(SETTING, quota=3), 0.95).schedule.counts.max() == 3
    with pytest.raises(ValueError, match="3 replicas are enough, the quota is 1"):
        clairvoyant(trace, replace(SETTING, quota=1), 0.95)


def test_an_objective_that_no_fleet_meets_is_said_to_be_so() -> None:
    trace = trace_of([0.0, 300.0], seconds=600.0)
    impossible = replace(SETTING, ttft_seconds=0.001)

    with pytest.raises(ValueError, match="no fleet of up to"):
        smallest_constant(trace, impossible, 0.99)
    with pytest.raises(ValueError, match="no fleet of up to"):
        clairvoyant(trace, impossible, 0.99)


@pytest.mark.parametrize(("rate", "replicas"), [(5.0, 1), (18.0, 2), (38.0, 4)])
def test_the_smallest_constant_fleet_is_the_work_rounded_up(rate: float, replicas: int) -> None:
    assert smallest_constant(steady(rate, 900.0), SETTING, 0.99) == replicas


def test_where_the_work_is_not_what_limits_the_search_begins_with_a_constant_fleet() -> None:
    starved = replace(FLASH, kv_capacity_tokens=6000)
    trace = steady(6.0, 1800.0, prompt=500, output=200)
    setting = replace(SETTING, profile=starved)

    best = clairvoyant(trace, setting, 0.99)

    assert cover(demand(trace, FLASH.step, TPOT)).counts.max() == 1
    assert best.result.attainment >= 0.99
    assert best.schedule.counts.max() <= smallest_constant(trace, setting, 0.99)
