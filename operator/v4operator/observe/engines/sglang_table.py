"""Which series SGLang's figures come from, under which names, and why one may be absent.

Tables only; what they mean and how they are put together is in `sglang`.
"""

from v4operator.observe.engines.release import Marker
from v4operator.observe.engines.tally import HISTOGRAM_PARTS, Source

COPY_LABELS = frozenset({"tp_rank", "pp_rank", "moe_ep_rank", "pid"})
TOTAL_PRIORITY = {"priority": frozenset({""})}
TTFT = "sglang:time_to_first_token_seconds"
ITL = "sglang:inter_token_latency_seconds"
TPOT = "sglang:request_time_per_output_token_seconds"
REALTIME = "sglang:realtime_tokens_total"
NO_BATCH = "no series: SGLang exports it from the first batch or idle tick on"
NO_TOKEN = "no series: SGLang exports it from the first batch on"
NO_FINISH = "no series: SGLang exports it from the first finished request on"
NO_TPOT = "no series: exported from 0.5.22 on, from the first finished request on"
PREFILL_ROLE = "no series: a prefill worker observes none"

WAITING = Source(
    figure="waiting_requests",
    sample="sglang:num_queue_reqs",
    only=TOTAL_PRIORITY,
    absent=NO_BATCH,
    beside="sglang:num_running_reqs",
)
RUNNING = Source(
    figure="running_requests",
    sample="sglang:num_running_reqs",
    only=TOTAL_PRIORITY,
    absent=NO_BATCH,
    beside=WAITING.sample,
)
# The first of each is a prefill worker's (renamed after 0.5.10), the others are a decode worker's.
HANDOVER_WAITING = (
    Source(
        figure="handover_waiting_requests",
        sample="sglang:num_prefill_bootstrap_queue_reqs",
        older=("sglang:num_prefill_prealloc_queue_reqs",),
        only=TOTAL_PRIORITY,
        absent=NO_BATCH,
        beside=RUNNING.sample,
    ),
    Source(
        figure="handover_waiting_requests",
        sample="sglang:num_decode_prealloc_queue_reqs",
        only=TOTAL_PRIORITY,
        absent=NO_BATCH,
        beside=RUNNING.sample,
    ),
)
HANDOVER_MOVING = tuple(
    Source(
        figure="handover_moving_requests",
        sample=f"sglang:{name}",
        only=TOTAL_PRIORITY,
        absent=NO_BATCH,
        beside=RUNNING.sample,
    )
    for name in (
        "num_prefill_inflight_queue_reqs",
        "num_decode_transfer_queue_reqs",
        "num_decode_host_receive_queue_reqs",
    )
)
TOKEN_USAGE, FULL_USAGE, SWA_USAGE, MAMBA_USAGE = (
    Source(
        figure="kv_usage_ratio",
        sample=f"sglang:{name}",
        only=TOTAL_PRIORITY,
        absent=NO_BATCH,
        beside=RUNNING.sample,
        ratio=True,
    )
    for name in ("token_usage", "full_token_usage", "swa_token_usage", "mamba_usage")
)
CAPACITY = Source(
    figure="kv_capacity_tokens",
    sample="sglang:max_total_num_tokens",
    absent="no series: SGLang has not allocated its KV cache",
    beside=RUNNING.sample,
)
WINDOW_CAPACITY = Source(
    figure="kv_window_capacity_tokens",
    sample="sglang:max_total_num_tokens_swa",
    absent="no series: exported from 0.5.18 on, for models with a sliding window",
)
DECODE = Source(
    figure="decode_tokens_total",
    sample=REALTIME,
    only={"mode": frozenset({"decode"}), **TOTAL_PRIORITY},
    absent=NO_TOKEN,
    beside="sglang:num_requests_total",
)
DECODE_BEFORE_0_5_7 = Source(figure="decode_tokens_total", sample=f"{ITL}_count", absent=NO_TOKEN)
PROMPT = Source(
    figure="prompt_tokens_total",
    sample=REALTIME,
    only={"mode": frozenset({"prefill_compute", "prefill_cache"}), **TOTAL_PRIORITY},
    absent=NO_TOKEN,
    beside="sglang:num_requests_total",
)
PROMPT_BEFORE_0_5_7 = Source(
    figure="prompt_tokens_total", sample="sglang:prompt_tokens_total", absent=NO_TOKEN
)
PREFILL = Source(
    figure="prefill_tokens_total",
    sample=REALTIME,
    only={"mode": frozenset({"prefill_compute"}), **TOTAL_PRIORITY},
    absent=NO_TOKEN,
)
RESIDENT = Source(
    figure="resident_tokens",
    sample="sglang:decode_sum_seq_lens",
    only=TOTAL_PRIORITY,
    absent=NO_BATCH,
    beside=RUNNING.sample,
)
FIRST = Source(figure="first_tokens_total", sample=f"{TTFT}_count", absent=NO_TOKEN)
FINISHED = Source(
    figure="finished_requests_total", sample="sglang:num_requests_total", absent=NO_FINISH
)
FINISHED_TOKENS = Source(
    figure="finished_decode_tokens_total",
    sample="sglang:generation_tokens_total",
    absent=NO_FINISH,
)
PREEMPTIONS = Source(
    figure="preemptions_total",
    sample="sglang:num_retracted_requests_total",
    absent="no series: SGLang exports it from the first retraction on",
)
ACCEPT_LENGTH = Source(figure="accept_length", sample="sglang:spec_accept_length", absent=NO_BATCH)
WEIGHTS = "sglang:weight_memory_usage_gb"
GRAPHS = "sglang:graph_memory_usage_gb"
FREE = "sglang:startup_available_gpu_memory_gb"

# Wheels sampled: 0.5.10, .12, .14, .16, .18, .20, .22 and .23; live gauges tell by their absence
# only beside another live gauge, constants beside another constant.
LIVE, CONSTANT = TOKEN_USAGE.sample, CAPACITY.sample
MARKERS = (
    Marker(
        sample="sglang:prealloc_full_token_usage",
        since=">=0.5.23",
        before="<0.5.23",
        beside=LIVE,
    ),
    Marker(
        sample="sglang:num_decode_host_receive_queue_reqs",
        since=">0.5.20",
        before="<0.5.22",
        beside=LIVE,
    ),
    Marker(
        sample="sglang:scheduler_idle_seconds_total",
        since=">0.5.18",
        before="<0.5.20",
        beside=CONSTANT,
    ),
    Marker(sample=WEIGHTS, since=">0.5.16", before="<0.5.18", beside=CONSTANT),
    Marker(sample=FREE, since=">0.5.10", before="<0.5.12", beside=CONSTANT),
)

SUMMED = (FIRST, PREFILL, FINISHED, FINISHED_TOKENS, PREEMPTIONS)
NO_DRAFTS = "SGLang exports the accepted length only"
NEVER = {
    "drafts_total": NO_DRAFTS,
    "draft_tokens_total": NO_DRAFTS,
    "accepted_tokens_total": NO_DRAFTS,
    "num_gpu_blocks": "SGLang exports no such figure",
    "memory_fraction": "SGLang does not export it",
}
WANTED = (
    frozenset(
        name
        for source in (
            *(RUNNING, WAITING, TOKEN_USAGE, FULL_USAGE, SWA_USAGE, MAMBA_USAGE, CAPACITY),
            *(WINDOW_CAPACITY, *HANDOVER_WAITING, *HANDOVER_MOVING),
            *(DECODE, PROMPT, PROMPT_BEFORE_0_5_7, RESIDENT, ACCEPT_LENGTH, *SUMMED),
        )
        for name in source.samples
    )
    | frozenset(f"{family}_{part}" for family in (TTFT, ITL, TPOT) for part in HISTOGRAM_PARTS)
    | frozenset({WEIGHTS, GRAPHS, FREE, *(marker.sample for marker in MARKERS)})
)
