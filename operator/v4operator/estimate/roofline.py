"""The least time that one decoding step can take, from bytes and operations. Pure.

A bound, never the expected value: measured steps take 4 to 7 times this at one request and 2 to 2.7
times at 16. Its use is to find figures that cannot be true: a rate above it is a wrong metric, a
wrong label or a wrong profile.
"""

from dataclasses import dataclass

from v4operator.estimate.kv import CSA_RATIO, HCA_RATIO
from v4operator.model.catalogue import Accelerator, Checkpoint, KvLayout
from v4operator.model.layout import Layout

# Share of the peak bandwidth that the best kernels reach (AIConfigurator).
_MEMORY_EFFICIENCY = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeStep:
    """One step: sequences over the whole replica, their context, and tokens verified for each.

    With speculative decoding `verified_tokens` is one more than the draft: EAGLE 3/1/4 has 4.
    """

    sequences: float
    context_tokens: float
    verified_tokens: float = 1.0


def least_step_seconds(
    checkpoint: Checkpoint, accelerator: Accelerator, layout: Layout, step: DecodeStep
) -> float | None:
    """max(bytes / (0.8 x bandwidth), 2 x active x B x t / peak) on one device.

    bytes = dense part of one device + experts that the batch activates / devices + what the KV of
    one rank's sequences makes it read. `None` where the catalogue lacks one of the figures.
    """
    read = _bytes_read(checkpoint, layout, step)
    bandwidth, peak = accelerator.bandwidth_bytes_per_second, accelerator.peak
    decode = checkpoint.decode
    if read is None or bandwidth is None or decode is None:
        return None
    by_memory = read / (_MEMORY_EFFICIENCY * bandwidth.value)
    rate = (peak.fp8 or peak.bf16) if peak else None
    if rate is None:
        return by_memory
    operations = 2.0 * decode.active_parameters.value * step.sequences * step.verified_tokens
    return max(by_memory, operations / (rate * layout.devices))


def most_decode_tokens_per_second(
    checkpoint: Checkpoint, accelerator: Accelerator, layout: Layout, step: DecodeStep
) -> float | None:
    """The rate of a replica that nothing real can exceed: every verified token accepted."""
    seconds = least_step_seconds(checkpoint, accelerator, layout, step)
    return None if seconds is None else step.sequences * step.verified_tokens / seconds


def active_experts(routed: int, active: int, tokens: float) -> float:
    """Experts of a layer that a batch of tokens touches: E (1 - (1 - k/E)^tokens), if even."""
    untouched: float = (1.0 - active / routed) ** tokens
    return routed * (1.0 - untouched)


def kv_bytes_read(layout: KvLayout, top_k: int, context_tokens: float) -> float:
    """What one decoded token of one sequence reads of its KV cache.

    n_csa (min(k, L/4) entry + L/4 indexer) + n_hca L/128 entry + layers window entry: CSA layers
    read the k best entries, but all indexer keys.
    """
    compressed = context_tokens / CSA_RATIO
    return (
        layout.csa_layers
        * (min(float(top_k), compressed) * layout.entry_bytes + compressed * layout.indexer_bytes)
        + layout.hca_layers * context_tokens / HCA_RATIO * layout.entry_bytes
        + layout.layers * layout.window_tokens * layout.entry_bytes
    )


def _bytes_read(checkpoint: Checkpoint, layout: Layout, step: DecodeStep) -> float | None:
    weights, kv, decode = checkpoint.weights, checkpoint.kv, checkpoint.decode
    if weights is None or kv is None or decode is None or checkpoint.routed_experts is None:
        return None
    tokens = step.sequences * step.verified_tokens
    touched = active_experts(checkpoint.routed_experts, decode.active_experts, tokens)
    experts = weights.experts_bytes.value * touched / checkpoint.routed_experts / layout.devices
    whole = weights.dense_bytes.value
    kept = weights.tensor_replicated_bytes.value
    sliced = (whole - decode.embedding_bytes.value - kept) / layout.tensor + kept
    dense = whole if layout.data > 1 else sliced
    per_rank = step.sequences / layout.data
    return dense + experts + per_rank * kv_bytes_read(kv, decode.indexer_top_k, step.context_tokens)
