from itertools import product

import pytest
from tests.plant import FLASH, profile, scaled

from v4operator.estimate.calibration import (
    UNPUBLISHED,
    StepSample,
    confidence,
    fit_from_prior,
    learn,
    remembered_share,
)
from v4operator.model.step import StepTime


def step(law: StepTime, sequences: float, prefill: float = 0.0) -> StepSample:
    kv_tokens = 2000.0 * sequences
    return StepSample(
        sequences=sequences,
        kv_tokens=kv_tokens,
        prefill_tokens=prefill,
        seconds=law.seconds(sequences=sequences, kv_tokens=kv_tokens, prefill_tokens=prefill),
    )


def steps(law: StepTime) -> list[StepSample]:
    return [step(law, n, p) for n, p in product((4.0, 16.0, 40.0), (0.0, 100.0, 400.0))]


@pytest.mark.parametrize("wrong", [1 / 3, 0.5, 2.0, 3.0])
def test_a_prior_that_is_wrong_by_up_to_threefold_is_corrected(wrong: float) -> None:
    fit = fit_from_prior(profile(scaled(FLASH, wrong)))
    for _ in range(30):
        fit = learn(fit, steps(FLASH), remembered=1.0)
    found = fit.law.seconds(sequences=60.0, kv_tokens=120e3, prefill_tokens=200.0)
    true = FLASH.seconds(sequences=60.0, kv_tokens=120e3, prefill_tokens=200.0)
    assert found == pytest.approx(true, rel=0.02)


def test_without_a_profile_the_middle_of_the_published_ones_is_the_prior() -> None:
    assert fit_from_prior(None).law == UNPUBLISHED


def test_a_prior_alone_has_no_confidence() -> None:
    assert confidence(fit_from_prior(None), step(FLASH, 54.0)) == pytest.approx(0.0)


def test_confidence_is_higher_where_the_fleet_was_seen_than_far_from_it() -> None:
    fit = learn(fit_from_prior(profile(FLASH)), [step(FLASH, 4.0)] * 200, remembered=1.0)
    near, far = confidence(fit, step(FLASH, 4.0)), confidence(fit, step(FLASH, 400.0))
    assert near > 0.9
    assert far < 0.6


def test_what_the_load_never_shows_keeps_the_prior() -> None:
    fit = fit_from_prior(profile(FLASH))
    for _ in range(2000):
        fit = learn(fit, [step(FLASH, 20.0)], remembered=remembered_share(30.0, 1800.0))
    assert fit.law.per_prefill_token_seconds == pytest.approx(19.3e-6, rel=0.1)


def test_a_lasting_change_is_followed_within_the_half_lives() -> None:
    remembered = remembered_share(30.0, 1800.0)
    fit = fit_from_prior(profile(FLASH))
    for law in [FLASH] * 120 + [scaled(FLASH, 1.3)] * 240:
        fit = learn(fit, steps(law), remembered=remembered)
    found = fit.law.seconds(sequences=50.0, kv_tokens=1e5, prefill_tokens=100.0)
    true = 1.3 * FLASH.seconds(sequences=50.0, kv_tokens=1e5, prefill_tokens=100.0)
    assert found == pytest.approx(true, rel=0.05)


def test_one_strange_block_moves_little() -> None:
    fit = learn(fit_from_prior(profile(FLASH)), steps(FLASH) * 10, remembered=1.0)
    strange = StepSample(sequences=20.0, kv_tokens=4e4, prefill_tokens=0.0, seconds=1.0)
    moved = learn(fit, [strange], remembered=1.0).law
    at = {"sequences": 20.0, "kv_tokens": 4e4, "prefill_tokens": 0.0}
    assert moved.seconds(**at) == pytest.approx(FLASH.seconds(**at), rel=0.05)


def test_a_step_that_shrinks_with_the_batch_leaves_no_negative_coefficient() -> None:
    samples = [
        StepSample(sequences=n, kv_tokens=2e3 * n, prefill_tokens=n, seconds=0.1 / n)
        for n in (5.0, 20.0, 80.0)
    ]
    fit = learn(fit_from_prior(profile(FLASH)), samples * 50, remembered=1.0)
    assert min(fit.factors) > 0.0


def test_half_of_what_is_known_is_forgotten_in_a_half_life() -> None:
    assert remembered_share(1800.0, 1800.0) == pytest.approx(0.5)
    assert remembered_share(0.0, 1800.0) == 1.0
