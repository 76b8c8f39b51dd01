"""The engines without recordings, and releases with other names: texts made by their tables."""

import pytest

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines import NotAnEngine, read

_NIM = """\
# HELP process_resident_memory_bytes Resident memory size in bytes.
process_resident_memory_bytes 1.0463768576e+010
num_requests_running{model_name="deepseek-ai/deepseek-v4-flash"} 7.0
num_requests_waiting{model_name="deepseek-ai/deepseek-v4-flash"} 2.0
num_request_max{model_name="deepseek-ai/deepseek-v4-flash"} 64.0
gpu_cache_usage_perc{model_name="deepseek-ai/deepseek-v4-flash"} 2.5e-001
prompt_tokens_total{model_name="deepseek-ai/deepseek-v4-flash"} 1.0463768576e+010
generation_tokens_total{model_name="deepseek-ai/deepseek-v4-flash"} 174.0
time_to_first_token_seconds_bucket{le="0.5",model_name="deepseek-ai/deepseek-v4-flash"} 4.0
time_to_first_token_seconds_bucket{le="+Inf",model_name="deepseek-ai/deepseek-v4-flash"} 5.0
time_to_first_token_seconds_count{model_name="deepseek-ai/deepseek-v4-flash"} 5.0
time_to_first_token_seconds_sum{model_name="deepseek-ai/deepseek-v4-flash"} 0.75
time_per_output_token_seconds_bucket{le="0.01",model_name="deepseek-ai/deepseek-v4-flash"} 0.0
time_per_output_token_seconds_bucket{le="+Inf",model_name="deepseek-ai/deepseek-v4-flash"} 169.0
time_per_output_token_seconds_count{model_name="deepseek-ai/deepseek-v4-flash"} 169.0
time_per_output_token_seconds_sum{model_name="deepseek-ai/deepseek-v4-flash"} 1.69
request_finish_total{finished_reason="length",model_name="deepseek-ai/deepseek-v4-flash"} 5.0
request_success_total{model_name="deepseek-ai/deepseek-v4-flash"} 5.0
request_failure_total{model_name="deepseek-ai/deepseek-v4-flash"} 0.0
"""
_VLLM_MLX = """\
vllm_mlx_scheduler_waiting_requests 1.0
vllm_mlx_scheduler_running_requests 3.0
vllm_mlx_metal_memory_bytes{kind="active"} 1.5e+11
vllm_mlx_cache_utilization_ratio 0.9
vllm_mlx_prompt_tokens_total{endpoint="chat_completions",stream="true"} 700.0
vllm_mlx_prompt_tokens_total{endpoint="completions",stream="false"} 50.0
vllm_mlx_completion_tokens_total{endpoint="chat_completions",stream="true"} 320.0
vllm_mlx_inference_requests_total{endpoint="chat_completions",result="success",stream="true"} 4.0
vllm_mlx_inference_requests_total{endpoint="chat_completions",result="error",stream="true"} 9.0
vllm_mlx_inference_ttft_seconds_bucket{endpoint="chat_completions",le="+Inf",stream="true"} 4.0
vllm_mlx_inference_ttft_seconds_count{endpoint="chat_completions",stream="true"} 4.0
vllm_mlx_inference_ttft_seconds_sum{endpoint="chat_completions",stream="true"} 2.0
"""
_TRTLLM = """\
trtllm_num_requests_running{engine_type="trtllm",model_name="m"} 12.0
trtllm_num_requests_waiting{engine_type="trtllm",model_name="m"} 1.0
trtllm_kv_cache_utilization{engine_type="trtllm",model_name="m"} 0.5
trtllm_generation_tokens_total{engine_type="trtllm",model_name="m"} 900.0
trtllm_prompt_tokens_total{engine_type="trtllm",model_name="m"} 4000.0
trtllm_request_success_total{engine_type="trtllm",finished_reason="stop",model_name="m"} 6.0
trtllm_request_success_total{engine_type="trtllm",finished_reason="length",model_name="m"} 2.0
"""
_SIX = (
    "running_requests",
    "waiting_requests",
    "kv_usage_ratio",
    "kv_capacity_tokens",
    "decode_tokens_total",
    "prompt_tokens_total",
)
_REMARKS = {"role", "role_reason", "timestamp", "version_reason", "significant_digits"}


def _reading(text: str, version: str | None = None) -> EngineReading:
    found = read(text.encode(), version=version)
    assert isinstance(found, EngineReading)
    return found


def _reason(reading: EngineReading, name: str) -> str:
    [reason] = [missing.reason for missing in reading.missing if missing.name == name]
    return reason


@pytest.mark.parametrize(
    ("text", "engine", "six"),
    [
        pytest.param(_NIM, Engine.NIM, (7, 2, 0.25, None, 174, 10_463_768_576), id="NIM 1.x"),
        pytest.param(_VLLM_MLX, Engine.VLLM_MLX, (3, 1, None, None, 320, 750), id="vllm-mlx"),
        pytest.param(_TRTLLM, Engine.TENSORRT_LLM, (12, 1, 0.5, None, 900, 4000), id="TRT-LLM"),
        pytest.param(
            "trtllm_request_success_total 3\n",
            Engine.TENSORRT_LLM,
            (None, None, None, None, None, None),
            id="an older TRT-LLM",
        ),
        pytest.param(
            "vllm_mlx_model_loaded 1\n", Engine.VLLM_MLX, (None,) * 6, id="vllm-mlx by its prefix"
        ),
        pytest.param(
            "llamacpp:requests_processing 2\nllamacpp:prompt_tokens_total 7\n",
            Engine.LLAMACPP,
            (2, None, None, None, None, None),
            id="llama.cpp without the cached prompts",
        ),
    ],
)
def test_the_six_figures_are_those_of_the_engines_table(
    text: str, engine: Engine, six: tuple[float | None, ...]
) -> None:
    reading = _reading(text)
    assert reading.engine is engine
    assert tuple(getattr(reading, figure) for figure in _SIX) == six
    missing = {figure.name for figure in reading.missing}
    fields = set(EngineReading.__dataclass_fields__) - _REMARKS
    assert {field for field in fields if getattr(reading, field) is None} <= missing


def test_nim_tells_latencies_and_finished_requests() -> None:
    reading = _reading(_NIM, version="1.8.0")
    assert (reading.version, reading.model_name) == ("1.8.0", "deepseek-ai/deepseek-v4-flash")
    assert reading.finished_requests_total == 5
    latency = reading.inter_token_latency
    assert latency is not None
    assert (latency.count, latency.total) == (169, 1.69)
    assert reading.first_tokens_total == 5
    assert "/v1/version" in _reason(_reading(_NIM), "version")


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        pytest.param('vllm:num_requests_running{engine="0"} 1\n', Engine.VLLM, id="vLLM behind it"),
        pytest.param("sglang:num_running_reqs 1\n", Engine.SGLANG, id="SGLang behind it"),
    ],
)
def test_nim_2_is_read_as_what_it_passes_on(text: str, engine: Engine) -> None:
    reading = _reading(f"process_open_fds 5\n{text}")
    assert (reading.engine, reading.running_requests) == (engine, 1)


def test_counters_that_wait_for_the_end_of_a_request_are_named() -> None:
    at_finish = ("decode_tokens_total", "prompt_tokens_total")
    assert _reading(_VLLM_MLX).counted_at_finish == at_finish
    assert _reading(_TRTLLM).counted_at_finish == at_finish
    assert _reading("vllm_mlx_model_loaded 1\n").counted_at_finish == ()
    assert _reading(_NIM).counted_at_finish == ()


def test_vllm_mlx_counts_successes_and_keeps_its_prefix_cache_apart() -> None:
    reading = _reading(_VLLM_MLX)
    assert reading.finished_requests_total == 4
    assert "prefix cache" in _reason(reading, "kv_usage_ratio")
    assert "unified memory" in _reason(reading, "memory")


def test_llamacpp_tells_its_accepted_length_once_something_was_drafted() -> None:
    reading = _reading(
        "llamacpp:spec_decode_num_drafts_total 100\n"
        "llamacpp:spec_decode_num_accepted_tokens_total 130\n"
    )
    assert reading.accept_length == pytest.approx(2.3)


def test_samples_of_two_engines_are_neither() -> None:
    found = read(f"{_NIM}llamacpp:requests_processing 1\n".encode())
    assert isinstance(found, NotAnEngine)
    assert "samples of nim and llamacpp" in found.reason


_OLD_ITL = "vllm:time_per_output_token_seconds"


def test_a_vllm_with_older_names_reads_the_same() -> None:
    reading = _reading(
        'vllm:num_requests_running{engine="0"} 4\n'
        'vllm:gpu_cache_usage_perc{engine="0"} 0.25\n'
        f'{_OLD_ITL}_bucket{{engine="0",le="+Inf"}} 8\n'
        f'{_OLD_ITL}_sum{{engine="0"}} 0.4\n'
        f'{_OLD_ITL}_count{{engine="0"}} 8\n'
    )
    assert reading.kv_usage_ratio == 0.25
    assert reading.inter_token_latency is not None
    assert reading.inter_token_latency.count == 8


def test_where_both_names_are_exported_the_present_one_counts() -> None:
    reading = _reading(
        'vllm:gpu_cache_usage_perc{engine="0"} 0.5\nvllm:kv_cache_usage_perc{engine="0"} 0.25\n'
    )
    assert reading.kv_usage_ratio == 0.25


def test_an_sglang_before_0_5_7_tells_its_tokens_by_what_it_had() -> None:
    reading = _reading(
        "sglang:inter_token_latency_seconds_count 500\n"
        "sglang:prompt_tokens_total 900\n"
        "sglang:num_prefill_prealloc_queue_reqs 3\n"
    )
    assert (reading.decode_tokens_total, reading.prompt_tokens_total) == (500, 900)
    assert reading.counted_at_finish == ("prompt_tokens_total",)
    assert reading.handover_waiting_requests == 3


def test_a_queue_that_is_no_number_leaves_the_sum_unknown() -> None:
    reading = _reading(
        "sglang:num_decode_prealloc_queue_reqs NaN\nsglang:num_prefill_bootstrap_queue_reqs 1\n"
    )
    assert reading.handover_waiting_requests is None
    assert "is nan" in _reason(reading, "handover_waiting_requests")


@pytest.mark.parametrize(
    ("text", "figure", "name"),
    [
        pytest.param(
            "vllm:num_requests_running 1\n",
            "kv_usage_ratio",
            "no vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc beside",
            id="vLLM's KV use",
        ),
        pytest.param(
            "vllm:num_requests_waiting 1\n",
            "running_requests",
            "no vllm:num_requests_running beside vllm:num_requests_waiting",
            id="vLLM's running requests",
        ),
        pytest.param(
            'vllm:request_success_total{finished_reason="stop"} 1\n',
            "decode_tokens_total",
            "no vllm:generation_tokens_total beside",
            id="vLLM's tokens",
        ),
        pytest.param(
            "sglang:num_running_reqs 1\n",
            "kv_capacity_tokens",
            "no sglang:max_total_num_tokens beside",
            id="SGLang's capacity",
        ),
        pytest.param(
            "sglang:num_requests_total 1\n",
            "decode_tokens_total",
            "no sglang:realtime_tokens_total beside",
            id="SGLang's tokens",
        ),
    ],
)
def test_a_figure_that_a_release_has_renamed_is_said_to_be_gone_not_late(
    text: str, figure: str, name: str
) -> None:
    reading = _reading(text)
    assert getattr(reading, figure) is None
    assert name in _reason(reading, figure)
    assert "not exported by this release, or renamed" in _reason(reading, figure)


def test_what_a_cut_text_lacks_is_not_called_renamed() -> None:
    reading = read(b"vllm:num_requests_running 1\nvllm:num_requests_wai 1")
    assert isinstance(reading, EngineReading)
    assert "from the first engine step on" in _reason(reading, "kv_usage_ratio")
