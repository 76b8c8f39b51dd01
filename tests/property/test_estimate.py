"""What must be true of the estimate for any input."""

from dataclasses import replace
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plant import DEPLOYMENT, FLASH, HBM, interval, profile, replica_with, scaled

from v4operator.estimate.calibration import StepSample, confidence, fit_from_prior, learn
from v4operator.estimate.forecast import forecast
from v4operator.estimate.throughput import capacity, decode_cost
from v4operator.estimate.trend import slope
from v4operator.model.deployment import Objectives
from v4operator.model.forecast import Mix
from v4operator.model.hbm import KvPool
from v4operator.model.learned import Learned, key_of_fit
from v4operator.model.observation import Observation, ReplicaObservation, Workload

rates = st.one_of(st.none(), st.floats(0.0, 1e6))
steps = st.builds(
    StepSample,
    sequences=st.floats(2.0, 4096.0),
    kv_tokens=st.floats(0.0, 1e8),
    prefill_tokens=st.floats(0.0, 1e5),
    seconds=st.floats(1e-4, 100.0),
)
mixes = st.builds(
    lambda prompt, cached, answer: Mix(
        prompt_tokens=prompt,
        prefill_tokens=prompt * (1.0 - cached),
        decode_tokens=answer,
        context_tokens=prompt + answer / 2,
    ),
    prompt=st.floats(1.0, 1e6),
    cached=st.floats(0.0, 1.0),
    answer=st.floats(1.0, 1e5),
)


@given(st.lists(steps, max_size=30), st.floats(0.01, 1.0))
def test_no_coefficient_is_ever_negative_and_confidence_is_a_ratio(
    samples: list[StepSample], remembered: float
) -> None:
    fit = fit_from_prior(profile(FLASH))
    for sample in samples:
        fit = learn(fit, [sample], remembered=remembered)
        assert min(fit.factors) > 0.0
        assert 0.0 <= confidence(fit, sample) <= 1.0


@given(mixes, st.floats(5e-3, 1.0), st.floats(0.1, 60.0), st.floats(0.5, 1.0), st.floats(1e3, 1e8))
def test_a_capacity_is_positive_and_keeps_the_latency_it_can(
    mix: Mix, latency: float, ttft: float, attainment: float, pool: float
) -> None:
    objectives = Objectives(
        ttft_seconds=ttft, inter_token_latency_seconds=latency, attainment=attainment
    )
    found = capacity(
        fit_from_prior(profile(FLASH)),
        mix,
        objectives,
        pool=KvPool(capacity_tokens=pool, fixed_tokens_per_request=100.0),
        max_running=256,
    )
    assert 0.0 < found.sequences <= 256.0
    assert 0.0 < found.decode_tokens_per_second < float("inf")
    one = decode_cost(FLASH, mix).latency(1.0)
    assert found.inter_token_latency_seconds <= max(latency, one) * (1 + 1e-9)


@given(mixes, st.floats(1.0, 3.0))
def test_a_slower_law_carries_less(mix: Mix, factor: float) -> None:
    def speed(law_factor: float) -> float:
        fit = fit_from_prior(profile(scaled(FLASH, law_factor)))
        return capacity(
            fit, mix, DEPLOYMENT.objectives, pool=None, max_running=None
        ).decode_tokens_per_second

    assert speed(factor) <= speed(1.0) * (1 + 1e-9)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_a_trend_is_never_negative(values: list[float]) -> None:
    found = slope([30.0 * i for i in range(len(values))], values)
    assert 0.0 <= found < float("inf")


@st.composite
def replicas(draw: st.DrawFn) -> ReplicaObservation:
    name = draw(st.sampled_from("abcdef"))
    figures: dict[str, Any] = {
        field: draw(rates)
        for field in ("running", "decode", "prefill", "prompt", "first", "kv_tokens", "accept")
    }
    base = replica_with(name, 1000.0, ready_at=draw(st.floats(0.0, 1000.0)), **figures)
    polls = tuple(
        interval(1000.0 - 5.0 * (i + 1), 1000.0 - 5.0 * i, **figures)
        for i in range(draw(st.integers(0, 12)))
    )
    return replace(base, intervals=polls, fresh=draw(st.booleans()))


@settings(max_examples=60)
@given(st.lists(replicas(), max_size=6, unique_by=lambda r: r.replica.name))
def test_whatever_is_seen_the_forecast_is_finite_and_never_below_the_present(
    seen: list[ReplicaObservation],
) -> None:
    workload = Workload(desired=len(seen), version="1", replicas=tuple(r.replica for r in seen))
    learned = Learned.empty(key_of_fit(DEPLOYMENT))
    for now in (1000.0, 1040.0, 1080.0):
        observation = Observation(
            now=now, deployment=DEPLOYMENT, workload=workload, replicas=tuple(seen)
        )
        found, learned = forecast(observation, learned, HBM, profile(FLASH))
        demand = found.demand
        assert isfinite(demand.horizon_replicas)
        assert 0.0 <= demand.now_replicas <= demand.horizon_replicas
        assert demand.computable is (demand.reason is None)
        assert len(found.replicas) == len(seen)
        for replica in found.replicas:
            assert 0.0 <= replica.speed_ratio <= 1.0
            assert replica.expected_decode_tokens >= 0.0


@given(st.integers(1, 5))
def test_expected_tokens_are_the_same_however_the_time_is_cut(pieces: int) -> None:
    whole = interval(940.0, 1000.0, kv_tokens=1e4)
    cut = tuple(
        replace(whole, start=940.0 + 60.0 / pieces * i, end=940.0 + 60.0 / pieces * (i + 1))
        for i in range(pieces)
    )
    seen = replace(replica_with("a", 1000.0), intervals=cut)
    workload = Workload(desired=1, version="1", replicas=(seen.replica,))
    observation = Observation(
        now=1000.0, deployment=DEPLOYMENT, workload=workload, replicas=(seen,)
    )
    found, _ = forecast(observation, Learned.empty(key_of_fit(DEPLOYMENT)), HBM, profile(FLASH))
    expected = 60.0 * FLASH.decode_tokens_per_second(
        sequences=20.0, kv_tokens=1e4, prefill_tokens_per_second=1000.0
    )
    assert found.replicas[0].expected_decode_tokens == pytest.approx(expected)
