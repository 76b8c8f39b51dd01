"""What a running engine's report amounts to on a device: four H200 with V4 Flash."""

from dataclasses import replace
from pathlib import Path

import pytest

from v4operator.catalogue import load
from v4operator.estimate.hbm import check
from v4operator.estimate.hbm_config import Unresolved
from v4operator.estimate.live_hbm import calibrated, fullest, live
from v4operator.estimate.live_words import sentence
from v4operator.model.deployment import HbmBudget, MemoryPlan
from v4operator.model.figures import Tag
from v4operator.model.layout import Layout
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.reading import EngineReading
from v4operator.model.units import GIB
from v4operator.observe.engines import read

_CATALOGUE = load()
_RECORDED = Path(__file__).parents[2] / "data/expositions"
_PLAN = MemoryPlan(
    checkpoint="deepseek-ai/DeepSeek-V4-Flash",
    engine="vllm",
    engine_version=None,
    engine_args=(),
    accelerator="h200-141",
    devices=4,
    layout=Layout(tensor=4),
    max_context_tokens=1_048_576,
    concurrency=1,
    budget=None,
)
_SGLANG = replace(_PLAN, engine="sglang")
_VISIBLE = 139.8 * GIB
_BLOCK = 1_002_240  # bytes, vLLM 0.33, Flash, FP8 indexer (capacity study 2.3)
# 0.92 x 139.8 GiB - weights 38.84 GiB - 6 GiB of overhead, in whole blocks: the model's own pool.
_BLOCKS = 89_752


def _read(text: str | bytes, version: str | None) -> EngineReading:
    found = read(text if isinstance(text, bytes) else text.encode(), version=version)
    assert isinstance(found, EngineReading)
    return found


def _vllm(
    *,
    blocks: int = _BLOCKS,
    tokens: int = 8_731_842,
    ranks: int = 1,
    version: str | None = "0.33.0",
) -> EngineReading:
    lines = (
        f'vllm:cache_config_info{{engine="{rank}",gpu_memory_utilization="0.92",'
        f'kv_cache_size_tokens="{tokens}",num_gpu_blocks="{blocks}"}} 1\n'
        for rank in range(ranks)
    )
    return _read("".join(lines), version)


def _sglang(
    *, tokens: int = 12_432_128, window: int | None = None, ranks: int = 1
) -> EngineReading:
    lines = [
        line
        for rank in range(ranks)
        for line in (
            f'sglang:max_total_num_tokens{{dp_rank="{rank}"}} {tokens}',
            f'sglang:weight_memory_usage_gb{{dp_rank="{rank}"}} 38.9',
            f'sglang:startup_available_gpu_memory_gb{{dp_rank="{rank}"}} 9.8',
        )
    ]
    if window is not None:
        lines += [
            f'sglang:max_total_num_tokens_swa{{dp_rank="{r}"}} {window}' for r in range(ranks)
        ]
    return _read("\n".join([*lines, ""]), "0.5.23")


def _live(reading: EngineReading, plan: MemoryPlan = _PLAN) -> LiveHbm:
    found = live(reading, plan, _CATALOGUE)
    assert isinstance(found, LiveHbm)
    return found


def _reasons(found: LiveHbm) -> list[str]:
    return [finding.reason for finding in found.findings]


def test_vllms_blocks_are_bytes_and_what_its_fraction_leaves_is_overhead() -> None:
    found = _live(_vllm())
    assert found.kv_pool.value == _BLOCKS * _BLOCK
    assert found.kv_pool.tag is Tag.DERIVED
    assert "89,752 blocks (num_gpu_blocks) / 1 ranks x 1,002,240 B" in found.kv_pool.source
    assert found.weights.value == pytest.approx(38.84 * GIB, rel=0.001)
    assert found.overhead.value == pytest.approx(6 * GIB, rel=0.001)
    assert found.used_bytes == pytest.approx(0.92 * _VISIBLE, rel=1e-6)
    assert not found.exceeds
    assert found.findings == ()
    assert found.pool.capacity_tokens == _BLOCKS * 256
    assert found.max_concurrency == _BLOCKS // 4126  # blocks of a 1M request (capacity study 6.1)


def test_blocks_are_summed_over_data_parallel_engines_already() -> None:
    plan = replace(_PLAN, layout=Layout(data=4))
    planned = check(replace(plan, engine_version="0.33.0"), _CATALOGUE)
    assert planned.pool is not None
    assert planned.reported_capacity_tokens is not None
    blocks = int(planned.pool.capacity_tokens / 256)
    found = _live(_vllm(blocks=blocks, tokens=planned.reported_capacity_tokens // 4, ranks=4), plan)
    assert found.kv_pool.value == pytest.approx(blocks / 4 * _BLOCK)
    assert found.pool.capacity_tokens == planned.pool.capacity_tokens
    assert found.max_concurrency == planned.max_concurrency
    assert found.findings == ()


def test_a_budget_below_what_the_engine_took_is_exceeded_live() -> None:
    found = _live(_vllm(), replace(_PLAN, budget=HbmBudget(size_bytes=100 * GIB)))
    assert found.budget_bytes == 100 * GIB
    assert found.exceeds
    told = sentence(found)
    assert told.startswith("Beyond the budget: a device holds 128.6 GiB of 100.0 GiB: weights 38.8")
    assert "overhead 6.0 GiB (derived: what 0.920 of the device leaves)" in told


def test_fewer_blocks_than_the_band_allows_are_named_and_are_not_overhead() -> None:
    found = _live(_vllm(blocks=7168, tokens=697_364))
    [finding] = found.findings
    assert finding.reason == "ModelDiffers"
    assert "KV pool: 6.7 GiB" in finding.message
    assert "75.4 GiB to 92.2 GiB by the capacity model" in finding.message
    assert found.overhead.tag is Tag.ESTIMATE
    assert found.overhead.value == 6 * GIB


def test_more_blocks_than_the_device_has_room_for_exceed_and_are_named() -> None:
    found = _live(_vllm(blocks=100_000, tokens=9_728_892))
    assert found.exceeds
    assert found.overhead.value == 0
    assert _reasons(found) == ["ModelDiffers"]


def test_vllms_capacity_is_compared_at_its_maximum_length() -> None:
    found = _live(_vllm(tokens=_BLOCKS * 256))  # every block full of tokens: no 1M planner says so
    assert _reasons(found) == ["ConfigMismatch"]
    assert "makes 8,731,8" in found.findings[0].message


def test_a_release_that_was_guessed_makes_the_pool_an_estimate() -> None:
    found = _live(_vllm(version=None))
    assert found.kv_pool.tag is Tag.ESTIMATE
    assert found.kv_pool.value == _BLOCKS * _BLOCK


def test_what_the_engine_says_goes_before_what_is_stated() -> None:
    plan = replace(_PLAN, engine_version="0.25.0", engine_args=("--gpu-memory-utilization", "0.85"))
    found = _live(_vllm(), plan)
    assert found.budget_bytes == pytest.approx(0.92 * _VISIBLE, rel=1e-6)
    messages = [finding.message for finding in found.findings]
    assert messages == [
        "memory fraction: 0.85 is stated, the engine reports 0.92; the engine's is used",
        "engine version: 0.25.0 is stated, the engine reports 0.33.0; the engine's is used",
    ]


def test_a_build_of_the_stated_release_is_no_mismatch() -> None:
    plan = replace(_PLAN, engine_version="0.33.0")
    assert _live(_vllm(version="0.33.0+cu129"), plan).findings == ()


def test_sglang_measures_weights_and_what_is_free() -> None:
    found = _live(_sglang(), _SGLANG)
    kv = 12_432_128 * (3899.25 + 0.1 * 31_875) + 256 * 10_485_760
    assert (found.weights.value, found.weights.tag) == (38.9 * GIB, Tag.MEASURED)
    assert found.kv_pool.value == pytest.approx(kv)
    assert found.overhead.tag is Tag.MEASURED
    assert found.overhead.value == pytest.approx(_VISIBLE - 9.8 * GIB - 38.9 * GIB - kv)
    assert found.used_bytes == pytest.approx(38.9 * GIB + kv)
    assert "outside this engine's budget" in sentence(found)
    assert found.findings == ()
    assert found.kv_capacity_tokens == 12_432_128


def test_sglangs_window_pool_counts_as_it_is() -> None:
    half = _live(_sglang(window=621_606), _SGLANG)  # half of the default ratio
    whole = _live(_sglang(), _SGLANG)
    assert whole.kv_pool.value - half.kv_pool.value == pytest.approx(621_606.8 * 31_875)


def test_sglangs_ranks_each_hold_their_own_pool() -> None:
    plan = replace(_SGLANG, layout=Layout(data=4))
    planned = check(replace(plan, engine_version="0.5.23"), _CATALOGUE)
    assert planned.reported_capacity_tokens is not None
    per_rank = planned.reported_capacity_tokens // 4
    found = _live(_sglang(tokens=per_rank, window=int(per_rank * 0.1), ranks=4), plan)
    assert found.pool.capacity_tokens == planned.reported_capacity_tokens
    assert found.max_concurrency == planned.max_concurrency
    assert found.kv_pool.value == pytest.approx(
        per_rank * (3899.25 + 0.1 * 31_875) + 64 * 10_485_760, rel=1e-6
    )


def test_without_free_memory_sglangs_overhead_is_the_band() -> None:
    found = _live(_read("sglang:max_total_num_tokens 12432128\n", "0.5.23"), _SGLANG)
    assert (found.weights.tag, found.overhead.tag) == (Tag.DERIVED, Tag.ESTIMATE)


def test_weights_that_are_not_the_models_are_named() -> None:
    reading = _sglang()
    assert reading.memory is not None
    heavier = replace(reading, memory=replace(reading.memory, weights_bytes=60 * GIB))
    found = _live(heavier, _SGLANG)
    assert _reasons(found) == ["ModelDiffers"]
    assert (
        "weights: 60.0 GiB (measured: sglang:weight_memory_usage_gb)" in found.findings[0].message
    )


@pytest.mark.parametrize(
    ("name", "version", "plan", "reasons"),
    [
        (
            "vllm-0.33.0-logger-load-mtp1.txt",
            "0.33.0",
            _PLAN,
            ["ModelDiffers", "ConfigMismatch"],
        ),
        ("sglang-0.5.23-collector-unified-load-5.txt", "0.5.23", _SGLANG, ["ModelDiffers"]),
    ],
)
def test_recorded_labels_of_v4_with_invented_pools_are_called_so(
    name: str, version: str, plan: MemoryPlan, reasons: list[str]
) -> None:
    assert _reasons(_live(_read((_RECORDED / name).read_bytes(), version), plan)) == reasons


@pytest.mark.parametrize(
    ("reading", "plan", "missing"),
    [
        pytest.param(
            _read("vllm:generation_tokens_total 1\n", "0.33.0"),
            _PLAN,
            "num_gpu_blocks: no vllm:cache_config_info: vLLM's Rust front end exports none",
            id="Rust front end",
        ),
        pytest.param(
            _read("sglang:num_running_reqs 1\n", "0.5.23"),
            _SGLANG,
            "kv_capacity_tokens: no sglang:max_total_num_tokens beside",
            id="no capacity",
        ),
        pytest.param(
            _read("trtllm_request_success_total 1\n", None),
            _PLAN,
            "engine 'tensorrt-llm' is not in the catalogue",
            id="no memory model",
        ),
        pytest.param(
            _vllm(), replace(_PLAN, kv_cache_dtype="bf16"), "the KV layout for bf16", id="KV format"
        ),
        pytest.param(
            _vllm(),
            replace(_PLAN, engine="vllm-ascend"),
            "no memory model of vllm-ascend is known",
            id="vLLM-Ascend",
        ),
        pytest.param(_vllm(version="0.10.2"), _PLAN, "no KV layout is known", id="before V4"),
    ],
)
def test_what_is_missing_for_a_live_verdict_is_named(
    reading: EngineReading, plan: MemoryPlan, missing: str
) -> None:
    found = live(reading, plan, _CATALOGUE)
    assert isinstance(found, Unresolved)
    assert missing in "; ".join(found.reasons)


def test_nim_around_vllm_is_judged_as_vllm() -> None:
    assert _live(_vllm(), replace(_PLAN, engine="nim")).kv_pool.value == _BLOCKS * _BLOCK


def test_of_several_replicas_the_fullest_speaks() -> None:
    readings = [_vllm(), _vllm(), _vllm(blocks=100_000, tokens=9_728_892)]
    found = fullest(readings, _PLAN, _CATALOGUE)
    assert isinstance(found, LiveHbm)
    assert found.kv_pool.value == 100_000 * _BLOCK
    assert fullest([], _PLAN, _CATALOGUE) is None
    silent = fullest([_read("vllm:generation_tokens_total 1\n", "0.33.0")], _PLAN, _CATALOGUE)
    assert isinstance(silent, Unresolved)


def test_calibration_takes_the_measured_pool_and_keeps_the_verdict() -> None:
    planned = check(replace(_PLAN, engine_version="0.33.0"), _CATALOGUE)
    lived = _live(_vllm(blocks=7168, tokens=697_364))
    found = calibrated(planned, lived)
    assert found.verdict is planned.verdict
    assert found.pool == lived.pool
    assert found.kv_cache_bytes is not None
    assert found.kv_cache_bytes.central == 7168 * _BLOCK
    assert found.max_concurrency == 1
