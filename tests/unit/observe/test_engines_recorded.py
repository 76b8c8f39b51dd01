"""Every recording of an engine reads right, and agrees with what the client saw."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from v4operator.model.reading import EngineReading
from v4operator.observe.engines import read

_FOLDER = Path(__file__).parents[2] / "data/expositions"
_FILES = sorted(path.name for path in _FOLDER.glob("*.txt"))
_RUNS = json.loads((_FOLDER / "index.json").read_text())
# Reasons and remarks: their absence needs no reason of its own.
_REMARKS = {"role", "role_reason", "timestamp", "version_reason", "significant_digits"}
_SIX = (
    "running_requests",
    "waiting_requests",
    "kv_usage_ratio",
    "kv_capacity_tokens",
    "decode_tokens_total",
    "prompt_tokens_total",
)


def _reading(name: str) -> EngineReading:
    found = read((_FOLDER / name).read_bytes())
    assert isinstance(found, EngineReading)
    return found


# Looked up in the texts; file, then the six figures in the order of _SIX.
@pytest.mark.parametrize(
    ("name", "six"),
    [
        ("sglang-0.5.23-cpu-before", (0, 0, 0, 4096, 18, 29)),
        ("sglang-0.5.23-cpu-during-05", (12, 0, 0.508056640625, 4096, 3822, 1493)),
        ("sglang-0.5.23-cpu-after", (0, 0, 0, 4096, 4794, 1493)),
        ("sglang-0.5.23-cpu-after-openmetrics", (0, 0, 0, 4096, 4794, 1493)),
        ("sglang-0.5.23-cpu-tp2-before", (0, 0, 0.006103515625, 4096, 7, 25)),
        ("sglang-0.5.23-cpu-tp2-after", (0, 0, 0, 4096, 1199, 351)),
        (
            "sglang-0.5.23-collector-unified-started-no-traffic",
            (None, None, None, 1835008, None, None),
        ),
        ("sglang-0.5.23-collector-pd-decode-load-4", (128, 88, 0.97, 1835008, 4057, 12288)),
        ("vllm-0.32.0-cpu-before", (0, 0, 0, 1048576, 0, 0)),
        ("vllm-0.32.0-cpu-after", (0, 0, 0, 1048576, 14400, 2922)),
        ("vllm-0.32.0-cpu-dp2-api2-before", (None, None, None, 8448, 0, 0)),
        ("vllm-0.32.0-cpu-dp2-api2-during-02", (3, 0, 0.0625, 8448, 4916, 1157)),
        ("vllm-0.32.0-cpu-rustfrontend0.33.0-before", (0, 0, 0, None, 0, None)),
        ("vllm-0.32.0-cpu-rustfrontend0.33.0-after", (0, 0, 0, None, 7200, 1464)),
        ("vllm-0.33.0-logger-fresh", (0, 0, 0, 1835008, 0, 0)),
        ("vllm-0.33.0-logger-load-mtp1", (120, 35, 0.91, 1835008, 7200, 0)),
        ("vllm-0.33.0-logger-pd-decode-nixl", (120, 35, 0.91, 1835008, 7200, 0)),
        ("llamacpp-0c1e570-cpu-before", (0, 0, None, None, 0, 0)),
        ("llamacpp-0c1e570-cpu-during-01", (4, 4, None, None, 0, 163)),
        ("llamacpp-0c1e570-cpu-after", (0, 0, None, None, 4800, 654)),
        ("llamacpp-0c1e570-cpu-after-plus1s", (0, 0, None, None, 4800, 654)),
        ("llamacpp-0c1e570-cpu-over-1e6-tokens", (0, 0, None, None, 5320, 1040651)),
    ],
)
def test_the_six_figures_are_those_in_the_text(name: str, six: Sequence[float | None]) -> None:
    reading = _reading(f"{name}.txt")
    assert tuple(getattr(reading, figure) for figure in _SIX) == six


def _series(
    families: Sequence[Metric], name: str, **labels: str
) -> list[tuple[Mapping[str, str], float]]:
    names = {name, name.replace(":", "_")}
    return [
        (sample.labels, sample.value)
        for family in families
        for sample in family.samples
        if sample.name in names and labels.items() <= sample.labels.items()
    ]


def _sum(families: Sequence[Metric], name: str, **labels: str) -> float | None:
    found = _series(families, name, **labels)
    return sum(value for _, value in found) if found else None


def _sglang_six(families: Sequence[Metric]) -> tuple[float | None, ...]:
    usage = _series(families, "sglang:full_token_usage")
    usage += _series(families, "sglang:swa_token_usage") if usage else []
    capacity = max(value for _, value in _series(families, "sglang:max_total_num_tokens"))
    prompts = [
        _sum(families, "sglang:realtime_tokens_total", mode=mode)
        for mode in ("prefill_compute", "prefill_cache")
    ]
    return (
        _sum(families, "sglang:num_running_reqs"),
        _sum(families, "sglang:num_queue_reqs"),
        max(value for _, value in usage) if usage else None,
        capacity,
        _sum(families, "sglang:realtime_tokens_total", mode="decode"),
        sum(part or 0 for part in prompts) if prompts[0] is not None else None,
    )


def _vllm_six(families: Sequence[Metric]) -> tuple[float | None, ...]:
    usage = _series(families, "vllm:kv_cache_usage_perc")
    configs = _series(families, "vllm:cache_config_info")
    return (
        _sum(families, "vllm:num_requests_running"),
        _sum(families, "vllm:num_requests_waiting"),
        max(value for _, value in usage) if usage else None,
        sum(float(labels["kv_cache_size_tokens"]) for labels, _ in configs) if configs else None,
        _sum(families, "vllm:generation_tokens_total"),
        _sum(families, "vllm:prompt_tokens_total"),
    )


def _llamacpp_six(families: Sequence[Metric]) -> tuple[float | None, ...]:
    prompts = [
        _sum(families, f"llamacpp:prompt_tokens{kind}_total") or 0 for kind in ("", "_cached")
    ]
    return (
        _sum(families, "llamacpp:requests_processing"),
        _sum(families, "llamacpp:requests_deferred"),
        None,
        None,
        _sum(families, "llamacpp:tokens_predicted_total"),
        sum(prompts),
    )


_SIX_OF = {"sglang": _sglang_six, "vllm": _vllm_six, "llamacpp": _llamacpp_six}


@pytest.mark.parametrize("name", _FILES)
def test_the_six_figures_are_those_that_another_parser_gives(name: str) -> None:
    families = list(text_string_to_metric_families((_FOLDER / name).read_text()))
    engine = name.partition("-")[0]
    six = _SIX_OF[engine](families)
    reading = _reading(name)
    assert reading.engine.value == engine
    assert tuple(getattr(reading, figure) for figure in _SIX) == six


@pytest.mark.parametrize("name", _FILES)
def test_every_absent_figure_has_a_reason(name: str) -> None:
    reading = _reading(name)
    missing = {figure.name for figure in reading.missing}
    absent = {
        field
        for field in EngineReading.__dataclass_fields__
        if getattr(reading, field) is None and field not in _REMARKS
    }
    assert absent <= missing
    assert reading.notes == ()


@pytest.mark.parametrize("name", _FILES)
def test_the_ranks_add_up_to_the_replica(name: str) -> None:
    reading = _reading(name)
    for figure in _SIX:
        whole = getattr(reading, figure)
        parts = [getattr(rank, figure) for rank in reading.ranks]
        fold = max if figure == "kv_usage_ratio" else sum
        assert whole == (fold(parts) if None not in parts else None)


@pytest.mark.parametrize("run", _RUNS, ids=lambda run: run["run"])
def test_counters_agree_with_what_the_client_saw(run: Mapping[str, Any]) -> None:
    before, after = (_reading(f"{run['run']}-{at}.txt") for at in ("before", "after"))
    decoded = _gain(before, after, "decode_tokens_total")
    client = run["client"]
    assert decoded == pytest.approx(client["completion_tokens"], rel=0.02)
    if not after.decode_includes_first_token:
        decoded += _gain(before, after, "first_tokens_total")
    assert decoded == client["completion_tokens"]
    assert _gain(before, after, "prompt_tokens_total") == client["prompt_tokens"]
    if after.finished_requests_total is not None:  # llama.cpp does not tell
        assert _gain(before, after, "finished_requests_total") == client["requests"]


def _gain(before: EngineReading, after: EngineReading, figure: str) -> float:
    # The Rust front end creates a counter at its first use: what is absent before counts from 0.
    start, end = getattr(before, figure) or 0.0, getattr(after, figure)
    assert isinstance(end, float)
    return end - float(start)


@pytest.mark.parametrize("run", _RUNS, ids=lambda run: run["run"])
def test_running_counters_never_fall_and_finished_ones_lag_behind_them(
    run: Mapping[str, Any],
) -> None:
    readings = [_reading(shot["file"]) for shot in run["snapshots"]]
    decoded = [reading.decode_tokens_total or 0.0 for reading in readings]
    assert decoded == sorted(decoded)
    for reading in readings:
        assert (reading.decode_tokens_total or 0) + (reading.first_tokens_total or 0) >= (
            reading.finished_decode_tokens_total or 0
        )


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("sglang-0.5.23-cpu-after", ">=0.5.23"),
        ("sglang-0.5.23-collector-unified-started-no-traffic", ">0.5.18"),
        ("vllm-0.32.0-cpu-after", ">0.28,<0.33"),
        ("vllm-0.32.0-cpu-dp2-api2-before", ">0.28,<0.33"),
        ("vllm-0.32.0-cpu-rustfrontend0.33.0-before", ">0.28"),
        ("vllm-0.33.0-logger-fresh", ">=0.33"),
    ],
)
def test_the_release_is_bracketed_by_the_families_present(name: str, version: str) -> None:
    reading = _reading(f"{name}.txt")
    assert reading.version == version
    assert reading.version_reason == "from the metric families present"


def test_vllm_states_its_blocks_once_for_all_engines() -> None:
    reading = _reading("vllm-0.32.0-cpu-dp2-api2-during-02.txt")
    assert reading.num_gpu_blocks == 66
    assert [rank.kv_capacity_tokens for rank in reading.ranks] == [4224, 4224]
    assert [rank.running_requests for rank in reading.ranks] == [1, 2]
    assert reading.memory_fraction == 0.92


def test_vllm_leaves_aborted_requests_out_of_the_finished_ones() -> None:
    reading = _reading("vllm-0.33.0-logger-load-mtp1.txt")
    assert reading.finished_requests_total == 60 + 60
    assert reading.preemptions_total == 3
    assert reading.drafts_total == 3000
    assert reading.accept_length == pytest.approx(1 + 1484 / 3000)


def test_sglang_tells_memory_role_and_accepted_length() -> None:
    reading = _reading("sglang-0.5.23-collector-pd-decode-load-4.txt")
    assert reading.role == "decode"
    assert reading.accept_length == 2.31
    assert reading.resident_tokens == 1_601_961
    assert reading.preemptions_total == 2
    assert reading.memory is not None
    assert reading.memory.weights_bytes == pytest.approx(38.92 * 2**30)
    assert reading.memory.graphs_bytes == pytest.approx(3.27 * 2**30)
    assert reading.memory.free_after_start_bytes == pytest.approx(9.84 * 2**30)


def test_the_queues_between_prefill_and_decode_stand_beside_the_engines_own() -> None:
    reading = _reading("sglang-0.5.23-collector-pd-decode-load-4.txt")
    assert reading.waiting_requests == 88
    assert reading.handover_waiting_requests == 0 + 4  # bootstrap, preallocation
    assert reading.handover_moving_requests == 0 + 9 + 0  # inflight, transfer, host receive
    unified = _reading("sglang-0.5.23-cpu-after.txt")
    assert (unified.handover_waiting_requests, unified.handover_moving_requests) == (0, 0)


def test_a_vllm_kv_consumer_is_a_decode_worker_by_its_metrics() -> None:
    reading = _reading("vllm-0.33.0-logger-pd-decode-nixl.txt")
    assert (reading.role, reading.handover_moving_requests) == ("decode", None)
    assert "fetches KV from another worker" in (reading.role_reason or "")
    assert _reading("vllm-0.33.0-logger-load-mtp1.txt").role is None


def test_sglang_tells_the_capacity_of_its_window_pool() -> None:
    name = "sglang-0.5.23-collector-unified-load-5.txt"
    assert _reading(name).kv_window_capacity_tokens == 183_552
    assert _reading("sglang-0.5.23-cpu-after.txt").kv_window_capacity_tokens is None


def test_llamacpp_says_which_counter_waits_for_the_end_and_how_coarse_it_is() -> None:
    reading = _reading("llamacpp-0c1e570-cpu-over-1e6-tokens.txt")
    assert reading.counted_at_finish == ("decode_tokens_total",)
    assert reading.significant_digits == 6
    assert reading.prefill_tokens_total == 1_040_650
    assert reading.finished_decode_tokens_total == reading.decode_tokens_total == 5320
    missing = {figure.name: figure.reason for figure in reading.missing}
    assert "/slots" in missing["kv_usage_ratio"]


def test_sglang_holds_no_context_when_it_runs_nothing_whatever_its_gauge_kept() -> None:
    reading = _reading("sglang-0.5.23-cpu-after.txt")  # decode_sum_seq_lens stands at 3049
    assert reading.resident_tokens == 0


def test_histograms_are_summed_over_their_series() -> None:
    latency = _reading("sglang-0.5.23-cpu-during-05.txt").time_to_first_token
    assert latency is not None
    assert latency.count == latency.counts[-1] == 2 + 24
    assert latency.total == pytest.approx(0.13464134194691724 + 2.1541040700008125)
    assert latency.edges[:3] == (0.1, 0.2, 0.4)
    assert latency.edges[-1] == float("inf")
