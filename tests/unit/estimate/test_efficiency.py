from dataclasses import replace
from math import exp

import pytest
from tests.plant import FLASH, profile

from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.efficiency import Judgement, judge
from v4operator.estimate.reference import (
    extend,
    extend_accept_length,
    extend_level,
    judges,
    level_at,
    new_reference,
)
from v4operator.estimate.sequential import limit_of, moved, strikes, suspects, variance_after
from v4operator.model.learned import Block, Reference, Track

OPEN = new_reference(fit_from_prior(profile(FLASH)))
CALM = 0.001  # variance of a healthy block's log ratio


def closed(sequences: float) -> Reference:
    """A reference that has closed the band of that batch."""
    reference, sample = OPEN, judge([track("a", sequences)], OPEN, CALM, 0.0).samples[0]
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
        result = judge(tracks, reference, CALM, 30.0 * i)
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
    assert [t.standing.peers for t in judge(tracks, OPEN, CALM, 0.0).tracks] == [0, 0, 0]
    fitted = closed(20.0)
    peers = [
        t.standing.peers for t in judge([*tracks[:2], track("c", 24.0)], fitted, CALM, 0.0).tracks
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
    result = judge([weak, track("b"), track("c")], OPEN, CALM, 0.0)
    assert result.tracks[0].standing.judged_at is None
    assert result.tracks[0].block == Block()
    assert len(result.samples) == 2


def test_shown_figures_follow_within_a_minute_and_start_afresh_after_a_pause() -> None:
    tracks = judge([track("a")], OPEN, CALM, 0.0).tracks
    soon = judge([replace(tracks[0], block=block(20.0, 0.5))], OPEN, CALM, 30.0).tracks[0]
    late = judge([replace(tracks[0], block=block(20.0, 0.5))], OPEN, CALM, 3000.0).tracks[0]
    assert soon.standing.efficiency == pytest.approx(0.80, abs=0.01)
    assert late.standing.efficiency == pytest.approx(0.5)


def test_accept_lengths_of_sound_replicas_make_the_normal_one() -> None:
    tracks = [track("a", accept=2.4), track("b", accept=2.6), track("c", ratio=0.5, accept=1.0)]
    result = judge(tracks, OPEN, CALM, 0.0)
    assert result.accept_lengths == (2.4, 2.6)
    reference = extend_accept_length(OPEN, result.accept_lengths, 30.0)
    assert reference.accept_length == pytest.approx(2.5)
    assert [t.standing.accept_length for t in result.tracks] == [2.4, 2.6, 1.0]
    again = judge([replace(result.tracks[0], block=block(20.0, 1.0, accept=2.0))], OPEN, CALM, 30.0)
    assert again.tracks[0].standing.accept_length == pytest.approx(2.24, abs=0.01)


def test_the_normal_accept_length_is_settled_after_half_an_hour() -> None:
    reference = OPEN
    for accept in [2.5] * 60 + [1.5] * 60:
        reference = extend_accept_length(reference, [accept], 30.0)
    assert reference.accept_length == pytest.approx(2.5)


def test_a_closed_band_learns_no_more() -> None:
    reference = closed(20.0)
    slow = judge([track("a", ratio=0.5)], OPEN, CALM, 0.0).samples
    assert extend(reference, slow, 30.0) is reference


def test_a_batch_near_a_closed_band_is_judged_if_the_fit_is_sure() -> None:
    reference = closed(20.0)
    assert judges(reference, 20.0, confidence=0.0)
    assert judges(reference, 40.0, confidence=0.95)
    assert not judges(reference, 40.0, confidence=0.5)
    assert not judges(reference, 200.0, confidence=0.95)


def test_a_strike_is_cleared_at_half_the_limit() -> None:
    assert strikes(1.0, before=False)
    assert not strikes(0.9, before=False)
    assert strikes(0.9, before=True)
    assert not strikes(0.5, before=True)
    assert suspects(0.6)


@pytest.mark.parametrize(
    ("variance", "limit"),
    [pytest.param(0.001, 0.8, id="calm"), pytest.param(0.02, 2.253, id="between"),
     pytest.param(0.2, 4.4, id="wild")],
)  # fmt: skip
def test_the_limit_is_a_false_strike_a_year_between_its_bounds(
    variance: float, limit: float
) -> None:
    assert limit_of(variance) == pytest.approx(limit, rel=1e-3)


def test_the_score_moves_by_the_loss_beyond_tolerance_and_stays_in_its_bounds() -> None:
    assert moved(0.5, -0.16, 0.8) == pytest.approx(0.6)
    assert moved(0.5, None, 0.8) == 0.5
    assert moved(0.0, 1.0, 0.8) == 0.0
    assert moved(1.2, -5.0, 0.8) == 1.25


def test_noise_that_lasts_counts_with_its_covariances() -> None:
    lasting = variance_after(0.0, [(0.1, 0.1, 0.1, 0.1, 0.1)])
    alternating = variance_after(0.0, [(0.1, -0.1, 0.1, -0.1, 0.1)])
    single = variance_after(0.0, [(0.1,)])
    assert lasting == pytest.approx(9.0 * single)
    assert alternating == pytest.approx(single)
    assert variance_after(CALM, []) == CALM


def test_one_sick_replica_does_not_widen_the_scatter() -> None:
    tracks, variance = [track("a"), track("b"), track("c"), track("d", ratio=0.5)], 0.01
    result = judge(tracks, closed(20.0), variance, 0.0)
    assert result.block_variance < variance


def test_a_loss_that_comes_with_another_number_of_replicas_is_put_down_to_it() -> None:
    reference = extend_level(OPEN, 4, [], 30.0)
    assert level_at(reference, 4) == 0.0
    assert level_at(reference, 7) is None
    for _ in range(10):
        reference = extend_level(reference, 7, [-0.1, -0.2, -0.3], 30.0)
    assert level_at(reference, 7) == pytest.approx(-0.2)
    assert extend_level(reference, 7, [-0.5], 30.0) is reference
    assert level_at(reference, 4) == 0.0


def test_what_is_normal_for_so_many_replicas_is_no_loss() -> None:
    reference = extend_level(closed(20.0), 4, [], 30.0)
    for _ in range(10):
        reference = extend_level(reference, 3, [-0.4], 30.0)
    slow = [track(name, ratio=exp(-0.4)) for name in "abc"]
    assert all(t.standing.reference_score == 0.0 for t in judge(slow, reference, CALM, 0.0).tracks)
    fewer = judge(slow[:2], reference, CALM, 0.0)
    assert all(t.standing.reference_score == 0.0 for t in fewer.tracks)
