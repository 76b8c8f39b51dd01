"""Who missed the objective and why."""

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, holding, steady, trace_of

from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.result import CAUSES


def test_an_empty_trace_misses_nothing_and_costs_its_time() -> None:
    result = FleetSimulation(trace_of([], seconds=3600.0), Setting(profile=FLASH)).result()

    assert (result.requests, result.attainment, result.replica_hours) == (0, 1.0, 1.0)
    assert result.attainment_worst_hour == result.attainment_worst_five_minutes == 1.0
    assert np.isnan(result.ttft.p50)
    assert result.cache_hit_ratio == 0.0


def test_misses_by_cause_add_up_to_all_misses() -> None:
    trace = steady(30.0, 600.0)
    fleet = FleetSimulation(trace, Setting(profile=holding(30_000), start_up_seconds=200.0))
    fleet.advance(100.0)
    fleet.set_desired(2)
    result = fleet.result()

    assert sum(result.misses.values()) == np.count_nonzero(result.per_request.missed)
    assert tuple(result.misses) == CAUSES
    assert min(result.misses["startup"], result.misses["queue"], result.misses["timeout"]) > 0


@pytest.mark.parametrize(
    ("prompt", "prefix", "met"),
    [(80_000, 0, True), (150_000, 0, True), (150_000, 149_000, True), (100, 0, True)],
)
def test_long_prompts_get_more_time_for_the_tokens_that_must_be_computed(
    prompt: int,
    prefix: int,
    met: bool,  # noqa: FBT001 - a table's column
) -> None:
    trace = trace_of([0.0], prompt=prompt, prefix=[prefix], seconds=60.0)
    result = FleetSimulation(trace, Setting(profile=FLASH)).result()

    assert (result.attainment == 1.0) is met


def test_a_prompt_of_16k_has_no_more_than_the_objective() -> None:
    behind = trace_of([0.0, 0.05], prompt=[160_000, 16_000], seconds=60.0)
    result = FleetSimulation(behind, Setting(profile=FLASH)).result()

    assert result.per_request.missed.tolist() == [False, True]
    assert result.misses["queue"] == 1


@pytest.mark.parametrize(("output", "missed"), [(15, 0), (16, 200)])
def test_below_sixteen_tokens_only_the_first_one_counts(output: int, missed: int) -> None:
    trace = trace_of([0.0] * 200, prompt=10, output=output, seconds=10.0)
    result = FleetSimulation(trace, Setting(profile=FLASH)).result()

    assert np.count_nonzero(result.per_request.missed) == missed


def test_the_worst_hour_and_five_minutes_are_where_the_misses_are() -> None:
    calm = steady(1.0, 7200.0)
    busy = steady(40.0, 300.0)
    arrival = np.sort(np.concatenate((calm.arrival, busy.arrival + 3600.0)))
    trace = trace_of(arrival.tolist(), prompt=500, output=200, seconds=7200.0)
    result = FleetSimulation(trace, Setting(profile=FLASH)).result()

    assert result.attainment_worst_five_minutes < 0.05
    assert 0.1 < result.attainment_worst_hour < 0.5
    assert result.attainment_worst_hour < result.attainment


def test_the_series_says_how_many_replicas_there_were_when() -> None:
    trace = trace_of([], seconds=3000.0)
    setting = Setting(profile=FLASH, start_up_seconds=500.0, start_up_spread=0.0)
    fleet = FleetSimulation(trace, setting)
    fleet.advance(1000.0)
    fleet.set_desired(3)
    series = fleet.result().series
    times = np.array([0.0, 999.0, 1000.0, 1499.0, 1501.0])

    assert series.at(times, series.ready).tolist() == [1, 1, 1, 1, 3]
    assert series.at(times, series.billed).tolist() == [1, 1, 3, 3, 3]
    assert series.at(times, series.desired).tolist() == [1, 1, 3, 3, 3]
    assert series.at(times, series.starting).tolist() == [0, 0, 2, 2, 0]


def test_a_result_is_made_once() -> None:
    fleet = FleetSimulation(steady(1.0, 60.0), Setting(profile=FLASH))

    assert fleet.result() is fleet.result()


def test_a_miss_of_a_retracted_request_is_named_so() -> None:
    trace = trace_of([0.0] * 40, prompt=400, output=400, seconds=120.0)
    result = FleetSimulation(trace, Setting(profile=holding(8000))).result()

    assert result.misses["retraction"] > 0
