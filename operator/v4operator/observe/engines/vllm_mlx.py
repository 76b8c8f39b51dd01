"""vllm-mlx (`--enable-metrics`; 0.6.0, Apple silicon): which metrics are trusted, and why.

* Token counters move when a request ends, for successful ones only, and have no series before.
* The gauges of the scheduler are read at scrape time. In its "simple" engine mode it has no
  scheduler and they stay 0.
* `vllm_mlx_cache_*` tell of the prefix cache, which is given up when room is needed: they are not
  the KV that running requests hold. Metal's memory is the whole process's, in one unified memory.

Source: vllm_mlx/metrics.py and vllm_mlx/server.py of the 0.6.0 wheel. mlx-lm and mlx-omni-server
export no metrics at all.
"""

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines.sheet import Sheet, read_sheet
from v4operator.observe.engines.tally import Source
from v4operator.observe.exposition import Exposition

ENGINE = Engine.VLLM_MLX
PREFIXES: tuple[str, ...] = ("vllm_mlx_",)

_NO_FINISH = "no series: vllm-mlx exports it from the first finished request on"
_NO_SCHEDULER = "no series: vllm-mlx exports it from its start on"
_NO_KV = "vllm-mlx tells of its prefix cache only, not of the KV that running requests hold"
_TTFT = "vllm_mlx_inference_ttft_seconds"

_SHEET = Sheet(
    engine=ENGINE,
    sources=(
        Source(
            figure="running_requests",
            sample="vllm_mlx_scheduler_running_requests",
            absent=_NO_SCHEDULER,
        ),
        Source(
            figure="waiting_requests",
            sample="vllm_mlx_scheduler_waiting_requests",
            absent=_NO_SCHEDULER,
        ),
        Source(
            figure="decode_tokens_total",
            sample="vllm_mlx_completion_tokens_total",
            absent=_NO_FINISH,
        ),
        Source(
            figure="prompt_tokens_total", sample="vllm_mlx_prompt_tokens_total", absent=_NO_FINISH
        ),
        Source(figure="first_tokens_total", sample=f"{_TTFT}_count", absent=_NO_FINISH),
        Source(
            figure="finished_requests_total",
            sample="vllm_mlx_inference_requests_total",
            only={"result": frozenset({"success"})},
            absent=_NO_FINISH,
        ),
        Source(
            figure="finished_decode_tokens_total",
            sample="vllm_mlx_completion_tokens_total",
            absent=_NO_FINISH,
        ),
    ),
    families={"time_to_first_token": _TTFT},
    missing={
        "kv_usage_ratio": _NO_KV,
        "kv_capacity_tokens": _NO_KV,
        "memory": "one unified memory: vllm-mlx tells Metal's use of it, not weights apart",
    },
    at_finish=("decode_tokens_total", "prompt_tokens_total"),
)
WANTED = _SHEET.wanted
SIGNS = WANTED


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of a vllm-mlx server. `version` is the exact one, where it is known."""
    return read_sheet(_SHEET, exposition, version)
