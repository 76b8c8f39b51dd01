"""Truths that the estimator does not contain, and what they do to a fleet."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, steady, trace_of

from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.truths import (
    TRUTHS,
    Leak,
    Slow,
    Truth,
    decode_seconds,
    noise_table,
    true_step,
)
from v4operator.simulate.profiles import PROFILES

LAW = FLASH.step


def test_the_linear_truth_is_the_law_of_the_profile() -> None:
    seconds = decode_seconds(FLASH, TRUTHS["linear"])

    assert len(seconds) == FLASH.max_running + 1
    assert seconds[100] == LAW.base_seconds + LAW.per_sequence_seconds * 100


# Published TPOT less 8 d N, at N = output tokens/s x TPOT.
@pytest.mark.parametrize(
    ("sequences", "expected_ms"),
    [(1, 3.22), (13, 6.85), (57, 32.5), (127, 63.9), (256, 106.5)],
)
def test_the_measured_truth_goes_through_the_published_points(
    sequences: int, expected_ms: float
) -> None:
    seconds = decode_seconds(FLASH, TRUTHS["table"])

    assert seconds[sequences] * 1e3 == pytest.approx(expected_ms, rel=0.02)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_measured_step_never_gets_shorter_with_more_sequences(profile: str) -> None:
    seconds = decode_seconds(PROFILES[profile], TRUTHS["table"])

    assert (np.diff(seconds) >= 0).all()
    assert seconds[0] > 0


def test_a_captured_batch_costs_as_much_as_the_next_rung() -> None:
    seconds = decode_seconds(FLASH, TRUTHS["captured"])
    linear = decode_seconds(FLASH, TRUTHS["linear"])

    assert seconds[[0, 1, 3, 17, 24, 250]].tolist() == linear[[0, 1, 4, 24, 24, 256]].tolist()


def test_prefill_first_keeps_decoding_waiting_but_loses_no_work() -> None:
    trace = steady(3.0, 300.0, prompt=4000, output=600)
    mixed = FleetSimulation(trace, Setting(profile=FLASH))
    ahead = FleetSimulation(trace, Setting(profile=FLASH, truth=Truth(prefill_first=True)))

    first, second = mixed.result(), ahead.result()

    assert ahead._state.replicas[0].decode_tokens == mixed._state.replicas[0].decode_tokens
    assert ahead._state.replicas[0].steps > mixed._state.replicas[0].steps
    assert second.ttft.p50 <= first.ttft.p50


def test_an_accepted_length_that_falls_makes_decoding_dearer_and_prefill_not() -> None:
    truth = TRUTHS["acceptance"]

    assert truth.decode_pace(0.0, 100.0) == 1.0
    assert truth.decode_pace(100.0, 100.0) == pytest.approx(2.5 / 1.5)
    assert truth.decode_pace(900.0, 100.0) == pytest.approx(2.5 / 1.5)
    assert truth.pace(100.0, ordinal=0, serving=3, seed=1) == 1.0


def test_falling_acceptance_shows_in_the_time_between_tokens() -> None:
    trace = steady(2.0, 3600.0)
    tpot = FleetSimulation(trace, Setting(profile=FLASH, truth=TRUTHS["acceptance"])).result()
    spacing = tpot.per_request.tpot

    early, late = float(np.mean(spacing[:300])), float(np.mean(spacing[-300:]))

    assert late / early > 1.6


@pytest.mark.parametrize(
    ("serving", "factor"), [(0, 1.0), (1, 1.0), (4, 1 / 0.91), (7, 1 / 0.82), (12, 1 / 0.82)]
)
def test_efficiency_falls_in_a_straight_line_to_seven_replicas(serving: int, factor: float) -> None:
    assert TRUTHS["efficiency"].pace(0.0, ordinal=0, serving=serving, seed=1) == pytest.approx(
        factor
    )


def test_seven_replicas_do_less_each_than_one() -> None:
    def seconds_a_token(truth: str) -> float:
        setting = Setting(profile=FLASH, truth=TRUTHS[truth], initial_replicas=7)
        return FleetSimulation(trace_of([0.0], output=500), setting).result().tpot.p50

    assert seconds_a_token("efficiency") / seconds_a_token("linear") == pytest.approx(1 / 0.82)


def test_a_leak_slows_everyone_down_in_a_straight_line() -> None:
    leak = Leak(begin=100.0, end=200.0, factor=1.6)

    assert [leak.at(time) for time in (0.0, 150.0, 300.0)] == pytest.approx([1.0, 1.3, 1.6])
    assert Truth(leak=leak).pace(150.0, ordinal=3, serving=1, seed=1) == pytest.approx(1.3)


def test_one_replica_turns_slow_and_the_others_do_not() -> None:
    truth = Truth(slow=Slow(ordinal=1, since=60.0))
    trace = trace_of([0.0, 0.0, 70.0, 70.0], output=[500, 500, 1000, 1000], seconds=300.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH, truth=truth, initial_replicas=2))
    tpot = fleet.result().per_request.tpot

    assert truth.changes
    assert sorted(tpot[2:] / tpot[:2].mean()) == pytest.approx([1.0, 2.0], rel=0.01)


def test_the_hidden_factor_makes_the_catalogue_wrong_on_b_and_d_only() -> None:
    law = true_step(FLASH, Truth().with_hidden_factor(1.3))

    assert law == replace(
        LAW,
        per_sequence_seconds=LAW.per_sequence_seconds * 1.3,
        per_prefill_token_seconds=LAW.per_prefill_token_seconds * 1.3,
    )


def test_noise_has_mean_one_and_the_spread_that_was_asked_for() -> None:
    table = noise_table(Truth().noisy(0.1), seed=1)

    assert table.mean() == pytest.approx(1.0, abs=0.01)
    assert table.std() == pytest.approx(0.1, abs=0.01)
    assert noise_table(Truth(), seed=1).tolist() == [1.0]


def test_what_wanders_from_minute_to_minute_is_drawn_by_the_seed() -> None:
    truth = Truth(wander=0.1)
    first, again, other = (truth.pace(100.0, ordinal=0, serving=1, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert truth.pace(119.0, ordinal=0, serving=1, seed=1) == first
