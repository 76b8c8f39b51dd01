"""SGLang's metrics (0.5.12 to 0.5.23): which are trusted, and why.

* Decode tokens: `sglang:realtime_tokens_total{mode="decode"}` moves with every decode step. It
  leaves out each request's first token, which comes out of prefill.
  `sglang:generation_tokens_total` moves only when a request finishes (recorded: 0, 0, 2348, 0
  tokens/s against a real 500 to 1200).
* Prompt tokens: modes `prefill_compute` and `prefill_cache` of the same counter.
* Before 0.5.7 there is no such counter: decode tokens are then the observations of the inter-token
  latency, which is weighted by tokens and live; prompt tokens are those of finished requests.
* Prefill and decode workers (label `engine_type`, from 0.5.14 on): a request waits in the bootstrap
  queue of the one and in the preallocation queue of the other without KV there; in the transfer
  queues it holds KV on both. `sglang:num_queue_reqs` is the scheduler's own queue, behind those of
  a decode worker and after the bootstrap queue of a prefill worker.
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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import inf

from v4operator.model.reading import DeviceMemory, Engine, EngineReading
from v4operator.model.units import GIB
from v4operator.observe.engines import sglang_table as table
from v4operator.observe.engines.release import NO_BRACKET_REASON, release
from v4operator.observe.engines.tally import ByRank, Source, Tally, first_label, notes
from v4operator.observe.exposition import Exposition

ENGINE = Engine.SGLANG
PREFIXES: tuple[str, ...] = ("sglang:", "sglang_")
WANTED = table.WANTED
SIGNS = WANTED


def read(exposition: Exposition, version: str | None) -> EngineReading:
    """One scrape of an SGLang replica. `version` is the exact one, where it is known."""
    tally = Tally(exposition, rank_label="dp_rank", copy_labels=table.COPY_LABELS)
    for figure, reason in table.NEVER.items():
        tally.note(figure, reason)
    running, waiting, capacity = map(tally.by_rank, (table.RUNNING, table.WAITING, table.CAPACITY))
    decode, prompt, at_finish = _tokens(tally)
    ranked = (running, waiting, _kv_usage(tally), decode, prompt, capacity)
    role = first_label(exposition, "engine_type")
    no_latency = table.PREFILL_ROLE if role == "prefill" else table.NO_TOKEN
    found, version_reason = release(exposition, table.MARKERS, version)
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
        time_to_first_token=tally.histogram("time_to_first_token", (table.TTFT,), no_latency),
        inter_token_latency=tally.histogram("inter_token_latency", (table.ITL,), no_latency),
        time_per_output_token=tally.histogram(
            "time_per_output_token", (table.TPOT,), table.NO_TPOT
        ),
        **tally.wholes(*ranked, *map(tally.by_rank, table.SUMMED)),
        ranks=tally.ranks(ranked),
        timestamp=exposition.timestamp,
        role=role,
        role_reason=None,
        handover_waiting_requests=_queued(tally, table.HANDOVER_WAITING),
        handover_moving_requests=_queued(tally, table.HANDOVER_MOVING),
        kv_window_capacity_tokens=tally.whole(tally.by_rank(table.WINDOW_CAPACITY)),
        counted_at_finish=at_finish,
        significant_digits=None,
        missing=tally.missing,  # after all that note something
        notes=notes(exposition),
    )


def _tokens(tally: Tally) -> tuple[ByRank, ByRank, tuple[str, ...]]:
    """Decode and prompt tokens, and which of the two move at finish only."""
    decode, prompt = map(tally.by_rank, (table.DECODE, table.PROMPT))
    if tally.has(table.DECODE) or tally.is_cut:
        return decode, prompt, ()
    old_decode, old_prompt = map(
        tally.by_rank, (table.DECODE_BEFORE_0_5_7, table.PROMPT_BEFORE_0_5_7)
    )
    if old_decode.values:
        decode = old_decode
    if not old_prompt.values:
        return decode, prompt, ()
    return decode, old_prompt, (old_prompt.figure,)


def _queued(tally: Tally, sources: Sequence[Source]) -> float | None:
    """Requests in several queues; one that this release does not have adds nothing."""
    there = [source for source in sources if tally.has(source) or tally.is_cut]
    queues = [tally.whole(tally.by_rank(source)) for source in there or sources[:1]]
    known = [requests for requests in queues if requests is not None]
    return sum(known) if len(known) == len(queues) else None


def _kv_usage(tally: Tally) -> ByRank:
    """The fullest pool's; a pool that this release does not have is not full."""
    if not tally.has(table.FULL_USAGE):
        return tally.by_rank(table.TOKEN_USAGE)
    sources = (table.FULL_USAGE, table.SWA_USAGE, table.MAMBA_USAGE)
    pools = [tally.by_rank(source) for source in sources if tally.has(source)]
    gap = next((pool.gap for pool in pools if pool.gap), None)
    fullest = pools[0].map(lambda rank, _: max(pool.values.get(rank, 0.0) for pool in pools))
    return replace(fullest, gap=gap)


def _resident(tally: Tally, running: ByRank) -> ByRank:
    return tally.by_rank(table.RESIDENT).map(
        lambda rank, tokens: 0.0 if running.values.get(rank) == 0 else tokens
    )


def _accept_length(tally: Tally) -> float | None:
    """Mean over the ranks that speculate, the bonus token included."""
    lengths = tally.by_rank(table.ACCEPT_LENGTH)
    speculating = [length for length in lengths.values.values() if length > 0]
    if lengths.gap or not speculating:
        tally.note("accept_length", lengths.gap or "0: nothing speculated")
        return None
    return sum(speculating) / len(speculating)


def _memory(tally: Tally) -> DeviceMemory | None:
    """The worst device: most weights, most graphs, least left free."""
    weights = _device(tally, "weights_bytes", table.WEIGHTS, max)
    graphs = _device(tally, "graphs_bytes", table.GRAPHS, max)
    free = _device(tally, "free_after_start_bytes", table.FREE, min)
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
