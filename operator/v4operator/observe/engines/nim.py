"""NVIDIA NIM 1.x (names without a prefix, at /v1/metrics): which metrics are trusted, and why.

One wrapper over TensorRT-LLM, vLLM or SGLang with the same names for all three; which backend it is
cannot be told. NIM 2.x passes its backend's metrics on unchanged and is read as vLLM or SGLang.

* `time_per_output_token_seconds` observes every token but the first of each request (109 prompt
  tokens, 174 generated, 5 requests, 169 observations in a published text of 1.x), so it is the
  inter-token latency.
* That `generation_tokens_total` moves while requests run is documented for none of the backends.
* Prompt tokens: whether cached ones are among them is not documented either.

Sources: NIM LLM 1.5.0 and 1.x observability documents; DataDog/integrations-core nvidia_nim.
"""

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines.sheet import Sheet, read_sheet
from v4operator.observe.engines.tally import Source
from v4operator.observe.exposition import Exposition

ENGINE = Engine.NIM
PREFIXES: tuple[str, ...] = ()

_ABSENT = "no series: NIM 1.x documents it, this one does not export it"
_TTFT = "time_to_first_token_seconds"
_NO_BACKEND = "NIM 1.x does not pass its backend's figure on"


def _source(figure: str, name: str, *, ratio: bool = False) -> Source:
    return Source(figure=figure, sample=name, absent=_ABSENT, ratio=ratio)


_SHEET = Sheet(
    engine=ENGINE,
    sources=(
        _source("running_requests", "num_requests_running"),
        _source("waiting_requests", "num_requests_waiting"),
        _source("kv_usage_ratio", "gpu_cache_usage_perc", ratio=True),
        _source("decode_tokens_total", "generation_tokens_total"),
        _source("prompt_tokens_total", "prompt_tokens_total"),
        _source("first_tokens_total", f"{_TTFT}_count"),
        _source("finished_requests_total", "request_success_total"),
        _source("finished_decode_tokens_total", "request_generation_tokens_sum"),
    ),
    families={
        "time_to_first_token": _TTFT,
        "inter_token_latency": "time_per_output_token_seconds",
    },
    missing=dict.fromkeys(
        ("kv_capacity_tokens", "num_gpu_blocks", "memory_fraction", "preemptions_total"),
        _NO_BACKEND,
    ),
    version="not among NIM's metrics; /v1/version tells the release",
)
WANTED = _SHEET.wanted
# The other names are anybody's; these two are there from the start.
SIGNS = frozenset({"num_requests_running", "num_requests_waiting"})


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of a NIM 1.x container. `version` is NIM's release, where it is known."""
    return read_sheet(_SHEET, exposition, version)
