"""KV cache of one request in bytes and in vLLM's blocks. No budget and no verdict here.

V4 keeps one latent entry per 4 tokens (CSA layers, with an indexer key) or per 128 tokens (HCA
layers), the last 128 tokens of every layer, and a small rolling state: slope times length plus a
constant, never a flat rate per token.
"""

from v4operator.model.catalogue import KvLayout

CSA_RATIO = 4  # tokens per compressed entry, published configuration
HCA_RATIO = 128
BLOCK_TOKENS = 256  # vLLM's logical block and SGLang's page for V4
STEADY_IN_FLIGHT_TOKENS = 2  # a decoding request has the sampled token and the next one in flight

# Granularity of vLLM 0.33's four KV groups, in tokens per logical block: sliding window (two
# groups), CSA state and HCA state.
_WINDOW_STEP, _CSA_STEP, _HCA_STEP = 64, 4, 8
_CSA_REACH = 7  # a CSA entry is a weighted sum over 8 tokens


def sequence_bytes(layout: KvLayout, context_tokens: int) -> int:
    """KV of one sequence of `context_tokens` in one copy, unpaged.

    n_csa floor(L/4) (entry + indexer) + n_hca floor(L/128) entry + layers min(L, window) entry +
    state (published layout of vLLM 0.33 and SGLang 0.5.23).
    """
    compressed = layout.csa_layers * (context_tokens // CSA_RATIO)
    return (
        compressed * (layout.entry_bytes + layout.indexer_bytes)
        + layout.hca_layers * (context_tokens // HCA_RATIO) * layout.entry_bytes
        + layout.layers * min(context_tokens, layout.window_tokens) * layout.entry_bytes
        + layout.state_bytes_per_sequence
    )


def slope_bytes(layout: KvLayout) -> float:
    """Bytes that each further token adds, beyond the window."""
    per_csa = (layout.entry_bytes + layout.indexer_bytes) / CSA_RATIO
    return layout.csa_layers * per_csa + layout.hca_layers * layout.entry_bytes / HCA_RATIO


def blocks(context_tokens: int, in_flight_tokens: int, window_tokens: int = 128) -> int:
    """Blocks of vLLM that one request takes with `in_flight_tokens` being computed.

    With L the context, F the tokens in flight and w = min(window - 1 + F, L):
    ceil(L/256) + 2 (ceil(w/64) + 1) + (ceil(min(7+F, L)/4) + 1) + (ceil(w/8) + 1)
    (vLLM 0.33 source; reproduces the concurrency that vllm#51454 reports for 0.25).
    """
    windowed = min(window_tokens - 1 + in_flight_tokens, context_tokens)
    compressed = min(_CSA_REACH + in_flight_tokens, context_tokens)
    return (
        _ceil(context_tokens, BLOCK_TOKENS)
        + 2 * (_ceil(windowed, _WINDOW_STEP) + 1)
        + (_ceil(compressed, _CSA_STEP) + 1)
        + (_ceil(windowed, _HCA_STEP) + 1)
    )


def pages(context_tokens: int) -> int:
    """Pages of 256 tokens that hold `context_tokens`."""
    return _ceil(context_tokens, BLOCK_TOKENS)


def _ceil(amount: int, step: int) -> int:
    return -(-amount // step)
