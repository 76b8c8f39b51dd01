import pytest

from v4operator.decide.need import COLD_CACHE_EXTRA_RATIO, cold_cache_extra, load_without_one
from v4operator.model.forecast import Mix
from v4operator.model.step import StepTime

STEP = StepTime(
    base_seconds=2.8e-3,
    per_sequence_seconds=0.4e-3,
    per_kv_token_seconds=0.5e-9,
    per_prefill_token_seconds=20e-6,
)


def mix(prompt: float, computed: float, decode: float = 500.0) -> Mix:
    return Mix(
        prompt_tokens=prompt, prefill_tokens=computed, decode_tokens=decode, context_tokens=prompt
    )


@pytest.mark.parametrize(
    ("of", "extra"),
    [
        pytest.param(mix(1000.0, 1000.0), 0.0, id="nothing comes from the cache"),
        pytest.param(mix(2000.0, 1000.0), 0.02 / 0.22, id="half of the prompt does"),
        pytest.param(mix(100_000.0, 4000.0), COLD_CACHE_EXTRA_RATIO, id="at most the bound"),
        pytest.param(mix(0.0, 0.0, decode=0.0), COLD_CACHE_EXTRA_RATIO, id="no work, no ratio"),
        pytest.param(None, COLD_CACHE_EXTRA_RATIO, id="an unknown mix"),
    ],
)
def test_a_cold_cache_costs_what_the_cache_saves(of: Mix | None, extra: float) -> None:
    assert cold_cache_extra(STEP, of) == pytest.approx(extra)


def test_an_unknown_law_is_taken_for_the_bound() -> None:
    assert cold_cache_extra(None, mix(1000.0, 1000.0)) == COLD_CACHE_EXTRA_RATIO


def test_the_moved_share_is_what_costs_more() -> None:
    assert load_without_one(4.0, 4, 0.2) == pytest.approx(4.2)
