"""The step model against published measurements (simulation study, 2.3) and against itself."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, steady, trace_of

from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.kernel.layout import FINISHED, Rows
from v4operator.simulate.fast.result import Result
from v4operator.simulate.profiles import PROFILES, ReplicaProfile

PROMPT, OUTPUT = 8192, 1024
PATIENT = math.inf


def closed_loop(profile: ReplicaProfile, clients: int, *, rounds: int = 4) -> FleetSimulation:
    """A backlog from which a new request starts whenever one ends: `clients` run all the time."""
    trace = trace_of([0.0] * (clients * rounds), prompt=PROMPT, output=OUTPUT)
    limited = replace(profile, max_running=clients, client_timeout_seconds=PATIENT)
    fleet = FleetSimulation(trace, Setting(profile=limited))
    fleet.result()
    return fleet


def told(fleet: FleetSimulation) -> Result:
    return fleet.result()


# SGLang cookbook v0.5.15, V4-Flash FP8 on 4 x H200; running requests by Little's law from its
# throughput. The last concurrency is queued, so it repeats the batch of the one before.
@pytest.mark.parametrize(
    ("running", "measured_ms"),
    [(1, 3.28), (13, 8.99), (57, 41.3), (127, 83.5), (256, 148.0), (256, 147.1)],
    ids=["c1", "c16", "c64", "c256", "c1024", "c4096"],
)
def test_published_tpot_is_met_within_a_fifth(running: int, measured_ms: float) -> None:
    tpot = told(closed_loop(FLASH, running)).tpot.p50

    assert tpot * 1e3 == pytest.approx(measured_ms, rel=0.20)


def test_saturated_throughput_is_within_a_tenth_of_the_published() -> None:
    fleet = closed_loop(FLASH, 256, rounds=6)
    ended = fleet._state.requests.ended.max()

    tokens = len(fleet._trace) * (PROMPT + OUTPUT)

    assert tokens / ended == pytest.approx(4 * 3958, rel=0.10)


def test_a_lone_request_sees_the_published_time_to_first_token() -> None:
    result = told(closed_loop(FLASH, 1, rounds=1))

    assert result.ttft.p50 == pytest.approx(0.178, rel=0.15)


@pytest.mark.parametrize("waiting", [120, 240, 640])
def test_the_starved_pro_replica_runs_13_to_16_whatever_the_load(waiting: int) -> None:
    starved = replace(PROFILES["pro-fp4-8xh200"], client_timeout_seconds=PATIENT)
    fleet = FleetSimulation(
        trace_of([0.0] * waiting, prompt=PROMPT, output=OUTPUT), Setting(profile=starved)
    )
    seen = []
    for second in range(60, 180, 20):
        fleet.advance(float(second))
        seen.append(fleet.metrics()[0].running)

    assert 13 <= np.mean(seen) <= 16


def test_time_to_first_token_grows_without_bound_above_saturation() -> None:
    capacity = 1.6 / 1.024  # requests a second of 8k/1k at the objective
    patient = replace(FLASH, client_timeout_seconds=PATIENT)
    trace = steady(3 * capacity, 600.0, prompt=PROMPT, output=OUTPUT)
    ttft = FleetSimulation(trace, Setting(profile=patient)).result().per_request.ttft
    third = len(ttft) // 3

    early, middle, late = (float(np.median(part)) for part in np.split(ttft[: 3 * third], 3))

    assert late - middle > 60.0
    assert middle - early > 60.0


def test_busy_time_is_the_sum_of_what_the_law_says_of_each_part() -> None:
    without_context = replace(
        FLASH,
        prefill_context_tokens=math.inf,
        step=replace(FLASH.step, per_kv_token_seconds=0.0),
    )
    fleet = FleetSimulation(steady(2.0, 300.0), Setting(profile=without_context))
    fleet.result()
    row, law = fleet._state.replicas[0], FLASH.step

    expected = (
        law.base_seconds * row.steps
        + law.per_sequence_seconds * row.decode_tokens
        + law.per_prefill_token_seconds * row.prefill_tokens
    )

    assert row.busy == pytest.approx(expected, rel=1e-9)


def test_mean_running_is_arrivals_times_time_in_the_batch() -> None:
    trace = steady(3.0, 1200.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH))
    seen = []
    for time in np.arange(200.0, 1200.0, 0.377).tolist():  # no multiple of the arrivals' distance
        fleet.advance(time)
        seen.append(fleet.metrics()[0].running + fleet.metrics()[0].waiting)
    rows = fleet.result().per_request
    inside = fleet._state.requests.ended - rows.arrival - FLASH.overhead_seconds

    assert np.mean(seen) == pytest.approx(3.0 * float(np.mean(inside[600:-60])), rel=0.02)


def test_two_replicas_at_half_the_load_are_never_slower_than_one() -> None:
    one, two = steady(2.0, 900.0), steady(4.0, 900.0)

    single = FleetSimulation(one, Setting(profile=FLASH)).result()
    pair = FleetSimulation(two, Setting(profile=FLASH, initial_replicas=2)).result()

    assert pair.ttft.p95 <= single.ttft.p95 * 1.001
    assert pair.tpot.p95 <= single.tpot.p95 * 1.001


def test_every_token_that_goes_in_comes_out() -> None:
    trace = steady(3.0, 600.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH, initial_replicas=3))
    fleet.result()
    rows: Rows = fleet._state.replicas

    assert (fleet._state.requests.fate == FINISHED).all()
    assert rows.emitted.sum() + rows.decode_tokens.sum() == trace.output.sum()
    assert rows.prefill_tokens.sum() == trace.prompt.sum()
    assert rows.finished.sum() == len(trace)
    assert (rows.held.sum(), rows.resident.sum(), rows.outstanding_tokens.sum()) == (0, 0, 0)
