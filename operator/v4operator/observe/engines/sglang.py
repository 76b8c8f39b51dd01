"""SGLang's metrics (0.5.12 to 0.5.23): which are trusted, and why.

* Decode tokens: `sglang:realtime_tokens_total{mode="decode"}` moves with every decode step. It
  leaves out each request's first token, which comes out of prefill.
  `sglang:generation_tokens_total` moves only when a request finishes (recorded: 0, 0, 2348, 0
  tokens/s against a real 500 to 1200).
* Prompt tokens: modes `prefill_compute` and `prefill_cache` of the same counter.
* KV use: the fullest of the full, SWA and Mamba pools, unrounded; `sglang:token_usage` is the same
  rounded to two decimals, and serves where a release lacks the pools.
* Resident tokens: `sglang:decode_sum_seq_lens` is written by decode steps only and keeps its last
  value when the engine falls idle, so a rank that runs nothing holds 0.
* Constants come from every rank, live gauges from attention-TP rank 0 (from all under
  `--enable-metrics-for-all-schedulers`, and from every pipeline stage): within a data-parallel rank
  the highest counts. With priority scheduling the series with an empty priority is the total.
* Families of the tokenizer (latencies, finished requests) know no rank.
* `_gb` gauges are GiB. `sglang:kv_cache_memory_usage_gb` is 0 for DeepSeek V4 and is not read.

Live gauges are absent until the first batch or idle tick. Sources: sglang 0.5.23
srt/observability/metrics_collector.py, srt/managers/scheduler.py; recorded expositions.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf

from v4operator.model.reading import DeviceMemory, Engine, EngineReading
from v4operator.model.units import GIB
from v4operator.observe.engines.release import NO_BRACKET_REASON, Marker, release
from v4operator.observe.engines.tally import (
    HISTOGRAM_PARTS,
    ByRank,
    Source,
    Tally,
    first_label,
    notes,
)
from v4operator.observe.exposition import Exposition

ENGINE = Engine.SGLANG
PREFIXES: tuple[str, ...] = ("sglang:", "sglang_")

_COPY_LABELS = frozenset({"tp_rank", "pp_rank", "moe_ep_rank", "pid"})
_TOTAL_PRIORITY = {"priority": frozenset({""})}
_TTFT = "sglang:time_to_first_token_seconds"
_ITL = "sglang:inter_token_latency_seconds"
_REALTIME = "sglang:realtime_tokens_total"
_NO_BATCH = "no series: SGLang exports it from the first batch or idle tick on"
_NO_TOKEN = "no series: SGLang exports it from the first batch on"
_NO_FINISH = "no series: SGLang exports it from the first finished request on"
_PREFILL_ROLE = "no series: a prefill worker observes none"

_RUNNING = Source(
    figure="running_requests",
    sample="sglang:num_running_reqs",
    only=_TOTAL_PRIORITY,
    absent=_NO_BATCH,
)
_WAITING = Source(
    figure="waiting_requests",
    sample="sglang:num_queue_reqs",
    only=_TOTAL_PRIORITY,
    absent=_NO_BATCH,
)
_TOKEN_USAGE, _FULL_USAGE, _SWA_USAGE, _MAMBA_USAGE = (
    Source(
        figure="kv_usage_ratio",
        sample=f"sglang:{name}",
        only=_TOTAL_PRIORITY,
        absent=_NO_BATCH,
        ratio=True,
    )
    for name in ("token_usage", "full_token_usage", "swa_token_usage", "mamba_usage")
)
_CAPACITY = Source(
    figure="kv_capacity_tokens",
    sample="sglang:max_total_num_tokens",
    absent="no series: SGLang has not allocated its KV cache",
)
_DECODE = Source(
    figure="decode_tokens_total",
    sample=_REALTIME,
    only={"mode": frozenset({"decode"}), **_TOTAL_PRIORITY},
    absent=_NO_TOKEN,
)
_PROMPT = Source(
    figure="prompt_tokens_total",
    sample=_REALTIME,
    only={"mode": frozenset({"prefill_compute", "prefill_cache"}), **_TOTAL_PRIORITY},
    absent=_NO_TOKEN,
)
_PREFILL = Source(
    figure="prefill_tokens_total",
    sample=_REALTIME,
    only={"mode": frozenset({"prefill_compute"}), **_TOTAL_PRIORITY},
    absent=_NO_TOKEN,
)
_RESIDENT = Source(
    figure="resident_tokens",
    sample="sglang:decode_sum_seq_lens",
    only=_TOTAL_PRIORITY,
    absent=_NO_BATCH,
)
_FIRST = Source(figure="first_tokens_total", sample=f"{_TTFT}_count", absent=_NO_TOKEN)
_FINISHED = Source(
    figure="finished_requests_total", sample="sglang:num_requests_total", absent=_NO_FINISH
)
_FINISHED_TOKENS = Source(
    figure="finished_decode_tokens_total",
    sample="sglang:generation_tokens_total",
    absent=_NO_FINISH,
)
_PREEMPTIONS = Source(
    figure="preemptions_total",
    sample="sglang:num_retracted_requests_total",
    absent="no series: SGLang exports it from the first retraction on",
)
_ACCEPT_LENGTH = Source(
    figure="accept_length", sample="sglang:spec_accept_length", absent=_NO_BATCH
)
_WEIGHTS = "sglang:weight_memory_usage_gb"
_GRAPHS = "sglang:graph_memory_usage_gb"
_FREE = "sglang:startup_available_gpu_memory_gb"

# Wheels sampled: 0.5.10, .12, .14, .16, .18, .20, .22 and .23; live gauges tell by their absence
# only beside another live gauge, constants beside another constant.
_LIVE, _CONSTANT = _TOKEN_USAGE.sample, _CAPACITY.sample
_MARKERS = (
    Marker(
        sample="sglang:prealloc_full_token_usage",
        since=">=0.5.23",
        before="<0.5.23",
        beside=_LIVE,
    ),
    Marker(
        sample="sglang:num_decode_host_receive_queue_reqs",
        since=">0.5.20",
        before="<0.5.22",
        beside=_LIVE,
    ),
    Marker(
        sample="sglang:scheduler_idle_seconds_total",
        since=">0.5.18",
        before="<0.5.20",
        beside=_CONSTANT,
    ),
    Marker(sample=_WEIGHTS, since=">0.5.16", before="<0.5.18", beside=_CONSTANT),
    Marker(sample=_FREE, since=">0.5.10", before="<0.5.12", beside=_CONSTANT),
)

_SUMMED = (_FIRST, _PREFILL, _FINISHED, _FINISHED_TOKENS, _PREEMPTIONS)
_NO_DRAFTS = "SGLang exports the accepted length only"
_NEVER = {
    "drafts_total": _NO_DRAFTS,
    "draft_tokens_total": _NO_DRAFTS,
    "accepted_tokens_total": _NO_DRAFTS,
    "num_gpu_blocks": "SGLang exports no such figure",
    "memory_fraction": "SGLang does not export it",
}
WANTED = (
    frozenset(
        source.sample
        for source in (
            *(_RUNNING, _WAITING, _TOKEN_USAGE, _FULL_USAGE, _SWA_USAGE, _MAMBA_USAGE, _CAPACITY),
            *(_DECODE, _PROMPT, _RESIDENT, _ACCEPT_LENGTH, *_SUMMED),
        )
    )
    | frozenset(f"{family}_{part}" for family in (_TTFT, _ITL) for part in HISTOGRAM_PARTS)
    | frozenset({_WEIGHTS, _GRAPHS, _FREE, *(marker.sample for marker in _MARKERS)})
)


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of an SGLang replica. `version` is the exact one, where it is known."""
    tally = Tally(exposition, rank_label="dp_rank", copy_labels=_COPY_LABELS)
    for figure, reason in _NEVER.items():
        tally.note(figure, reason)
    running, waiting, decode, prompt, capacity = map(
        tally.by_rank, (_RUNNING, _WAITING, _DECODE, _PROMPT, _CAPACITY)
    )
    ranked = (running, waiting, _kv_usage(tally), decode, prompt, capacity)
    role = first_label(exposition, "engine_type")
    no_latency = _PREFILL_ROLE if role == "prefill" else _NO_TOKEN
    found, version_reason = release(exposition, _MARKERS, version)
    if found is None:
        tally.note("version", NO_BRACKET_REASON)
    return EngineReading(
        engine=ENGINE,
        version=found,
        version_reason=version_reason,
        model_name=first_label(exposition, "model_name"),
        decode_includes_first_token=False,
        draft_tokens_total=None,
        accepted_tokens_total=None,
        drafts_total=None,
        resident_tokens=tally.whole(_resident(tally, running)),
        accept_length=_accept_length(tally),
        num_gpu_blocks=None,
        memory_fraction=None,
        memory=_memory(tally),
        time_to_first_token=tally.histogram("time_to_first_token", _TTFT, no_latency),
        inter_token_latency=tally.histogram("inter_token_latency", _ITL, no_latency),
        **tally.wholes(*ranked, *map(tally.by_rank, _SUMMED)),
        ranks=tally.ranks(ranked),
        missing=tally.missing,
        timestamp=exposition.timestamp,
        role=role,
        notes=notes(exposition),
    )


def _kv_usage(tally: Tally) -> ByRank:
    full = tally.by_rank(_FULL_USAGE)
    if full.gap == _FULL_USAGE.absent:
        return tally.by_rank(_TOKEN_USAGE)
    pools = (full, tally.by_rank(_SWA_USAGE), tally.by_rank(_MAMBA_USAGE))
    faults = [pool.gap for pool in pools if pool.gap not in {None, _NO_BATCH}]
    fullest = full.map(lambda rank, _: max(pool.values.get(rank, 0.0) for pool in pools))
    return replace(fullest, gap=faults[0] if faults else None)


def _resident(tally: Tally, running: ByRank) -> ByRank:
    return tally.by_rank(_RESIDENT).map(
        lambda rank, tokens: 0.0 if running.values.get(rank) == 0 else tokens
    )


def _accept_length(tally: Tally) -> float | None:
    """Mean over the ranks that speculate, the bonus token included."""
    lengths = tally.by_rank(_ACCEPT_LENGTH)
    speculating = [length for length in lengths.values.values() if length > 0]
    if lengths.gap or not speculating:
        tally.note("accept_length", lengths.gap or "0: nothing speculated")
        return None
    return sum(speculating) / len(speculating)


def _memory(tally: Tally) -> DeviceMemory | None:
    """The worst device: most weights, most graphs, least left free."""
    weights = _device(tally, "weights_bytes", _WEIGHTS, max)
    graphs = _device(tally, "graphs_bytes", _GRAPHS, max)
    free = _device(tally, "free_after_start_bytes", _FREE, min)
    if weights is None and graphs is None and free is None:
        return None
    return DeviceMemory(weights_bytes=weights, graphs_bytes=graphs, free_after_start_bytes=free)


def _device(
    tally: Tally, figure: str, sample: str, worst: Callable[[Iterable[float]], float]
) -> float | None:
    """Bytes on the worst device, summed over phases; a negative one (seen on CPUs) is no figure."""
    devices: dict[frozenset[tuple[str, str]], float] = {}
    for labels, gib in tally.exposition.series(sample):
        device = frozenset(kv for kv in labels.items() if kv[0] != "phase")
        devices[device] = devices.get(device, 0.0) + gib * GIB
    spoiled = tally.spoiled(sample)
    if not spoiled and devices and all(0 <= size < inf for size in devices.values()):
        return worst(devices.values())
    fault = f"{sample} is negative or infinite" if devices else f"no {sample}: an older SGLang"
    tally.note(f"memory.{figure}", spoiled or fault)
    return None
