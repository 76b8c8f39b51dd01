"""vLLM's metrics (0.20 to 0.33, Python and Rust front end): which are trusted, and why.

vLLM-Ascend and NIM 2.x with vLLM answer with the same, as do vLLM's releases before V4 under the
older names below.

* Decode tokens: `vllm:generation_tokens_total` moves with every engine step. First tokens are in
  it.
* Prompt tokens: `vllm:prompt_tokens_total` includes cached and transferred ones; what was computed
  is the `local_compute` child of `vllm:prompt_tokens_by_source_total`.
* KV capacity: the label `kv_cache_size_tokens` of `vllm:cache_config_info`, per engine, from 0.24.0
  on. `num_gpu_blocks` is already summed over data-parallel engines and repeated on each, and its
  product with the block size is not the capacity of a model with several KV groups such as V4.
* Finished requests leave out aborted and failed ones, which `vllm:request_success_total` holds too;
  their tokens (`vllm:request_generation_tokens_sum`) cannot be told apart and include them.
* A decode worker is told by `vllm:num_requests_kv_fetch_by_stage`, which only a KV consumer exports
  (since 0.32.0); a prefill worker by nothing. What it fetches is among its waiting requests.
* The rank is the label `engine`; series that differ in other labels are parts and are summed.

Gauges are absent in multiprocess mode (the default with data parallelism) until the first engine
step; the Rust front end has no `cache_config_info`. Sources: vllm 0.33.0 v1/metrics/loggers.py,
v1/engine/core_client.py, config/cache.py; expositions recorded from 0.32.0.
"""

from collections.abc import Mapping, Sequence

from v4operator.model.reading import Engine, EngineReading
from v4operator.observe.engines.release import NO_BRACKET_REASON, Marker, release
from v4operator.observe.engines.tally import (
    HISTOGRAM_PARTS,
    ByRank,
    Source,
    Tally,
    first_label,
    label_number,
    notes,
)
from v4operator.observe.exposition import Exposition, Labels

ENGINE = Engine.VLLM
PREFIXES: tuple[str, ...] = ("vllm:",)

_CONFIG = "vllm:cache_config_info"
_TTFT = "vllm:time_to_first_token_seconds"
# The older name was deprecated in 0.10.2 and is gone from 0.15.1 on.
_ITL = ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")
_TPOT = "vllm:request_time_per_output_token_seconds"
_RUNNING_SAMPLE = "vllm:num_requests_running"
_FINISHED_SAMPLE = "vllm:request_success_total"
_KV_FETCHES = "vllm:num_requests_kv_fetch_by_stage"
_NO_STEP = "no series: in multiprocess mode vLLM exports it from the first engine step on"
_NO_REQUEST = "no series: exported from the first request on"
_NO_FINISH = "no series: exported from the first finished request on"
_NO_CONFIG = f"no {_CONFIG}: vLLM's Rust front end exports none"
_NO_SPECULATION = "no series: speculative decoding is off"

_WAITING = Source(
    figure="waiting_requests",
    sample="vllm:num_requests_waiting",
    absent=_NO_STEP,
    beside=_RUNNING_SAMPLE,
)
_RUNNING = Source(
    figure="running_requests", sample=_RUNNING_SAMPLE, absent=_NO_STEP, beside=_WAITING.sample
)
# Both names in 0.9.2 to 0.10.2; the older one is hidden in 0.11.2 and gone from 0.12.0 on.
_KV_USAGE = Source(
    figure="kv_usage_ratio",
    sample="vllm:kv_cache_usage_perc",
    older=("vllm:gpu_cache_usage_perc",),
    absent=_NO_STEP,
    beside=_RUNNING_SAMPLE,
    ratio=True,
)
_DECODE = Source(
    figure="decode_tokens_total",
    sample="vllm:generation_tokens_total",
    absent=_NO_REQUEST,
    beside=_FINISHED_SAMPLE,
)
_PROMPT = Source(
    figure="prompt_tokens_total",
    sample="vllm:prompt_tokens_total",
    absent=_NO_REQUEST,
    beside=_FINISHED_SAMPLE,
)
_PREFILL = Source(
    figure="prefill_tokens_total",
    sample="vllm:prompt_tokens_by_source_total",
    only={"source": frozenset({"local_compute"})},
    absent=_NO_REQUEST,
)
_CACHED = Source(
    figure="prefill_tokens_total", sample="vllm:prompt_tokens_cached_total", absent=_NO_REQUEST
)
_FIRST = Source(figure="first_tokens_total", sample=f"{_TTFT}_count", absent=_NO_REQUEST)
_FINISHED = Source(
    figure="finished_requests_total",
    sample=_FINISHED_SAMPLE,
    without={"finished_reason": frozenset({"abort", "error"})},
    absent=_NO_FINISH,
)
_FINISHED_TOKENS = Source(
    figure="finished_decode_tokens_total",
    sample="vllm:request_generation_tokens_sum",
    absent=_NO_FINISH,
)
_PREEMPTIONS = Source(
    figure="preemptions_total", sample="vllm:num_preemptions_total", absent=_NO_REQUEST
)
_DRAFTS = Source(
    figure="drafts_total", sample="vllm:spec_decode_num_drafts_total", absent=_NO_SPECULATION
)
_DRAFT_TOKENS = Source(
    figure="draft_tokens_total",
    sample="vllm:spec_decode_num_draft_tokens_total",
    absent=_NO_SPECULATION,
)
_ACCEPTED = Source(
    figure="accepted_tokens_total",
    sample="vllm:spec_decode_num_accepted_tokens_total",
    absent=_NO_SPECULATION,
)
_CACHED_BY_SOURCE = "vllm:prompt_tokens_cached_by_source_total"

# 0.32.0 and 0.33.0 were compared label by label; wheels sampled: 0.20.2, 0.24.0, 0.28.0, 0.32.0.
_MARKERS = (
    Marker(
        sample=_CONFIG,
        label="simple_cpu_offload_num_blocks",
        since=">=0.33",
        before="<0.33",
        beside=_CONFIG,
    ),
    Marker(sample=_CACHED_BY_SOURCE, since=">0.28", before="<0.32", beside=_CONFIG),
    Marker(
        sample=_CONFIG,
        label="kv_cache_size_tokens",
        since=">=0.24",
        before="<0.24",
        beside=_CONFIG,
    ),
)

_RANKED = (_RUNNING, _WAITING, _KV_USAGE, _DECODE, _PROMPT)
_SUMMED = (
    *(_FIRST, _FINISHED, _FINISHED_TOKENS, _PREEMPTIONS),
    *(_DRAFTS, _DRAFT_TOKENS, _ACCEPTED),
)
_NEVER = {
    "resident_tokens": "vLLM exports no such figure",
    "memory": "vLLM exports no bytes of device memory",
    "handover_waiting_requests": "vLLM counts them among the waiting requests",
    "handover_moving_requests": "vLLM counts them among the waiting requests",
    "kv_window_capacity_tokens": "vLLM has one pool for all KV",
}
_ROLE_REASON = "it fetches KV from another worker (kv_consumer, or kv_both)"
_HISTOGRAMS = (_TTFT, *_ITL, _TPOT)
WANTED = (
    frozenset(name for source in (*_RANKED, *_SUMMED, _PREFILL, _CACHED) for name in source.samples)
    | frozenset(f"{family}_{part}" for family in _HISTOGRAMS for part in HISTOGRAM_PARTS)
    | frozenset({_CONFIG, _CACHED_BY_SOURCE, _KV_FETCHES})
)
SIGNS = WANTED


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of a vLLM replica. `version` is the exact one, where it is known."""
    tally = Tally(exposition, rank_label="engine")
    for figure, reason in _NEVER.items():
        tally.note(figure, reason)
    configs = [labels for labels, _ in exposition.series(_CONFIG)]
    ranked = (*map(tally.by_rank, _RANKED), _capacity(tally, configs))
    sums = tally.wholes(*map(tally.by_rank, _SUMMED))
    blocks = _stated(tally, configs, "num_gpu_blocks", "num_gpu_blocks")
    fetches = bool(exposition.series(_KV_FETCHES))
    found, version_reason = release(exposition, _MARKERS, version)
    if found is None:
        tally.note("version", NO_BRACKET_REASON)
    return EngineReading(
        engine=ENGINE,
        version=found,
        version_reason=version_reason,
        model_name=first_label(exposition, "model_name"),
        decode_includes_first_token=True,
        prefill_tokens_total=_prefill(tally),
        resident_tokens=None,
        accept_length=_accept_length(tally, sums),
        num_gpu_blocks=None if blocks is None else int(blocks),
        memory_fraction=_stated(tally, configs, "gpu_memory_utilization", "memory_fraction"),
        memory=None,
        time_to_first_token=tally.histogram("time_to_first_token", (_TTFT,), _NO_REQUEST),
        inter_token_latency=tally.histogram("inter_token_latency", _ITL, _NO_REQUEST),
        time_per_output_token=tally.histogram("time_per_output_token", (_TPOT,), _NO_FINISH),
        **tally.wholes(*ranked),
        **sums,
        ranks=tally.ranks(ranked),
        timestamp=exposition.timestamp,
        role="decode" if fetches else None,
        role_reason=_ROLE_REASON if fetches else None,
        kv_window_capacity_tokens=None,
        handover_waiting_requests=None,
        handover_moving_requests=None,
        counted_at_finish=(),
        significant_digits=None,
        missing=tally.missing,  # after all that note something
        notes=notes(exposition),
    )


def _capacity(tally: Tally, configs: Sequence[Labels]) -> ByRank:
    sizes: dict[int, float] = {}
    for labels in configs:
        rank, size = tally.rank(labels), label_number(labels, "kv_cache_size_tokens")
        if rank is not None and size is not None:
            sizes.setdefault(rank, size)
    absent = "vLLM reports its token capacity from 0.24.0 on" if configs else _NO_CONFIG
    gap = tally.spoiled(_CONFIG) or (None if sizes else absent)
    return ByRank(figure="kv_capacity_tokens", values=sizes, gap=gap)


def _prefill(tally: Tally) -> float | None:
    """Computed prompt tokens; where a release does not tell, all less the cached ones."""
    computed, prompt, cached = map(tally.by_rank, (_PREFILL, _PROMPT, _CACHED))
    if tally.exposition.series(_PREFILL.sample) or prompt.gap or cached.gap:
        return tally.whole(computed)
    return max(0.0, sum(prompt.values.values()) - sum(cached.values.values()))


def _accept_length(tally: Tally, sums: Mapping[str, float | None]) -> float | None:
    """Mean tokens a draft round yields, over the replica's life: 1 + accepted / drafts."""
    drafts, accepted = sums[_DRAFTS.figure], sums[_ACCEPTED.figure]
    if not drafts or accepted is None:
        tally.note("accept_length", "no draft round yet" if drafts == 0 else _NO_SPECULATION)
        return None
    return 1 + accepted / drafts


def _stated(tally: Tally, configs: Sequence[Labels], label: str, figure: str) -> float | None:
    """A number out of the configuration. It is repeated on every engine, never summed."""
    values = [value for labels in configs if (value := label_number(labels, label)) is not None]
    if values:
        return max(values)
    tally.note(figure, f"no {label} in {_CONFIG}" if configs else _NO_CONFIG)
    return None
