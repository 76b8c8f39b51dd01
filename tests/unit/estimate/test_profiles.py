"""Speed of the published profiles against the rows they were fitted on, and laws of any load."""

from math import log
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4operator.catalogue import load
from v4operator.estimate.profiles import (
    OVERHEAD_SECONDS,
    at_concurrency,
    at_rate,
    mix_of_shape,
    sequence_limit,
)
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.published import ThroughputPoint, ThroughputSeries

CATALOGUE = load()
COOKBOOK = mix_of_shape(8192, 1024)
FLASH, PRO = "deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Pro"
FLASH_FP8 = "sgl-project/DeepSeek-V4-Flash-FP8"


def profile_of(checkpoint: str, accelerator: str) -> PerformanceProfile:
    wanted = (checkpoint, accelerator)
    return next(p for p in CATALOGUE.profiles if (p.checkpoint, p.accelerator) == wanted)


def series_of(checkpoint: str, accelerator: str) -> ThroughputSeries:
    wanted = (checkpoint, accelerator)
    rows = CATALOGUE.published.throughput
    return next(s for s in rows if (s.checkpoint, s.accelerator) == wanted)


def running(series: ThroughputSeries, point: ThroughputPoint) -> float:
    """By Little's law, from the published rate; one token in nine is of the answer."""
    rate = (point.total_tokens_per_second or 0.0) / 9 * series.devices
    return rate * (point.time_per_token_seconds or 0.0)


# TPOT in ms that the simulation study predicts and the cookbook measured, concurrency 1 to 4096.
# The last row has no published rate: 256.7 is the study's own running count.
SIX_POINTS = [
    (0.92, 3.3, 3.28),
    (13.2, 10.2, 8.99),
    (56.9, 34.8, 41.3),
    (127.0, 74.3, 83.5),
    (258.7, 148.8, 147.5),
    (256.7, 147.7, 147.1),
]


@pytest.mark.parametrize(("sequences", "predicted", "measured"), SIX_POINTS)
def test_the_main_profile_predicts_the_six_points(
    sequences: float, predicted: float, measured: float
) -> None:
    step = profile_of(FLASH_FP8, "h200-141").step
    found = 1e3 * step.seconds(sequences=sequences, kv_tokens=0, prefill_tokens=8 * sequences)
    assert found == pytest.approx(predicted, rel=0.02)
    assert found == pytest.approx(measured, rel=0.20)


def test_the_mean_error_over_the_six_points_is_the_published_7_per_cent() -> None:
    step = profile_of(FLASH_FP8, "h200-141").step
    errors = [
        abs(log(step.seconds(sequences=n, kv_tokens=0, prefill_tokens=8 * n) * 1e3 / measured))
        for n, _, measured in SIX_POINTS
    ]
    assert mean(errors) == pytest.approx(0.07, abs=0.01)


# Mean absolute log error of TPOT over the points that the fit names, and where it is left out.
FITTED = [
    (FLASH, "h200-141", (), 0.09),
    (FLASH, "h100-80", (), 0.07),
    (FLASH, "b200", (64,), 0.02),
    (FLASH, "b300", (64,), 0.035),
    (FLASH, "gb300", (64,), 0.017),
    ("nvidia/DeepSeek-V4-Flash-NVFP4", "gb200", (), 0.0),
    (PRO, "b200", (64, 256), 0.10),
    (PRO, "b300", (64, 256), 0.16),
    (PRO, "gb300", (), 0.08),
    (PRO, "gb200", (), 0.0),
    (PRO, "h200-141", (), 0.03),
]


@pytest.mark.parametrize(
    ("checkpoint", "accelerator", "left_out", "error"), FITTED, ids=lambda value: str(value)[-12:]
)
def test_each_profile_reproduces_the_rows_it_was_fitted_on(
    checkpoint: str, accelerator: str, left_out: tuple[int, ...], error: float
) -> None:
    profile, series = profile_of(checkpoint, accelerator), series_of(checkpoint, accelerator)
    errors = []
    for point in series.points:
        measured, n = point.time_per_token_seconds, running(series, point)
        if measured and n and point.concurrency not in left_out:
            found = profile.step.seconds(sequences=n, kv_tokens=0, prefill_tokens=8 * n)
            errors.append(abs(log(found / measured)))
    assert len(errors) >= 2
    assert mean(errors) == pytest.approx(error, abs=0.025)


# Total tokens a second of the replica when it is full: measured range of the simulation study.
SATURATED = [
    (FLASH_FP8, "h200-141", 15_800, 15_800),
    (FLASH, "h200-141", 18_000, 18_000),
    (FLASH, "h100-80", 18_100, 18_100),
    (FLASH, "b200", 32_500, 32_500),
    (PRO, "b200", 31_600, 33_200),
    (PRO, "h200-141", 4_300, 4_700),
]


@pytest.mark.parametrize(("checkpoint", "accelerator", "low", "high"), SATURATED)
def test_saturated_throughput_is_within_a_tenth_of_the_measured(
    checkpoint: str, accelerator: str, low: float, high: float
) -> None:
    profile = profile_of(checkpoint, accelerator)
    limit = sequence_limit(profile, COOKBOOK, None)
    found = at_concurrency(profile.step, COOKBOOK, 4096, limit=limit)
    assert 0.9 * low <= found.total_tokens_per_second <= 1.1 * high


@pytest.mark.parametrize("concurrency", [16, 64, 256, 1024])
def test_pro_on_eight_h200_runs_13_to_16_requests_whatever_the_load(concurrency: int) -> None:
    profile = profile_of(PRO, "h200-141")
    limit = sequence_limit(profile, COOKBOOK, None)
    found = at_concurrency(profile.step, COOKBOOK, concurrency, limit=limit)
    assert 13 <= found.sequences <= 16
    assert 1e3 * found.inter_token_latency_seconds == pytest.approx(30.0, rel=0.06)


@pytest.mark.parametrize(("concurrency", "ttft_ms", "tolerance"), [(1, 178, 0.05), (16, 263, 0.15)])
def test_ttft_is_right_where_nothing_queues(
    concurrency: int, ttft_ms: float, tolerance: float
) -> None:
    step = profile_of(FLASH_FP8, "h200-141").step
    found = at_concurrency(step, COOKBOOK, concurrency, limit=256)
    assert 1e3 * found.ttft_seconds == pytest.approx(ttft_ms, rel=tolerance)


def test_above_the_limit_only_the_wait_grows() -> None:
    step = profile_of(FLASH_FP8, "h200-141").step
    full, over = (at_concurrency(step, COOKBOOK, c, limit=128) for c in (128, 1024))
    assert over.sequences == pytest.approx(full.sequences, rel=0.01)
    waiting = (over.ttft_seconds - full.ttft_seconds) * over.requests_per_second
    assert waiting == pytest.approx(1024 - 128, rel=0.01)


# Batch per rank and context against ITL = batch / (tokens a second and device), one device a rank.
H20 = [
    (checkpoint, (point.concurrency // 16), point.context_tokens, point.decode_tokens_per_second)
    for checkpoint in ("deepseek-ai/DeepSeek-V4-Pro-0813", "sgl-project/DeepSeek-V4-Pro-FP8")
    for point in series_of(checkpoint, "h20-141").points
]


def test_the_recorded_h20_series_are_complete() -> None:
    assert len(H20) == 13 + 6


@pytest.mark.parametrize(("checkpoint", "batch", "context", "rate"), H20)
def test_the_h20_fits_are_within_8_per_cent_of_every_point(
    checkpoint: str, batch: int, context: int, rate: float
) -> None:
    fit = next(f for f in CATALOGUE.published.latency_fits if f.checkpoint == checkpoint)
    found = fit.seconds(sequences=batch, context_tokens=context)
    assert found == pytest.approx(batch / rate, rel=0.081)


@pytest.mark.parametrize(("checkpoint", "batch", "context", "rate"), H20[:13])
def test_the_h20_profile_says_the_same_as_the_fit(
    checkpoint: str, batch: int, context: int, rate: float
) -> None:
    profile = profile_of(checkpoint, "h20-141")
    sequences = 16 * batch
    found = profile.step.seconds(
        sequences=sequences, kv_tokens=sequences * context, prefill_tokens=0
    )
    assert found == pytest.approx(batch / rate, rel=0.081)


@pytest.mark.parametrize(
    ("checkpoint", "accelerator"),
    [(FLASH, "b200"), (FLASH, "h200-141"), (FLASH, "h100-80"), (PRO, "b200"), (PRO, "h200-141")],
)
def test_a_two_point_fit_meets_the_first_of_its_points(checkpoint: str, accelerator: str) -> None:
    wanted = (checkpoint, accelerator)
    fits = CATALOGUE.published.latency_fits
    fit = next(f for f in fits if (f.checkpoint, f.accelerator) == wanted)
    low, high = series_of(checkpoint, accelerator).points[:2]
    assert fit.seconds(sequences=1, context_tokens=0) == pytest.approx(
        low.time_per_token_seconds, rel=0.02
    )
    assert fit.seconds(sequences=16, context_tokens=0) == pytest.approx(
        high.time_per_token_seconds, rel=0.02
    )


def test_cached_tokens_cost_no_prefill_but_hold_context() -> None:
    cold, warm = (mix_of_shape(10_000, 500, cache_hit_ratio=ratio) for ratio in (0.0, 0.9))
    assert warm.context_tokens == cold.context_tokens == 10_250
    assert warm.prefill_tokens == pytest.approx(1_000, rel=0.02)
    assert cold.prefill_tokens == pytest.approx(10_000, rel=0.01)


def test_a_million_tokens_take_twice_as_long_each_as_a_few_thousand() -> None:
    found = mix_of_shape(1_048_576, 100).prefill_tokens / 1_048_576
    assert found == pytest.approx(2.03, abs=0.02)


@pytest.mark.parametrize(
    ("prompt", "answer", "hits", "told"),
    [
        (0, 100, 0.0, "found 0 and 100 tokens"),
        (100, 0, 0.0, "found 100 and 0 tokens"),
        (100, 100, 1.5, "cache_hit_ratio: found 1.5"),
    ],
)
def test_an_impossible_shape_is_refused(
    prompt: float, answer: float, hits: float, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        mix_of_shape(prompt, answer, cache_hit_ratio=hits)


def test_the_pool_that_is_planned_counts_instead_of_the_published_one() -> None:
    profile = profile_of(PRO, "h200-141")
    assert sequence_limit(profile, COOKBOOK, None) == pytest.approx(140_000 / 9216)
    assert sequence_limit(profile, COOKBOOK, 40.0) == 40.0
    assert sequence_limit(profile, COOKBOOK, 4000.0) == 256.0
    assert sequence_limit(profile_of(FLASH, "b200"), COOKBOOK, None) == 256.0


def test_a_rate_beyond_the_limit_has_no_answer() -> None:
    step = profile_of(FLASH_FP8, "h200-141").step
    assert at_rate(step, COOKBOOK, 1.0, limit=256) is not None
    assert at_rate(step, COOKBOOK, 1.7, limit=100) is None
    assert at_rate(step, COOKBOOK, 50.0, limit=256) is None


@given(
    concurrency=st.floats(1.0, 2000.0),
    prompt=st.floats(16, 200_000),
    answer=st.floats(16, 20_000),
    hits=st.floats(0.0, 1.0),
)
def test_littles_law_and_the_share_of_prefill_hold_at_any_load(
    concurrency: float, prompt: float, answer: float, hits: float
) -> None:
    profile = profile_of(FLASH, "b200")
    mix = mix_of_shape(prompt, answer, cache_hit_ratio=hits)
    found = at_concurrency(profile.step, mix, concurrency, limit=256.0)
    assert 0.0 <= found.prefill_ratio < 1.0
    assert found.ttft_seconds >= OVERHEAD_SECONDS
    assert found.ttft_tail_seconds >= found.ttft_seconds
    in_flight = found.requests_per_second * (
        found.ttft_seconds + answer * found.inter_token_latency_seconds
    )
    assert in_flight == pytest.approx(concurrency, rel=0.02)


@given(rates=st.tuples(st.floats(0.01, 2.0), st.floats(0.01, 2.0)))
def test_more_requests_never_make_it_faster(rates: tuple[float, float]) -> None:
    step = profile_of(FLASH, "b200").step
    low, high = (at_rate(step, COOKBOOK, rate, limit=1e9) for rate in sorted(rates))
    assert low is not None
    assert high is not None
    assert low.inter_token_latency_seconds <= high.inter_token_latency_seconds
    assert low.ttft_seconds <= high.ttft_seconds
