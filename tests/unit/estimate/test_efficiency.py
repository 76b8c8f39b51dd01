from dataclasses import replace
from math import exp, log

import pytest
from tests.plant import FLASH, profile

from v4operator.estimate.calibration import StepSample, fit_from_prior
from v4operator.estimate.efficiency import Judgement, judge
from v4operator.estimate.reference import (
    extend,
    extend_accept_length,
    extend_level,
    judges,
    level_at,
    new_reference,
    usual_at,
)
from v4operator.estimate.sequential import (
    LARGE_TOLERANCE,
    departures_after,
    limit_of,
    moved,
    scatter_after,
    strikes,
    suspects,
    weight_of,
)
from v4operator.model.learned import Block, Reference, Scatter, Track

OPEN = new_reference(fit_from_prior(profile(FLASH)))
CALM = Scatter(variance=0.001, blocks=480)  # of healthy blocks' log ratios


def closed(sequences: float) -> Reference:
    """A reference that has closed the band of that batch."""
    reference, sample = OPEN, judge([track("a", sequences)], OPEN, CALM, CALM, 0.0).samples[0]
    for _ in range(40):
        reference = extend(reference, [sample], 30.0)
    return reference


def block(sequences: float, ratio: float, accept: float = 0.0) -> Block:
    """Half a minute at a batch, decoding `ratio` of what the law expects."""
    expected = 30.0 * FLASH.decode_tokens_per_second(
        sequences=sequences, kv_tokens=2000.0 * sequences, prefill_tokens_per_second=1000.0
    )
    tokens = ratio * expected
    return Block(
        seconds=30.0,
        tokens=tokens,
        expected_tokens=expected,
        sequence_seconds=30.0 * sequences,
        token_sequences=tokens * sequences,
        token_kv_tokens=tokens * 2000.0 * sequences,
        prefill_sequences=30.0 * 1000.0 * sequences,
        accept_length_seconds=30.0 * accept,
        accept_seconds=30.0 if accept else 0.0,
    )


def track(name: str, sequences: float = 20.0, ratio: float = 1.0, accept: float = 0.0) -> Track:
    return Track(name=name, ready_at=0.0, block=block(sequences, ratio, accept=accept))


def judged(ratios: dict[str, float], blocks: int, reference: Reference = OPEN) -> Judgement:
    """So many blocks of each replica at these efficiencies."""
    tracks = tuple(Track(name=name, ready_at=0.0) for name in ratios)
    for i in range(blocks):
        tracks = tuple(replace(t, block=block(20.0, ratios[t.name])) for t in tracks)
        result = judge(tracks, reference, CALM, CALM, 30.0 * i)
        tracks = result.tracks
    return result


def behind(result: Judgement) -> list[str]:
    return [t.name for t in result.tracks if t.standing.behind_peers]


@pytest.mark.parametrize(
    ("ratio", "blocks"),
    [
        pytest.param(0.5, 3, id="half speed in 90 s"),
        pytest.param(0.65, 3, id="35 % in 90 s"),
        pytest.param(0.85, 10, id="15 % in 5 minutes"),
    ],
)
def test_a_loss_strikes_after_its_blocks_and_not_before(ratio: float, blocks: int) -> None:
    ratios = {"a": 1.0, "b": 1.0, "c": ratio}
    assert behind(judged(ratios, blocks - 1)) == []
    assert behind(judged(ratios, blocks)) == ["c"]


def test_a_loss_within_tolerance_never_strikes() -> None:
    assert behind(judged({"a": 1.0, "b": 1.0, "c": 0.93}, 500)) == []


def test_two_replicas_have_no_peers() -> None:
    result = judged({"a": 1.0, "b": 0.3}, 50)
    assert behind(result) == []
    assert [t.standing.peers for t in result.tracks] == [0, 0]


def test_two_of_four_that_are_slow_are_both_behind() -> None:
    assert behind(judged({"a": 1.0, "b": 1.0, "c": 0.5, "d": 0.5}, 5)) == ["c", "d"]


def test_peers_share_the_error_of_a_wrong_law() -> None:
    assert behind(judged({"a": 0.33, "b": 0.33, "c": 0.33}, 50)) == []
    assert behind(judged({"a": 0.33, "b": 0.33, "c": 0.165}, 3)) == ["c"]


def test_nothing_is_learned_from_a_replica_below_its_peers() -> None:
    first = judged({"a": 1.0, "b": 1.0, "c": 0.6}, 1)
    assert len(first.samples) == 2


def test_the_reference_does_not_learn_from_a_replica_that_falls_behind_it() -> None:
    result = judged({"a": 0.7, "b": 0.7, "c": 0.7}, 2, closed(20.0))
    assert len(result.samples) == 3
    assert result.reference_samples == ()


def test_a_loss_that_all_share_strikes_against_a_closed_reference() -> None:
    result = judged({"a": 0.7, "b": 0.7, "c": 0.7}, 4, closed(20.0))
    assert behind(result) == []
    assert all(t.standing.behind_reference for t in result.tracks)
    open_result = judged({"a": 0.7, "b": 0.7, "c": 0.7}, 4)
    assert not any(t.standing.behind_reference for t in open_result.tracks)


def test_unlike_batches_are_not_compared_before_the_law_is_fitted() -> None:
    tracks = [track("a"), track("b"), track("c", sequences=60.0)]
    assert [t.standing.peers for t in judge(tracks, OPEN, CALM, CALM, 0.0).tracks] == [0, 0, 0]
    fitted = closed(20.0)
    peers = [
        t.standing.peers
        for t in judge([*tracks[:2], track("c", 24.0)], fitted, CALM, CALM, 0.0).tracks
    ]
    assert peers == [2, 2, 2]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"seconds": 10.0}, id="too short"),
        pytest.param({"sequence_seconds": 30.0}, id="one request"),
        pytest.param({"tokens": 0.0}, id="no tokens"),
        pytest.param({"expected_tokens": 0.0}, id="nothing expected"),
    ],
)
def test_a_block_without_enough_evidence_changes_no_standing(change: dict[str, float]) -> None:
    weak = replace(track("a"), block=replace(block(20.0, 0.5), **change))
    result = judge([weak, track("b"), track("c")], OPEN, CALM, CALM, 0.0)
    assert result.tracks[0].standing.judged_at is None
    assert result.tracks[0].block == Block()
    assert len(result.samples) == 2


def test_shown_figures_follow_within_a_minute_and_start_afresh_after_a_pause() -> None:
    tracks = judge([track("a")], OPEN, CALM, CALM, 0.0).tracks
    soon = judge([replace(tracks[0], block=block(20.0, 0.5))], OPEN, CALM, CALM, 30.0).tracks[0]
    late = judge([replace(tracks[0], block=block(20.0, 0.5))], OPEN, CALM, CALM, 3000.0).tracks[0]
    assert soon.standing.efficiency == pytest.approx(0.80, abs=0.01)
    assert late.standing.efficiency == pytest.approx(0.5)


def test_accept_lengths_of_sound_replicas_make_the_normal_one() -> None:
    tracks = [track("a", accept=2.4), track("b", accept=2.6), track("c", ratio=0.5, accept=1.0)]
    result = judge(tracks, OPEN, CALM, CALM, 0.0)
    assert result.accept_lengths == (2.4, 2.6)
    reference = extend_accept_length(OPEN, result.accept_lengths, 30.0)
    assert reference.accept_length == pytest.approx(2.5)
    assert [t.standing.accept_length for t in result.tracks] == [2.4, 2.6, 1.0]
    again = judge(
        [replace(result.tracks[0], block=block(20.0, 1.0, accept=2.0))], OPEN, CALM, CALM, 30.0
    )
    assert again.tracks[0].standing.accept_length == pytest.approx(2.24, abs=0.01)


def test_the_normal_accept_length_is_settled_after_half_an_hour() -> None:
    reference = OPEN
    for accept in [2.5] * 60 + [1.5] * 60:
        reference = extend_accept_length(reference, [accept], 30.0)
    assert reference.accept_length == pytest.approx(2.5)


def test_a_closed_band_learns_no_more() -> None:
    reference = closed(20.0)
    slow = judge([track("a", ratio=0.5)], OPEN, CALM, CALM, 0.0).samples
    assert extend(reference, slow, 30.0) is reference


def step(sequences: float, prompts: float = 1.0) -> StepSample:
    """A step of that batch, with so many times the usual prompt tokens."""
    usual = judge([track("a", sequences)], OPEN, CALM, CALM, 0.0).samples[0]
    return replace(usual, prefill_tokens=usual.prefill_tokens * prompts)


def test_a_batch_near_a_closed_band_is_judged_if_the_fit_is_sure() -> None:
    reference = closed(20.0)
    assert judges(reference, step(20.0), confidence=0.0)
    assert judges(reference, step(40.0), confidence=0.95)
    assert not judges(reference, step(40.0), confidence=0.5)
    assert not judges(reference, step(200.0), confidence=0.95)


def test_a_mix_that_was_never_learned_is_judged_once_it_has_been() -> None:
    reference, new = closed(20.0), step(20.0, prompts=30.0)
    assert judges(reference, step(20.0, prompts=2.0), confidence=0.0)
    assert not judges(reference, new, confidence=1.0)
    for _ in range(30):
        reference = extend(reference, [new], 30.0)
    assert judges(reference, new, confidence=0.0)
    assert judges(reference, step(20.0), confidence=0.0)


def test_a_strike_is_cleared_at_half_the_limit() -> None:
    assert strikes(1.0, before=False)
    assert not strikes(0.9, before=False)
    assert strikes(0.9, before=True)
    assert not strikes(0.5, before=True)
    assert suspects(0.6)


@pytest.mark.parametrize(
    ("variance", "limit"),
    [
        pytest.param(0.0, 0.8, id="none"),
        pytest.param(0.001, 0.8, id="calm"),
        pytest.param(0.02, 1.677, id="between"),
        pytest.param(0.2, 4.4, id="wild"),
    ],
)
def test_the_limit_is_a_false_strike_a_year_between_its_bounds(
    variance: float, limit: float
) -> None:
    assert limit_of(Scatter(variance=variance)) == pytest.approx(limit, rel=1e-3)


def test_a_large_loss_strikes_sooner_where_blocks_scatter_much() -> None:
    """Blocks of a replica at 65 % of its speed until each of the tests strikes."""
    scatter = Scatter(variance=0.05)
    blocks = []
    for tolerance in (0.08, LARGE_TOLERANCE):
        limit, score, count = limit_of(scatter, tolerance), 0.0, 0
        while not strikes(score, before=False):
            score = moved(score, log(0.65), limit, tolerance=tolerance)
            count += 1
        blocks.append(count)
    assert blocks == [12, 8]


def test_a_small_loss_never_strikes_the_test_for_large_ones() -> None:
    limit = limit_of(Scatter(variance=0.05), LARGE_TOLERANCE)
    assert moved(0.0, log(0.85), limit, tolerance=LARGE_TOLERANCE) == 0.0


def test_the_limit_keeps_siegmunds_mean_time_between_false_strikes() -> None:
    x = 2.0 * 0.08 * limit_of(Scatter(variance=0.03)) / 0.03
    blocks = 0.03 / (2.0 * 0.08**2) * (exp(x) - 1.0 - x)
    assert blocks == pytest.approx(365.0 * 2880.0, rel=0.01)


def test_what_is_not_known_of_the_scatter_is_taken_for_much() -> None:
    assert limit_of(Scatter()) == limit_of(Scatter(variance=0.03))


def test_the_score_moves_by_the_loss_beyond_tolerance_and_stays_in_its_bounds() -> None:
    assert moved(0.5, -0.16, 0.8) == pytest.approx(0.6)
    assert moved(0.5, None, 0.8) == 0.5
    assert moved(0.0, 1.0, 0.8) == 0.0
    assert moved(1.2, -5.0, 0.8) == 1.25


NEWEST = (0.0,) * 10  # five minutes that are not learned from yet


def learned(departures: tuple[float, ...]) -> float:
    """What one block adds to the variance."""
    variance = scatter_after(CALM, [(*departures, *NEWEST)]).variance
    assert variance is not None
    return variance - 0.001 * 499.0 / 500.0


def test_noise_that_lasts_counts_with_its_covariances() -> None:
    single = learned((0.1,))
    assert learned((0.1, 0.1, 0.1, 0.1, 0.1)) == pytest.approx(9.0 * single)
    assert learned((0.1, -0.1, 0.1, -0.1, 0.1)) == pytest.approx(single)


def test_the_scatter_is_not_learned_from_the_last_five_minutes() -> None:
    assert scatter_after(CALM, []) == CALM
    assert scatter_after(CALM, [(0.2,) * 10]) == CALM
    assert scatter_after(CALM, [(0.2,) * 11]) != CALM


def test_a_calm_fleet_is_known_for_one_within_the_hour() -> None:
    scatter = Scatter()
    for _ in range(120):
        scatter = scatter_after(scatter, [(0.0, *NEWEST)])
    assert scatter.variance == pytest.approx(0.03 * 20 / 140)
    assert scatter.blocks == 120


@pytest.mark.parametrize(("sequences", "weight"), [(2.0, 0.25), (8.0, 1.0), (90.0, 1.0)])
def test_a_block_of_few_sequences_tells_less(sequences: float, weight: float) -> None:
    assert weight_of(sequences) == weight
    assert moved(0.0, -0.16, 0.8, weight) == pytest.approx(0.1 * weight)
    assert departures_after((), 0.2, weight)[0] == pytest.approx(0.2 * weight**0.5)


def test_a_departure_is_bounded_and_fifteen_are_kept() -> None:
    past = tuple(i / 100.0 for i in range(15))
    assert departures_after(past, -3.0) == (*past[1:], -0.25)
    assert departures_after((0.1,), None) == ()


def test_a_suspect_replica_does_not_widen_the_scatter() -> None:
    result = judged({"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.5}, 20)
    assert result.own_scatter.variance == pytest.approx(CALM.variance, rel=0.5)


def test_one_sick_replica_is_no_loss_of_the_fleet() -> None:
    result = judged({"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.4}, 40, closed(20.0))
    assert behind(result) == ["d"]
    assert not any(t.standing.behind_reference for t in result.tracks)
    assert result.shared_scatter.departures[-1] == pytest.approx(0.0, abs=0.01)


def test_a_loss_that_all_share_does_not_widen_the_scatter_that_it_is_told_by() -> None:
    result = judged({"a": 0.7, "b": 0.7, "c": 0.7}, 40, closed(20.0))
    assert all(t.standing.behind_reference for t in result.tracks)
    assert result.shared_scatter.variance == CALM.variance


def test_replicas_off_the_line_are_judged_by_what_was_usual_at_their_batch() -> None:
    reference = OPEN
    for _ in range(40):
        for sequences, ratio in ((20.0, 1.0), (60.0, 0.8), (200.0, 1.0)):
            samples = judge([track("a", sequences, ratio)], OPEN, CALM, CALM, 0.0).samples
            reference = extend(reference, samples, 30.0)
    slow = judge([track("a", 60.0, 0.8)], OPEN, CALM, CALM, 0.0).samples[0]
    line = reference.fit.law.seconds(
        sequences=slow.sequences, kv_tokens=slow.kv_tokens, prefill_tokens=slow.prefill_tokens
    )
    missed = log(line / slow.seconds)
    assert missed < -0.05
    assert usual_at(reference, slow) == pytest.approx(missed, rel=0.1)
    assert usual_at(OPEN, slow) == 0.0


def test_a_loss_that_comes_with_another_number_of_replicas_is_put_down_to_it() -> None:
    reference = extend_level(OPEN, 4, [], 30.0)
    assert level_at(reference, 4) == 0.0
    assert level_at(reference, 7) is None
    for _ in range(10):
        reference = extend_level(reference, 7, [-0.0, -0.1, -0.2], 30.0)
    assert level_at(reference, 7) == pytest.approx(-0.1)
    assert extend_level(reference, 7, [-0.5], 30.0) is reference
    assert level_at(reference, 4) == 0.0


@pytest.mark.parametrize(("replicas", "most"), [(5, 0.035), (7, 0.105), (2, 0.07)])
@pytest.mark.parametrize("ratio", [-0.4, 0.4])
def test_another_number_explains_no_more_than_its_replicas_can(
    replicas: int, most: float, ratio: float
) -> None:
    reference = extend_level(OPEN, 4, [], 30.0)
    for _ in range(10):
        reference = extend_level(reference, replicas, [ratio], 30.0)
    level = level_at(reference, replicas)
    assert level is not None
    assert abs(level) == pytest.approx(most)


def test_what_is_normal_for_so_many_replicas_is_no_loss() -> None:
    reference = extend_level(closed(20.0), 4, [], 30.0)
    for _ in range(10):
        reference = extend_level(reference, 7, [-0.1], 30.0)
    slow = [track(name, ratio=exp(-0.1)) for name in "abcdefg"]
    judgement = judge(slow, reference, CALM, CALM, 0.0)
    assert all(t.standing.reference_score == 0.0 for t in judgement.tracks)
    known = replace(reference, counts=((7, 0.0, 300.0),))
    judgement = judge(slow, known, CALM, CALM, 0.0)
    assert all(t.standing.reference_score > 0.0 for t in judgement.tracks)
    new = judge(slow[:2], reference, CALM, CALM, 0.0)
    assert all(t.standing.reference_score == 0.0 for t in new.tracks)
