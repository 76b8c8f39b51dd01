"""The work alone, as replicas."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, steady, trace_of

from v4operator.simulate.fast.fluid import Schedule, cover, demand

LAW = FLASH.step
TPOT = 1 / 30
SHARE = 1 - LAW.base_seconds / TPOT


def test_the_demand_of_steady_traffic_is_its_work_a_second() -> None:
    trace = steady(20.0, 3600.0, prompt=500, output=200)

    wanted = demand(trace, LAW, TPOT)

    work = 20.0 * (200 * LAW.per_sequence_seconds + 500 * LAW.per_prefill_token_seconds)
    assert len(wanted) == 12
    assert wanted[1:].tolist() == pytest.approx([work / SHARE] * 11, rel=1e-3)


def test_a_long_answer_is_due_over_the_time_that_it_takes() -> None:
    trace = trace_of(
        [0.0], prompt=1, output=18_000, seconds=900.0
    )  # 600 s at one token each 1/30 s

    wanted = demand(trace, LAW, TPOT)

    each = 30 * LAW.per_sequence_seconds / SHARE
    prefill = LAW.per_prefill_token_seconds / SHARE / 300
    assert wanted.tolist() == pytest.approx([each + prefill, each, 0.0], abs=1e-9)


def test_cached_tokens_are_no_work() -> None:
    plain = trace_of([0.0], prompt=10_000, output=1)
    cached = replace(plain, prefix=np.array([9000]))

    ratio = demand(cached, LAW, TPOT) / demand(plain, LAW, TPOT)

    assert ratio[0] == pytest.approx(0.1, rel=0.02)


def test_an_objective_below_the_base_of_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        demand(steady(1.0, 10.0), LAW, 0.002)


@pytest.mark.parametrize(
    ("wanted", "counts"), [([0.0, 0.3], [1, 1]), ([1.0, 1.01, 2.0], [1, 2, 2])]
)
def test_the_cover_is_whole_and_at_least_one(wanted: list[float], counts: list[int]) -> None:
    assert cover(np.array(wanted)).counts.tolist() == counts


# Slots of 300 s; with a start-up of 480 s a gap of one slot is bridged (300 s), a longer one is
# another start.
@pytest.mark.parametrize(
    ("counts", "seconds"),
    [
        ([2, 2, 2], 0),
        ([1, 2, 2], 480),
        ([2, 1, 2], 300),
        ([2, 1, 1, 2], 480),
        ([1, 3, 1, 2], 480 + 480 + 300),
        ([0, 0, 1], 480),
        ([], 0),
    ],
    ids=["flat", "rise", "gap", "long gap", "two levels", "from zero", "empty"],
)
def test_starts_cost_their_time_or_the_gap(counts: list[int], seconds: float) -> None:
    schedule = Schedule(counts=np.array(counts, np.int64))

    assert schedule.start_hours(480.0) * 3600 == pytest.approx(seconds)
    assert schedule.start_hours(0.0) == 0.0


def test_bridging_fills_what_is_not_worth_a_start_and_costs_the_same() -> None:
    schedule = Schedule(counts=np.array([3, 1, 3, 1, 1, 2, 4, 2, 4], np.int64))
    bridged = schedule.bridged(480.0)

    assert bridged.counts.tolist() == [3, 3, 3, 1, 1, 2, 4, 4, 4]
    whole = schedule.replica_hours + schedule.start_hours(480.0)
    assert bridged.replica_hours + bridged.start_hours(480.0) == pytest.approx(whole)
