"""llama.cpp's server (`--metrics`; ggml-org/llama.cpp 0c1e570): which metrics are trusted, and why.

* Decode tokens: `llamacpp:tokens_predicted_total` is added to when a request ends, first tokens
  included, so its rate is right over windows longer than a request only.
* Prompt tokens: `llamacpp:prompt_tokens_total` counts computed ones when their prompt is done;
  cached ones stand apart, in a counter that older builds lack.
* Numbers are written with six significant digits: a counter at 1e8 moves in steps of 1,000.
* KV use is not exported (`kv_cache_usage_ratio` was removed); `/slots` tells it.
* `llamacpp:predicted_tokens_seconds` and `prompt_tokens_seconds` are averages since the previous
  scrape by anyone and are not read.

Sources: tools/server/server-task.cpp (`to_metrics`), server-context.cpp (`metrics_on_prediction`);
recorded expositions. No label, no version (`/props` has `build_info`).
"""

from collections.abc import Mapping
from dataclasses import replace

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines.sheet import Sheet, read_sheet
from v4operator.observe.engines.tally import ByRank, Source
from v4operator.observe.exposition import Exposition

ENGINE = Engine.LLAMACPP
PREFIXES: tuple[str, ...] = ("llamacpp:", "llamacpp_")

_DIGITS = 6  # C++ streams' default precision (tools/server/server-task.cpp)
_OLD = "no series: an older llama.cpp, or one that exports it under a name not known here"
_NO_KV = "llama.cpp has removed it from its metrics; /slots tells it slot by slot"
_CACHED = "cached"


def _source(figure: str, name: str) -> Source:
    return Source(figure=figure, sample=f"llamacpp:{name}", absent=_OLD)


_SHEET = Sheet(
    engine=ENGINE,
    sources=(
        _source("running_requests", "requests_processing"),
        _source("waiting_requests", "requests_deferred"),
        _source("decode_tokens_total", "tokens_predicted_total"),
        _source("prefill_tokens_total", "prompt_tokens_total"),
        _source(_CACHED, "prompt_tokens_cached_total"),
        _source("drafts_total", "spec_decode_num_drafts_total"),
        _source("draft_tokens_total", "spec_decode_num_draft_tokens_total"),
        _source("accepted_tokens_total", "spec_decode_num_accepted_tokens_total"),
    ),
    missing={
        "kv_usage_ratio": _NO_KV,
        "kv_capacity_tokens": "llama.cpp does not export it; /props tells n_ctx and the slots",
    },
    at_finish=("decode_tokens_total",),
    digits=_DIGITS,
    version="not among llama.cpp's metrics; /props tells the build",
)
WANTED = _SHEET.wanted
SIGNS = WANTED


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of a llama.cpp server. `version` is its build, where it is known."""
    return read_sheet(_SHEET, exposition, version, _derived)


def _derived(told: Mapping[str, ByRank]) -> Mapping[str, ByRank]:
    """Prompt tokens are the computed and the cached ones; finished answers are all there is."""
    computed, cached = told["prefill_tokens_total"], told[_CACHED]
    prompts = computed.map(lambda rank, tokens: tokens + cached.values.get(rank, 0.0))
    gap = computed.gap or (f"cached prompt tokens: {cached.gap}" if cached.gap else None)
    finished = replace(told["decode_tokens_total"], figure="finished_decode_tokens_total")
    return {
        **told,
        "prompt_tokens_total": replace(prompts, figure="prompt_tokens_total", gap=gap),
        "finished_decode_tokens_total": finished,
    }
