"""Verdicts on memory: their order, what decides them, what is said and what would help."""

from dataclasses import replace

import pytest

from v4operator.catalogue import load
from v4operator.estimate.hbm import check
from v4operator.estimate.hbm_fits import smallest_layouts
from v4operator.estimate.thinking import Thinking, context_finding
from v4operator.model.deployment import HbmBudget, MemoryPlan
from v4operator.model.figures import Tag
from v4operator.model.hbm import Finding, HbmReport, HbmVerdict
from v4operator.model.layout import Layout
from v4operator.model.units import GIB

CATALOGUE = load()
M1 = 1_048_576
PLAN = MemoryPlan(
    checkpoint="deepseek-ai/DeepSeek-V4-Flash",
    engine="vllm",
    engine_version="0.33.0",
    engine_args=(),
    accelerator="h200-141",
    devices=4,
    layout=Layout(tensor=4),
    max_context_tokens=131_072,
    concurrency=64,
    budget=None,
)
PRO = "deepseek-ai/DeepSeek-V4-Pro"
ONE_B200 = replace(PLAN, accelerator="b200", devices=1, layout=Layout(), concurrency=1)


def with_args(plan: MemoryPlan, *args: str) -> MemoryPlan:
    return replace(plan, engine_args=args)


def reasons(report: HbmReport) -> list[str]:
    return [finding.reason for finding in report.findings]


def finding(report: HbmReport, reason: str) -> Finding:
    return next(f for f in report.findings if f.reason == reason)


def hint(report: HbmReport) -> str:
    return report.findings[0].hint or ""


def test_a_plan_that_fits_says_so_with_every_figure() -> None:
    report = check(PLAN, CATALOGUE)
    assert report.verdict is HbmVerdict.FITS
    assert report.findings == ()
    assert report.sentence == (
        "Fits: TP4, weights of 38.8 GiB per device within the budget of 128.6 GiB, 83.8 GiB for "
        "KV, room for 165 requests of 131072 tokens."
    )
    assert report.memory_fraction == 0.92
    assert report.layout == PLAN.layout
    assert report.required_bytes is not None
    assert report.budget_bytes is not None
    assert report.required_bytes < report.budget_bytes


V41 = "deepseek-ai/DeepSeek-V4.1-Flash"
FP4_INDEXER = ("--attention-config", '{"indexer_kv_dtype": "mxfp4"}')
MISSING = [
    (replace(PLAN, checkpoint=V41), "the split of the weights of"),
    (replace(PLAN, checkpoint=V41), "the KV layout of"),
    (replace(PLAN, checkpoint="DeepSeek-V4-Flash-W8A8"), "the size of DeepSeek-V4-Flash-W8A8"),
    (replace(PLAN, accelerator="gb10"), "the memory that is visible on gb10"),
    (replace(PLAN, checkpoint="nobody/none"), "checkpoint 'nobody/none' is not in the catalogue"),
    (replace(PLAN, accelerator="z100"), "accelerator 'z100' is not in the catalogue"),
    (replace(PLAN, engine="qllm"), "engine 'qllm' is not in the catalogue"),
    (replace(PLAN, engine="nim"), "no memory model of nim"),
    (replace(PLAN, kv_cache_dtype="bfloat16"), "the KV layout for bfloat16"),
    (replace(PLAN, weight_bytes=1), "the split of the weights of"),
    (with_args(PLAN, "--gpu-memory-utilization", "lots"), "utilization lots' cannot be read"),
    (replace(with_args(PLAN, "--dp", "4"), engine="sglang"), "starts 4 whole copies"),
    (
        replace(with_args(PLAN, *FP4_INDEXER), engine_version="0.25.0"),
        "the KV block of flash with the fp4 indexer in vllm 0.25.0",
    ),
]


@pytest.mark.parametrize(("plan", "missing"), MISSING, ids=[text for _, text in MISSING])
def test_what_is_missing_is_named_and_never_guessed(plan: MemoryPlan, missing: str) -> None:
    report = check(plan, CATALOGUE)
    assert report.verdict is HbmVerdict.UNKNOWN
    assert missing in report.sentence
    assert report.weights_bytes is None
    assert report.pool is None
    assert report.sentence.startswith("Whether a replica fits its devices is not known: ")
    assert report.findings[0].reason == "Unknown"


@pytest.mark.parametrize(
    ("plan", "hint"),
    [
        (replace(PLAN, accelerator="z100"), "a catalogue of your own"),
        (replace(PLAN, accelerator="gb10"), "a catalogue of your own"),
        (replace(PLAN, args_unreadable="a script"), "into the pod's command and args"),
    ],
    ids=["a name", "a figure", "arguments"],
)
def test_what_to_do_about_an_unknown_verdict_is_told(plan: MemoryPlan, hint: str) -> None:
    assert hint in str(check(plan, CATALOGUE).findings[0].hint)


def test_a_draft_without_a_figure_is_missing_only_while_it_is_used() -> None:
    flash = next(c for c in CATALOGUE.checkpoints if c.name == PLAN.checkpoint)
    assert flash.weights is not None
    bare = replace(flash, weights=replace(flash.weights, draft_bytes=None))
    catalogue = replace(CATALOGUE, checkpoints=(bare,))
    assert check(PLAN, catalogue).verdict is HbmVerdict.FITS
    drafting = with_args(PLAN, "--speculative-config", '{"method": "mtp"}')
    assert "the size of the draft" in check(drafting, catalogue).sentence


UNSUPPORTED = [
    (replace(PLAN, accelerator="a100-80"), "a100-80 has no kernels for mxfp4"),
    (replace(PLAN, accelerator="mi300x"), "mi300x has no kernels for mxfp4"),
    (replace(PLAN, checkpoint="nvidia/DeepSeek-V4-Pro-NVFP4"), "no kernels for nvfp4"),
    (
        replace(PLAN, checkpoint="sgl-project/DeepSeek-V4-Flash-FP8", accelerator="mi300x"),
        "vllm does not run V4 on mi300x",
    ),
    (replace(PLAN, layout=Layout(tensor=2)), "does not make 4 devices"),
    (replace(PLAN, devices=3, layout=Layout(tensor=3)), "tensor 3 does not divide the 8 output"),
    (replace(PLAN, devices=16, layout=Layout(tensor=16)), "tensor 16 does not divide the 8"),
    (
        replace(PLAN, devices=3, layout=Layout(data=3, expert=True)),
        "3 ranks do not divide the 256 routed experts",
    ),
    (
        replace(PLAN, devices=44, layout=Layout(pipeline=44)),
        "pipeline 44 is more than the 43 layers",
    ),
    (replace(PLAN, engine_version="0.19.1"), "0.20 is the first that does"),
    (
        replace(PLAN, checkpoint="deepseek-v4-flash-0731", engine_version="0.24.0"),
        "0.25 is the first that does",
    ),
    (replace(PLAN, max_context_tokens=2 * M1), "beyond the 1048576"),
]


@pytest.mark.parametrize(("plan", "why"), UNSUPPORTED, ids=[text for _, text in UNSUPPORTED])
def test_what_nobody_can_start_is_unsupported_with_the_reason(plan: MemoryPlan, why: str) -> None:
    report = check(plan, CATALOGUE)
    assert report.verdict is HbmVerdict.UNSUPPORTED
    assert why in report.sentence


def test_an_impossible_layout_is_answered_with_one_that_fits() -> None:
    report = check(replace(PLAN, layout=Layout(tensor=2)), CATALOGUE)
    assert "TP4 on the same devices" in hint(report)


@pytest.mark.parametrize(
    ("plan", "tag"),
    [
        # The weights alone are too large: no estimate of overhead is needed to say so.
        (replace(PLAN, accelerator="h100-80", devices=2, layout=Layout(tensor=2)), Tag.DERIVED),
        (PLAN, Tag.DERIVED),
        # 0.06 GiB short at low overhead, which is an estimate.
        (
            replace(PLAN, checkpoint=PRO, devices=8, layout=Layout(tensor=8), moe_kernel="marlin"),
            Tag.ESTIMATE,
        ),
        (ONE_B200, Tag.ESTIMATE),
        (replace(PLAN, concurrency=10_000), Tag.DERIVED),
        (replace(PLAN, concurrency=166), Tag.ESTIMATE),
        (replace(PLAN, accelerator="gb300"), Tag.ESTIMATE),
    ],
)
def test_the_least_trusted_figure_that_decides_is_told(plan: MemoryPlan, tag: Tag) -> None:
    assert check(plan, CATALOGUE).decided_by is tag


def test_too_large_weights_are_answered_with_more_devices() -> None:
    two = replace(PLAN, accelerator="h100-80", devices=2, layout=Layout(tensor=2), concurrency=1)
    report = check(two, CATALOGUE)
    assert report.verdict is HbmVerdict.WEIGHTS_EXCEED
    assert hint(report) == "What would fit: 4 x h100-80 as TP4."


def test_marlin_on_pro_is_answered_with_a_kernel_that_does_not_grow() -> None:
    plan = replace(PLAN, checkpoint=PRO, devices=8, layout=Layout(tensor=8), concurrency=1)
    report = check(replace(plan, moe_kernel="marlin"), CATALOGUE)
    assert report.verdict is HbmVerdict.WEIGHTS_EXCEED
    assert "humming" in hint(report)
    assert check(replace(plan, moe_kernel="humming"), CATALOGUE).verdict.fits


def test_a_request_that_is_not_admitted_is_answered_with_what_would_admit_it() -> None:
    long = replace(ONE_B200, max_context_tokens=M1)
    report = check(long, CATALOGUE)
    assert report.verdict is HbmVerdict.ADMISSION_EXCEED
    assert "needs 16.3 GiB of KV to be admitted" in report.sentence
    told = hint(report)
    assert "--max-num-batched-tokens 8192" in told
    assert "a maximum context of 914432 tokens" in told
    assert "--gpu-memory-utilization 0.93" in told
    assert "2 x b200 as TP2" in told
    for fix in (
        with_args(long, "--max-num-batched-tokens", "8192"),
        replace(long, max_context_tokens=914_432),
        with_args(long, "--gpu-memory-utilization", "0.93"),
        replace(long, devices=2, layout=Layout(tensor=2)),
    ):
        assert check(fix, CATALOGUE).verdict.fits
    beyond = replace(long, max_context_tokens=914_432 + 1024)
    assert check(beyond, CATALOGUE).verdict is HbmVerdict.ADMISSION_EXCEED


def test_too_many_requests_are_answered_with_fewer_or_with_another_layout() -> None:
    report = check(replace(PLAN, concurrency=200), CATALOGUE)
    assert report.verdict is HbmVerdict.CONCURRENCY_EXCEED
    assert "200 requests of 131072 tokens are asked for and 165 fit" in report.sentence
    assert "a concurrency of 165" in hint(report)
    assert "DEP4 on the same devices" in hint(report)


def test_a_concurrency_that_high_overhead_would_not_hold_is_named() -> None:
    report = check(replace(PLAN, concurrency=165), CATALOGUE)
    assert report.verdict is HbmVerdict.FITS
    assert "room for 153 requests, not 165" in finding(report, "ConcurrencyTight").message


def test_more_requests_than_the_engine_runs_are_named() -> None:
    report = check(with_args(PLAN, "--max-num-seqs", "16"), CATALOGUE)
    assert report.verdict is HbmVerdict.FITS
    assert "64 requests are asked for, 16 run" in finding(report, "RunningLimit").message


@pytest.mark.parametrize(
    ("budget", "fraction"),
    [
        (HbmBudget(ratio=0.5), 0.5),
        (HbmBudget(ratio=0.99), 0.92),
        (HbmBudget(size_bytes=70 * GIB), 70 / 139.8),
        (HbmBudget(), 0.92),
    ],
)
def test_the_budget_is_the_smaller_of_the_users_and_the_engines(
    budget: HbmBudget, fraction: float
) -> None:
    report = check(replace(PLAN, budget=budget), CATALOGUE)
    assert report.memory_fraction == pytest.approx(fraction)
    assert report.budget_bytes == pytest.approx(fraction * 139.8 * GIB, abs=1)
    assert ("BudgetBelowEngineFraction" in reasons(report)) is (fraction < 0.92)


def test_a_budget_that_the_engine_does_not_know_is_answered_with_its_flag() -> None:
    tight = replace(PLAN, budget=HbmBudget(ratio=0.5))
    told = finding(check(tight, CATALOGUE), "BudgetBelowEngineFraction")
    assert told.hint == "Start it with --gpu-memory-utilization 0.500."
    told = finding(check(replace(tight, engine="sglang"), CATALOGUE), "BudgetBelowEngineFraction")
    assert told.hint == "Start it with --mem-fraction-static 0.500."


def test_a_budget_below_the_weights_is_answered_with_a_larger_one() -> None:
    report = check(replace(PLAN, budget=HbmBudget(ratio=0.25), concurrency=1), CATALOGUE)
    assert report.verdict is HbmVerdict.WEIGHTS_EXCEED
    assert "a budget of 0.35" in hint(report)
    raised = replace(PLAN, budget=HbmBudget(ratio=0.35), concurrency=1)
    assert check(raised, CATALOGUE).verdict.fits


@pytest.mark.parametrize(
    ("version", "fraction", "kernel"),
    [("0.21.0", 0.90, "marlin"), ("0.22.0", 0.92, "marlin"), ("0.28", 0.92, "native")],
)
def test_defaults_are_those_of_the_release(version: str, fraction: float, kernel: str) -> None:
    report = check(replace(PLAN, engine_version=version), CATALOGUE)
    assert report.memory_fraction == fraction
    assert report.moe_kernel == kernel


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (None, "EngineVersionAssumed"),
        ("latest", "EngineVersionAssumed"),
        ("0.34.0", "EngineVersionNewer"),
        ("0.30.0", "KvLayoutUncertain"),
    ],
)
def test_a_release_that_was_not_read_is_a_finding(version: str | None, reason: str) -> None:
    report = check(replace(PLAN, engine_version=version), CATALOGUE)
    assert report.verdict is HbmVerdict.FITS
    assert reasons(report) == [reason]


def test_experts_that_need_no_fp4_kernel_have_none() -> None:
    plan = replace(PLAN, checkpoint="sgl-project/DeepSeek-V4-Flash-FP8", moe_kernel="marlin")
    assert check(plan, CATALOGUE).moe_kernel is None


def test_speculation_adds_the_draft_and_says_what_it_leaves_out() -> None:
    drafting = check(with_args(PLAN, "--speculative-config", '{"method": "mtp"}'), CATALOGUE)
    plain = check(PLAN, CATALOGUE)
    assert drafting.weights_bytes is not None
    assert plain.weights_bytes is not None
    assert drafting.weights_bytes - plain.weights_bytes == pytest.approx(3.59e9 / 4 * 1.043)
    assert reasons(drafting) == ["SpeculationKvUnmodelled"]


def test_arguments_win_over_the_plan_and_a_disagreement_is_named() -> None:
    args = ("--tensor-parallel-size=2", "--data-parallel-size", "2", "--max-model-len", "64K")
    report = check(with_args(PLAN, *args, "--enable-expert-parallel"), CATALOGUE)
    assert report.layout == Layout(tensor=2, data=2, expert=True)
    assert report.context_tokens == 65_536
    told = [f.message for f in report.findings if f.reason == "ConfigMismatch"]
    assert len(told) == 3
    assert told[0].startswith("parallelism: the plan says TP4, the engine arguments say DP2xTP2")


def test_unknown_arguments_are_listed() -> None:
    report = check(with_args(PLAN, "--port", "8000", "--quantum", "--flux=7"), CATALOGUE)
    message = finding(report, "UnknownArguments").message
    assert message == "Arguments of unknown effect on memory: --quantum, --flux 7."


def test_more_pipeline_stages_share_weights_and_kv_and_reserve_a_batch_more() -> None:
    whole = check(replace(PLAN, concurrency=1), CATALOGUE)
    halves = check(replace(PLAN, layout=Layout(tensor=2, pipeline=2), concurrency=1), CATALOGUE)
    assert halves.kv_bytes_per_request == (whole.kv_bytes_per_request or 0) // 2
    # Three batches in flight instead of two at the same length.
    assert halves.required_bytes is not None
    assert halves.reported_capacity_tokens is not None


def test_without_asynchronous_scheduling_one_batch_is_reserved_for() -> None:
    long = replace(ONE_B200, max_context_tokens=M1)
    assert check(with_args(long, "--no-async-scheduling"), CATALOGUE).verdict.fits


def test_a_pool_given_in_bytes_is_taken_as_it_is() -> None:
    report = check(with_args(PLAN, "--kv-cache-memory-bytes", str(40 * GIB)), CATALOGUE)
    assert report.kv_cache_bytes is not None
    assert report.kv_cache_bytes.low == report.kv_cache_bytes.high == 40 * GIB
    assert report.memory_fraction == 1.0


def test_a_fine_tune_is_checked_with_its_own_size() -> None:
    report = check(replace(PLAN, weight_bytes=170_000_000_000), CATALOGUE)
    larger = (report.weights_bytes or 0) - (check(PLAN, CATALOGUE).weights_bytes or 0)
    assert larger == pytest.approx((170e9 - 159.6e9) / 4 * 1.043, rel=1e-6)


def test_small_devices_prefill_fewer_tokens_at_once() -> None:
    plan = replace(
        PLAN,
        checkpoint="sgl-project/DeepSeek-V4-Flash-FP8",
        accelerator="l20",
        devices=16,
        layout=Layout(tensor=8, data=2),
    )
    # 2048 batched tokens, two batches: the reserve is a quarter of that of a larger device.
    assert check(replace(plan, concurrency=1), CATALOGUE).verdict.fits


def test_the_pool_of_the_throughput_model_holds_what_the_report_says() -> None:
    report = check(replace(PLAN, layout=Layout(data=4, expert=True)), CATALOGUE)
    assert report.pool is not None
    assert report.pool.fixed_tokens_per_request == 7_680  # 30 blocks of 256 tokens
    assert report.pool.sequences(131_072) == pytest.approx(report.max_concurrency, rel=0.01)
    assert report.kv_capacity_tokens is not None
    assert report.pool.sequences(131_072) * 131_072 == pytest.approx(
        report.kv_capacity_tokens, rel=0.001
    )


def test_the_smallest_layouts_are_those_of_the_capacity_study() -> None:
    asked = replace(PLAN, max_context_tokens=36_864, concurrency=1)
    found: dict[str, int] = {}
    for fit in smallest_layouts(asked, CATALOGUE, CATALOGUE.accelerators):
        found.setdefault(fit.accelerator.name, fit.devices)
    assert found["h100-80"] == 4
    assert found["h200-141"] == 2
    assert found["b200"] == found["b300"] == found["gb300"] == 1
    assert found["mi325x"] == found["mi355x"] == 1
    assert found["rtx-pro-6000"] == found["gh200-96"] == 2
    assert "a100-80" not in found
    assert "gb10" not in found


def test_the_smallest_layouts_for_pro_are_those_of_the_capacity_study() -> None:
    asked = replace(PLAN, checkpoint=PRO, max_context_tokens=36_864, concurrency=1)
    found: dict[str, int] = {}
    for fit in smallest_layouts(asked, CATALOGUE, CATALOGUE.accelerators):
        found.setdefault(fit.accelerator.name, fit.devices)
    assert found["h100-80"] == 16
    assert found["h200-141"] == found["b200"] == 8
    assert found["b300"] == found["gb300"] == found["mi355x"] == 4


def test_a_published_layout_comes_with_speed_and_price() -> None:
    h200 = tuple(a for a in CATALOGUE.accelerators if a.name == "h200-141")
    fits = smallest_layouts(PLAN, CATALOGUE, h200)
    four = next(fit for fit in fits if fit.devices == 4)
    assert four.sequences == 165
    # 165 sequences of 128K: 2.9 ms + 165 x 0.28 ms + 21.6 M x 0.45 ns.
    assert four.decode_tokens_per_second == pytest.approx(165 / 0.058832, rel=1e-4)
    assert four.usd_per_hour == 14.0
    assert four.usd_per_million_tokens == pytest.approx(14.0 / (2804.6 * 3600) * 1e6, rel=1e-3)
    two = next(fit for fit in fits if fit.devices == 2)
    assert two.decode_tokens_per_second is None
    assert two.usd_per_million_tokens is None


def test_no_layout_is_offered_for_an_engine_without_a_memory_model() -> None:
    nim = replace(PLAN, engine="nim")
    assert smallest_layouts(nim, CATALOGUE, CATALOGUE.accelerators) == ()


def test_think_max_wants_384k_of_context() -> None:
    found = context_finding(Thinking.THINK_MAX, 131_072)
    assert found is not None
    assert "393216" in found.message
    assert context_finding(Thinking.THINK_MAX, 393_216) is None
    assert context_finding(Thinking.THINK, 4_096) is None
    assert context_finding(None, 4_096) is None
