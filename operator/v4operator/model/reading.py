"""What one scrape of one replica says, in the same words for every engine."""

from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """Serving engines that can be recognised. vLLM-Ascend and NIM 2.x answer as what they wrap."""

    SGLANG = "sglang"
    VLLM = "vllm"
    NIM = "nim"
    LLAMACPP = "llamacpp"
    VLLM_MLX = "vllm-mlx"
    TENSORRT_LLM = "tensorrt-llm"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFigure:
    """A figure this exposition does not give, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Cumulative histogram, summed over all series of the family.

    `edges` are upper bounds in ascending order, the last one +Inf; `counts` are cumulative.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    total: float
    count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankReading:
    """Figures of one data-parallel rank. `None` where the exposition has no such series."""

    rank: int
    running_requests: float | None
    waiting_requests: float | None
    kv_usage_ratio: float | None
    decode_tokens_total: float | None
    prompt_tokens_total: float | None
    kv_capacity_tokens: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """Memory of one device as the engine reports it, in bytes (the worst device of the replica).

    The last two are the driver's word, of all that is on the device now, where somebody tells them.
    """

    weights_bytes: float | None
    graphs_bytes: float | None
    free_after_start_bytes: float | None
    device_used_bytes: float | None = None
    device_free_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReading:
    """One scrape, for the whole replica.

    Counters are running counters: they move while requests run. Those in `counted_at_finish` move
    only when a request ends, so that their rate is right over windows longer than a request alone.
    `inter_token_latency` has an observation per step and request in vLLM, per token in SGLang;
    `time_per_output_token` one per finished request, its mean per token after the first.
    Where `significant_digits` is told, figures above that many digits are rounded by the engine.
    `decode_tokens_total` counts first tokens too where `decode_includes_first_token` is true.
    `prompt_tokens_total` includes tokens taken from the prefix cache, `prefill_tokens_total` only
    those that were computed. `kv_usage_ratio` is the fullest rank's; `kv_capacity_tokens` is summed
    over ranks as the engine reports it. `timestamp` is the exposition's own time, if it has one.
    `drafts_total` counts draft rounds: the mean accepted length is 1 + accepted / drafts.
    `role` is unified, prefill, decode or dynamic, where the engine says so; `role_reason` says from
    what it was told where it is not the engine's own word.
    Between prefill and decode workers, besides `waiting_requests`: `handover_waiting_requests` hold
    no KV here yet, `handover_moving_requests` hold KV that is on its way and make no tokens.
    `kv_window_capacity_tokens` is the sliding-window pool, summed over ranks, where it is a pool of
    its own. `missing` names fields of this class. `notes` say what of the text could not be used
    (malformed lines, duplicates).
    """

    engine: Engine
    version: str | None
    version_reason: str | None
    model_name: str | None
    running_requests: float | None
    waiting_requests: float | None
    kv_usage_ratio: float | None
    kv_capacity_tokens: float | None
    decode_tokens_total: float | None
    decode_includes_first_token: bool
    first_tokens_total: float | None
    prompt_tokens_total: float | None
    prefill_tokens_total: float | None
    resident_tokens: float | None
    finished_requests_total: float | None
    finished_decode_tokens_total: float | None
    preemptions_total: float | None
    draft_tokens_total: float | None
    accepted_tokens_total: float | None
    accept_length: float | None
    num_gpu_blocks: int | None
    memory_fraction: float | None
    memory: DeviceMemory | None
    time_to_first_token: Histogram | None
    inter_token_latency: Histogram | None
    ranks: tuple[RankReading, ...]
    missing: tuple[MissingFigure, ...]
    timestamp: float | None = None
    drafts_total: float | None = None
    role: str | None = None
    notes: tuple[str, ...] = ()
    role_reason: str | None = None
    handover_waiting_requests: float | None = None
    handover_moving_requests: float | None = None
    kv_window_capacity_tokens: float | None = None
    counted_at_finish: tuple[str, ...] = ()
    significant_digits: int | None = None
    time_per_output_token: Histogram | None = None
