from dataclasses import replace

import pytest
from tests.plant import FLASH

from v4operator.estimate.calibration import StepSample, fit_from_prior, learn
from v4operator.estimate.throughput import (
    capacity,
    decode_cost,
    quantile,
    ttft_is_attainable,
)
from v4operator.model.deployment import Objectives
from v4operator.model.forecast import CapacityBound, Mix
from v4operator.model.hbm import KvPool
from v4operator.model.learned import StepFit
from v4operator.model.step import StepTime

PRO_B200 = StepTime(  # V4-Pro FP4 on 8 x B200, SGLang cookbook v0.5.15
    base_seconds=4.1e-3,
    per_sequence_seconds=0.075e-3,
    per_kv_token_seconds=0.59e-9,
    per_prefill_token_seconds=22.9e-6,
)
LATENCY = 1.0 / 30.0
OBJECTIVES = Objectives(ttft_seconds=2.0, inter_token_latency_seconds=LATENCY, attainment=0.99)


def mix(prompt: float, answer: float, *, prefill: float | None = None) -> Mix:
    return Mix(
        prompt_tokens=prompt,
        prefill_tokens=prompt if prefill is None else prefill,
        decode_tokens=answer,
        context_tokens=prompt + answer / 2,
    )


def fit_of(law: StepTime) -> StepFit:
    return replace(fit_from_prior(None), scale=law)


@pytest.mark.parametrize(
    ("law", "requests", "sequences", "tokens_per_second"),
    [
        pytest.param(FLASH, mix(8192, 1024), 54, 1600, id="Flash 4xH200 8k/1k"),
        pytest.param(FLASH, mix(1200, 1200), 71, 2100, id="Flash 4xH200 1.2k/1.2k"),
        pytest.param(PRO_B200, mix(8192, 1024), 113, 3400, id="Pro 8xB200 8k/1k"),
        pytest.param(PRO_B200, mix(1200, 1200), 298, 9000, id="Pro 8xB200 1.2k/1.2k"),
    ],
)
def test_batch_and_speed_at_the_latency_objective_are_the_published_ones(
    law: StepTime, requests: Mix, sequences: float, tokens_per_second: float
) -> None:
    found = decode_cost(law, requests).sequences_at_latency(LATENCY)
    assert found == pytest.approx(sequences, rel=0.02)
    assert found / LATENCY == pytest.approx(tokens_per_second, rel=0.03)


def test_batch_at_a_rate_is_the_batch_that_decodes_it() -> None:
    cost = decode_cost(FLASH, mix(1200, 1200))
    batch = cost.sequences_at_rate(2000.0)
    assert batch / cost.latency(batch) == pytest.approx(2000.0)


def test_no_batch_decodes_more_than_the_line_allows() -> None:
    cost = decode_cost(FLASH, mix(1200, 1200))
    assert cost.sequences_at_rate(1.01 / cost.token_seconds) == float("inf")


@pytest.mark.parametrize(
    ("requests", "pool", "max_running", "bound"),
    [
        pytest.param(mix(8192, 1024), 4e6, 256, CapacityBound.INTER_TOKEN_LATENCY, id="latency"),
        pytest.param(mix(8192, 1024), 140e3, 256, CapacityBound.KV_POOL, id="small pool"),
        pytest.param(mix(1200, 1200), 4e6, 32, CapacityBound.MAX_RUNNING, id="engine's own limit"),
        pytest.param(
            mix(8192, 100), 4e6, 256, CapacityBound.TTFT, id="long prompts, short answers"
        ),
    ],
)
def test_the_smallest_bound_decides(
    requests: Mix, pool: float, max_running: int, bound: CapacityBound
) -> None:
    found = capacity(
        fit_of(FLASH),
        requests,
        OBJECTIVES,
        pool=KvPool(capacity_tokens=pool, fixed_tokens_per_request=0.0),
        max_running=max_running,
    )
    assert found.bound is bound
    assert found.inter_token_latency_seconds < LATENCY
    assert found.decode_tokens_per_second == pytest.approx(
        found.sequences / found.inter_token_latency_seconds
    )
    assert found.requests_per_second * requests.decode_tokens == pytest.approx(
        found.decode_tokens_per_second
    )


def test_a_pool_is_planned_nine_tenths_full() -> None:
    found = capacity(
        fit_of(FLASH),
        mix(9000, 200),
        OBJECTIVES,
        pool=KvPool(capacity_tokens=91e3, fixed_tokens_per_request=0.0),
        max_running=None,
    )
    assert found.sequences == pytest.approx(9.0)


def test_the_attainment_sets_the_margin_below_the_objective() -> None:
    def sequences(attainment: float) -> float:
        objectives = replace(OBJECTIVES, attainment=attainment)
        requests = mix(8192, 1024)
        return capacity(fit_of(FLASH), requests, objectives, pool=None, max_running=None).sequences

    assert sequences(0.5) == pytest.approx(53.7, abs=0.1)
    assert sequences(0.99) == pytest.approx(45.9, abs=0.2)


def test_an_attainment_of_one_has_a_finite_margin() -> None:
    assert quantile(1.0) == pytest.approx(3.72, abs=0.01)
    assert quantile(0.1) == 0.0


def test_an_objective_below_an_empty_step_still_gives_a_replica_one_request() -> None:
    objectives = replace(OBJECTIVES, inter_token_latency_seconds=1e-3)
    found = capacity(fit_of(FLASH), mix(1200, 1200), objectives, pool=None, max_running=None)
    assert found.sequences == 1.0
    assert found.inter_token_latency_seconds > 1e-3


def test_a_cached_prompt_costs_no_prefill() -> None:
    found = capacity(
        fit_of(FLASH), mix(100e3, 500, prefill=0.0), OBJECTIVES, pool=None, max_running=None
    )
    assert found.bound is CapacityBound.INTER_TOKEN_LATENCY


@pytest.mark.parametrize(
    ("prompt", "attainable"),
    [
        pytest.param(8192, True, id="8k in 0.2 s"),
        pytest.param(90e3, True, id="90k in 1.8 s"),
        pytest.param(110e3, False, id="110k in 2.2 s"),
    ],
)
def test_a_prompt_that_takes_longer_than_the_ttft_objective_alone_is_unattainable(
    prompt: float, *, attainable: bool
) -> None:
    assert ttft_is_attainable(FLASH, mix(prompt, 500), OBJECTIVES) is attainable


def test_an_unattainable_ttft_does_not_shrink_a_replica_to_nothing() -> None:
    found = capacity(fit_of(FLASH), mix(200e3, 500), OBJECTIVES, pool=None, max_running=None)
    prefill = found.requests_per_second * 200e3 * FLASH.per_prefill_token_seconds
    assert prefill == pytest.approx(0.3, rel=0.01)


def test_the_source_says_how_far_the_fleet_has_been_heard() -> None:
    def source(fit: StepFit) -> str:
        return capacity(fit, mix(1200, 1200), OBJECTIVES, pool=None, max_running=None).source

    fresh = fit_of(FLASH)
    step = StepSample(sequences=5.0, kv_tokens=9e3, prefill_tokens=5.0, seconds=5e-3)
    few = learn(fresh, [step], remembered=1.0)
    busy = StepSample(sequences=50.0, kv_tokens=9e4, prefill_tokens=50.0, seconds=25e-3)
    many = learn(few, [step, busy] * 50, remembered=1.0)
    assert [source(fresh), source(few), source(many)] == [
        "catalogue",
        "catalogue, being corrected by this fleet",
        "fitted on this fleet",
    ]
