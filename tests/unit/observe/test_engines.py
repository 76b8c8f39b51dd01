"""Ranks, absences and impossible values, on texts made up for the case."""

import gzip

import pytest

from v4operator.model.reading import EngineReading
from v4operator.observe.engines import NotAnEngine, read


def _reading(*lines: str, version: str | None = None) -> EngineReading:
    found = read("".join(f"{line}\n" for line in lines).encode(), version=version)
    assert isinstance(found, EngineReading)
    return found


def _reason(reading: EngineReading, name: str) -> str:
    [reason] = [missing.reason for missing in reading.missing if missing.name == name]
    return reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" \n\n", "empty", id="blank"),
        pytest.param(b"<html><body>502</body></html>", "HTML", id="HTML"),
        pytest.param(b'{"error": "Loading model"}', "JSON", id="JSON"),
        pytest.param(b"[1]", "JSON", id="a JSON list"),
        pytest.param(gzip.compress(b"up 1\n"), "gzip", id="gzip"),
        pytest.param(b"\x7fELF\x00\x01", "binary", id="binary"),
        pytest.param(b"# HELP up x\n", "only comments", id="comments"),
        pytest.param(b"42\n", "no line reads as a sample", id="numbers"),
        pytest.param(
            b'http_requests_total{a="b"} 1\npython_info 1\nup 1\n',
            "found names starting with http_, python_, up",
            id="another program",
        ),
        pytest.param(b"prompt_tokens_total 1\n", "starting with prompt_", id="anybody's tokens"),
        pytest.param(
            b'vllm:num_requests_running{engine="0"} 1\nsglang:num_running_reqs 1\n',
            "samples of sglang and vllm",
            id="two engines",
        ),
        pytest.param(
            b'vllm:num_requests_running{engine="0"} 1\nvllm:num_requests_wait',
            "cut off in the middle of a line: 'vllm:num_requests_wait'",
            id="cut off",
        ),
        pytest.param(
            b'vllm:num_requests_running{engine="0"} NaN\nvllm:num_requests_waiting +Inf\n',
            "not one of the samples is a number",
            id="no number",
        ),
    ],
)
def test_a_text_of_no_engine_is_told_by_what_was_found(text: bytes, reason: str) -> None:
    found = read(text)
    assert isinstance(found, NotAnEngine)
    assert reason in found.reason


def test_an_engine_is_recognised_by_its_prefix_where_nothing_wanted_is_there() -> None:
    reading = _reading("vllm:iteration_tokens_total_count 3")
    assert reading.engine == "vllm"
    assert reading.ranks == ()
    assert reading.version is None
    assert "no metric family present" in _reason(reading, "version")


def test_a_number_that_may_be_cut_is_left_out_with_a_note() -> None:
    text = b'vllm:num_requests_running{engine="0"} 1\nvllm:generation_tokens_total{engine="0"} 144'
    reading = read(text)
    assert isinstance(reading, EngineReading)
    assert reading.decode_tokens_total is None
    assert reading.running_requests == 1
    assert reading.version is None  # families that are not there may have been cut off
    assert reading.notes == ("1 last line not read: it has no line feed, so may be cut",)


def test_a_figure_with_an_unreadable_line_is_unknown_instead_of_part_of_a_sum() -> None:
    reading = _reading(
        'vllm:generation_tokens_total{engine="0"} 5',
        'vllm:generation_tokens_total{engine="1"} five',
        'vllm:prompt_tokens_total{engine="0"} 7',
        'vllm:cache_config_info{engine="0",kv_cache_size_tokens="500"} 1',
        'vllm:cache_config_info{engine="1",kv_cache_size_tokens="500"',
        'vllm:time_to_first_token_seconds_bucket{le="+Inf"} 1',
        'vllm:time_to_first_token_seconds_bucket{le="+Inf} 1',
        "vllm:time_to_first_token_seconds_sum 1",
        "vllm:time_to_first_token_seconds_count 1",
    )
    assert reading.decode_tokens_total is None
    assert [rank.decode_tokens_total for rank in reading.ranks] == [5]
    assert "could not be read" in _reason(reading, "decode_tokens_total")
    assert reading.prompt_tokens_total == 7
    assert reading.kv_capacity_tokens is None
    assert reading.time_to_first_token is None
    assert "could not be read" in _reason(reading, "time_to_first_token")


def test_more_lines_than_any_deployment_has_are_refused() -> None:
    found = read(b"sglang:num_running_reqs 1\n" + b"\n" * 1_000_000)
    assert isinstance(found, NotAnEngine)
    assert "lines more than any deployment" in found.reason


def test_notes_tell_what_of_the_text_could_not_be_used() -> None:
    reading = _reading(
        'vllm:num_requests_running{engine="0"} 1',
        'vllm:num_requests_running{engine="0"} 7',
        'vllm:num_requests_running{engine="1} 1',
    )
    assert reading.running_requests is None
    assert [rank.running_requests for rank in reading.ranks] == [1]
    assert reading.notes == (
        "1 malformed lines skipped",
        "1 duplicate series: the first counts",
    )


def test_the_exact_version_goes_before_the_bracket() -> None:
    reading = _reading("sglang:max_total_num_tokens 10", version="0.5.23")
    assert (reading.version, reading.version_reason) == ("0.5.23", None)


def test_the_texts_own_time_is_the_readings() -> None:
    assert _reading("sglang:num_running_reqs 1 1795432205893").timestamp == 1795432205.893


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        pytest.param(["vllm:cache_config_info 1"], "<0.24", id="vLLM before the token capacity"),
        pytest.param(
            ['vllm:cache_config_info{kv_cache_size_tokens="9"} 1'], ">=0.24,<0.32", id="vLLM 0.24"
        ),
        pytest.param(["sglang:max_total_num_tokens 9"], "<0.5.12", id="SGLang before V4"),
        pytest.param(
            [
                "sglang:max_total_num_tokens 9",
                "sglang:token_usage 0.1",
                "sglang:weight_memory_usage_gb 1",
                "sglang:scheduler_idle_seconds_total 1",
            ],
            ">0.5.18,<0.5.22",
            id="SGLang 0.5.20",
        ),
        pytest.param(["sglang:num_running_reqs 1"], None, id="nothing that dates it"),
    ],
)
def test_releases_are_bracketed(lines: list[str], version: str | None) -> None:
    assert _reading(*lines).version == version


def test_four_vllm_ranks_are_summed_and_the_fullest_counts() -> None:
    config = 'kv_cache_size_tokens="500",num_gpu_blocks="40",gpu_memory_utilization="0.9"'
    lines = [
        line
        for rank in range(4)
        for line in (
            f'vllm:num_requests_running{{engine="{rank}"}} {rank}',
            f'vllm:kv_cache_usage_perc{{engine="{rank}"}} 0.{rank}',
            f'vllm:generation_tokens_total{{engine="{rank}"}} {1000 * rank}',
            f'vllm:cache_config_info{{engine="{rank}",{config}}} 1',
        )
    ]
    reading = _reading(*lines)
    assert reading.running_requests == 6
    assert reading.kv_usage_ratio == 0.3
    assert reading.decode_tokens_total == 6000
    assert reading.kv_capacity_tokens == 2000
    assert reading.num_gpu_blocks == 40
    assert [rank.rank for rank in reading.ranks] == [0, 1, 2, 3]
    assert [rank.running_requests for rank in reading.ranks] == [0, 1, 2, 3]


def test_a_rank_that_has_not_stepped_yet_adds_nothing_and_is_named() -> None:
    reading = _reading(
        'vllm:num_requests_running{engine="0"} 2',
        'vllm:generation_tokens_total{engine="0"} 5',
        'vllm:generation_tokens_total{engine="1"} 0',
    )
    assert reading.running_requests == 2
    assert [rank.running_requests for rank in reading.ranks] == [2, None]
    assert _reason(reading, "ranks[1].running_requests") == "no series yet"


def test_one_impossible_rank_leaves_the_others_their_own_figure() -> None:
    reading = _reading(
        'vllm:num_requests_running{engine="0"} NaN', 'vllm:num_requests_running{engine="1"} 3'
    )
    assert reading.running_requests is None
    assert [rank.running_requests for rank in reading.ranks] == [3]
    assert _reason(reading, "running_requests") == "vllm:num_requests_running is nan"


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "97"])
def test_what_cannot_be_a_ratio_is_none(value: str) -> None:
    running = 'vllm:num_requests_running{engine="0"} 3'
    reading = _reading(running, f'vllm:kv_cache_usage_perc{{engine="0"}} {value}')
    assert reading.kv_usage_ratio is None
    assert "vllm:kv_cache_usage_perc is" in _reason(reading, "kv_usage_ratio")


def test_a_ratio_a_rounding_error_above_one_is_one() -> None:
    assert _reading('vllm:kv_cache_usage_perc{engine="0"} 1.0000001').kv_usage_ratio == 1.0


@pytest.mark.parametrize(
    ("engine", "running"),
    [("", 1.0), ("None", 1.0), ("7", 1.0), ("x", None), ("-1", None), ("9" * 5000, None)],
)
def test_a_rank_is_a_short_number(engine: str, running: float | None) -> None:
    reading = _reading(f'vllm:num_requests_running{{engine="{engine}"}} 1')
    assert reading.running_requests == running


def test_vllm_prefill_is_what_was_computed() -> None:
    reading = _reading(
        'vllm:prompt_tokens_total{engine="0"} 100',
        'vllm:prompt_tokens_by_source_total{engine="0",source="local_compute"} 60',
        'vllm:prompt_tokens_by_source_total{engine="0",source="local_cache_hit"} 40',
    )
    assert (reading.prompt_tokens_total, reading.prefill_tokens_total) == (100, 60)


def test_vllm_prefill_without_sources_is_all_less_the_cached() -> None:
    reading = _reading(
        'vllm:prompt_tokens_total{engine="0"} 100', 'vllm:prompt_tokens_cached_total{engine="0"} 30'
    )
    assert reading.prefill_tokens_total == 70


def test_vllm_prefill_is_unknown_where_neither_is_told() -> None:
    assert _reading('vllm:prompt_tokens_total{engine="0"} 100').prefill_tokens_total is None


def test_vllm_before_its_first_draft_has_no_accepted_length() -> None:
    reading = _reading(
        'vllm:spec_decode_num_drafts_total{engine="0"} 0',
        'vllm:spec_decode_num_accepted_tokens_total{engine="0"} 0',
    )
    assert reading.accept_length is None
    assert _reason(reading, "accept_length") == "no draft round yet"


@pytest.mark.parametrize("label", ["None", "", "soon", "-5", "inf"])
def test_a_capacity_that_is_no_number_is_none(label: str) -> None:
    reading = _reading(f'vllm:cache_config_info{{engine="0",kv_cache_size_tokens="{label}"}} 1')
    assert reading.kv_capacity_tokens is None
    assert "0.24.0" in _reason(reading, "kv_capacity_tokens")
    assert "no num_gpu_blocks" in _reason(reading, "num_gpu_blocks")


def _sglang(dp: int, tp: int, pp: int = 0) -> str:
    return f'dp_rank="{dp}",tp_rank="{tp}",pp_rank="{pp}",moe_ep_rank="0"'


def test_sglang_copies_within_a_rank_are_not_summed() -> None:
    lines = [
        f"sglang:{sample}{{{_sglang(dp, tp, pp)}{more}}} {value}"
        for dp in range(2)
        for tp in range(2)
        for pp in range(2)
        for sample, more, value in (
            ("max_total_num_tokens", "", 1000),
            ("num_running_reqs", "", 5 + dp),
            ("realtime_tokens_total", ',mode="decode"', 70),
            ("realtime_tokens_total", ',mode="prefill_compute"', 20),
            ("realtime_tokens_total", ',mode="prefill_cache"', 3),
        )
    ]
    reading = _reading(*lines)
    assert reading.kv_capacity_tokens == 2000
    assert reading.running_requests == 11
    assert reading.decode_tokens_total == 140
    assert reading.prompt_tokens_total == 46
    assert reading.prefill_tokens_total == 40
    assert [rank.running_requests for rank in reading.ranks] == [5, 6]


def test_sglang_priorities_are_parts_of_the_total() -> None:
    reading = _reading(
        'sglang:num_queue_reqs{priority=""} 9',
        'sglang:num_queue_reqs{priority="1"} 4',
        'sglang:num_queue_reqs{priority="2"} 5',
    )
    assert reading.waiting_requests == 9


@pytest.mark.parametrize(
    ("lines", "ratio"),
    [
        pytest.param(["token_usage 0.51"], 0.51, id="older release: the rounded gauge"),
        pytest.param(
            ["token_usage 0.51", "num_running_reqs 3"], 0.51, id="older release under load"
        ),
        pytest.param(["token_usage 0.51", "full_token_usage 0.508"], 0.508, id="unrounded"),
        pytest.param(
            ["full_token_usage 0.4", "num_running_reqs 3"], 0.4, id="no other pool under load"
        ),
        pytest.param(["full_token_usage 0.2", "swa_token_usage 0.9"], 0.9, id="SWA pool fuller"),
        pytest.param(["full_token_usage 0.2", "mamba_usage 0.4"], 0.4, id="Mamba pool fuller"),
        pytest.param(["full_token_usage 0.2", "swa_token_usage NaN"], None, id="a pool unknown"),
        pytest.param(["full_token_usage NaN", "token_usage 0.5"], None, id="the pool unknown"),
    ],
)
def test_sglang_kv_use_is_that_of_the_fullest_pool(lines: list[str], ratio: float | None) -> None:
    assert _reading(*(f"sglang:{line}" for line in lines)).kv_usage_ratio == ratio


def test_sglang_memory_is_that_of_the_worst_device() -> None:
    reading = _reading(
        'sglang:weight_memory_usage_gb{tp_rank="0"} 10',
        'sglang:weight_memory_usage_gb{tp_rank="1"} 12',
        'sglang:graph_memory_usage_gb{tp_rank="0",phase="decode"} 2',
        'sglang:graph_memory_usage_gb{tp_rank="0",phase="prefill"} 1',
        'sglang:startup_available_gpu_memory_gb{tp_rank="0"} 8',
        'sglang:startup_available_gpu_memory_gb{tp_rank="1"} 6',
    )
    assert reading.memory is not None
    assert reading.memory.weights_bytes == 12 * 2**30
    assert reading.memory.graphs_bytes == 3 * 2**30
    assert reading.memory.free_after_start_bytes == 6 * 2**30


def test_sglang_weights_below_zero_are_none() -> None:
    reading = _reading(
        "sglang:weight_memory_usage_gb -0.008", "sglang:startup_available_gpu_memory_gb 5"
    )
    assert reading.memory is not None
    assert reading.memory.weights_bytes is None
    assert "negative" in _reason(reading, "memory.weights_bytes")


@pytest.mark.parametrize(("length", "mean"), [((2.0, 3.0), 2.5), ((2.0, 0.0), 2.0), ((0, 0), None)])
def test_sglang_accepted_length_is_of_the_ranks_that_speculate(
    length: tuple[float, float], mean: float | None
) -> None:
    lines = (f'sglang:spec_accept_length{{dp_rank="{r}"}} {v}' for r, v in enumerate(length))
    assert _reading(*lines).accept_length == mean


def test_an_sglang_prefill_worker_has_no_latencies_for_a_reason() -> None:
    reading = _reading('sglang:num_running_reqs{engine_type="prefill"} 1')
    assert reading.role == "prefill"
    assert "prefill worker" in _reason(reading, "inter_token_latency")


_TTFT = "vllm:time_to_first_token_seconds"


def _histogram(*buckets: tuple[str, str], total: str = "3", count: str = "4") -> EngineReading:
    return _reading(
        *(f'{_TTFT}_bucket{{engine="0",le="{edge}"}} {value}' for edge, value in buckets),
        f'{_TTFT}_sum{{engine="0"}} {total}',
        f'{_TTFT}_count{{engine="0"}} {count}',
    )


def test_a_histogram_is_ordered_by_its_edges() -> None:
    latency = _histogram(("+Inf", "4"), ("0.5", "1"), ("1.0", "3")).time_to_first_token
    assert latency is not None
    assert latency.edges == (0.5, 1.0, float("inf"))
    assert latency.counts == (1, 3, 4)
    assert (latency.total, latency.count) == (3, 4)


@pytest.mark.parametrize(
    ("buckets", "total"),
    [
        pytest.param([("0.5", "5"), ("+Inf", "4")], "3", id="falling"),
        pytest.param([("0.5", "1"), ("1.0", "4")], "3", id="no +Inf"),
        pytest.param([("0.5", "-1"), ("+Inf", "4")], "3", id="negative"),
        pytest.param([("0.5", "NaN"), ("+Inf", "4")], "3", id="NaN"),
        pytest.param([("0.5", "1"), ("+Inf", "+Inf")], "3", id="infinite"),
        pytest.param([("0.5", "1"), ("+Inf", "4")], "NaN", id="sum unknown"),
    ],
)
def test_a_histogram_that_is_not_cumulative_is_none(
    buckets: list[tuple[str, str]], total: str
) -> None:
    reading = _histogram(*buckets, total=total)
    assert reading.time_to_first_token is None
    assert "not cumulative" in _reason(reading, "time_to_first_token")


def test_of_series_with_different_edges_the_shared_ones_count() -> None:
    reading = _reading(
        *(f'{_TTFT}_bucket{{engine="0",le="{edge}"}} 1' for edge in ("0.5", "1.0", "+Inf")),
        *(f'{_TTFT}_bucket{{engine="1",le="{edge}"}} 2' for edge in ("1.0", "+Inf")),
        f'{_TTFT}_sum{{engine="0"}} 1',
        f'{_TTFT}_count{{engine="0"}} 1',
    )
    assert reading.time_to_first_token is not None
    assert reading.time_to_first_token.edges == (1.0, float("inf"))
    assert reading.time_to_first_token.counts == (3, 3)


def test_an_edge_that_is_no_number_does_not_stop_the_reading() -> None:
    reading = _histogram(("soon", "4"), ("+Inf", "4"))
    assert reading.first_tokens_total == 4
