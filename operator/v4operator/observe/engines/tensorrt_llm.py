"""TensorRT-LLM's `trtllm-serve` (/prometheus/metrics): recognised, and read as far as it tells.

* Token counters are per-request metrics: they are added to when a request ends.
* `trtllm_time_per_output_token_seconds` is one mean per request, not the latency between tokens,
  and is not read as such.
* Older releases export finished requests, latencies and KV use only; gauges of the load came later.
* `/metrics` of the same server is JSON of its iterations, not an exposition.

Source: tensorrt_llm/metrics/collector.py (NVIDIA/TensorRT-LLM); not run here.
"""

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines.sheet import Sheet, read_sheet
from v4operator.observe.engines.tally import Source
from v4operator.observe.exposition import Exposition

ENGINE = Engine.TENSORRT_LLM
PREFIXES: tuple[str, ...] = ("trtllm_",)

_OLD = "no series: older TensorRT-LLM releases do not export it, newer ones from the first use on"
_TTFT = "trtllm_time_to_first_token_seconds"
_BLOCKS = "TensorRT-LLM tells blocks; their tokens are those of one KV group and not of V4's four"


def _source(figure: str, name: str, *, ratio: bool = False) -> Source:
    return Source(figure=figure, sample=f"trtllm_{name}", absent=_OLD, ratio=ratio)


_SHEET = Sheet(
    engine=ENGINE,
    sources=(
        _source("running_requests", "num_requests_running"),
        _source("waiting_requests", "num_requests_waiting"),
        _source("kv_usage_ratio", "kv_cache_utilization", ratio=True),
        _source("decode_tokens_total", "generation_tokens_total"),
        _source("prompt_tokens_total", "prompt_tokens_total"),
        _source("first_tokens_total", "time_to_first_token_seconds_count"),
        _source("finished_requests_total", "request_success_total"),
        _source("finished_decode_tokens_total", "generation_tokens_total"),
    ),
    families={"time_to_first_token": _TTFT},
    missing={
        "kv_capacity_tokens": _BLOCKS,
        "inter_token_latency": "TensorRT-LLM tells one mean per request only",
    },
    at_finish=("decode_tokens_total", "prompt_tokens_total"),
)
WANTED = _SHEET.wanted
SIGNS = WANTED


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of a TensorRT-LLM server. `version` is the exact one, where it is known."""
    return read_sheet(_SHEET, exposition, version)
