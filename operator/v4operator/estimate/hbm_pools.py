"""How an engine cuts the memory that is left for KV, and what fits into it.

One planner an engine, with the same questions. Everything here is for one device of one
data-parallel rank; tensor ranks hold the same tokens, pipeline stages a share of each.
"""

from dataclasses import dataclass
from typing import Protocol

from v4operator.estimate import kv
from v4operator.model.hbm import KvPool


class KvPlanner(Protocol):
    """What a verdict asks of an engine's planner; `room` is bytes left for KV on one device."""

    def request_bytes(self, context_tokens: int) -> float:
        """One request in steady decode."""
        ...

    def reserve_bytes(self, context_tokens: int) -> float:
        """What must be free for one request of that length to be admitted at start."""
        ...

    def sequences(self, room: float, context_tokens: int) -> int:
        """Requests of that length in steady decode on one rank."""
        ...

    def steady_tokens(self, room: float, context_tokens: int) -> float:
        """Tokens resident on one rank when it is full of requests of that length."""
        ...

    def reported_tokens(self, room: float, context_tokens: int) -> float:
        """Capacity that the engine reports of one rank at that maximum length."""
        ...

    def pool(self, room: float, ranks: int) -> KvPool:
        """The two-parameter law for the whole replica."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlanner:
    """The planner of vLLM: all KV groups share one pool of 256-token blocks.

    `block_bytes` is the share of one pipeline stage, `in_flight_tokens` the batched tokens of all
    batches that may be in flight, which the check at start reserves for.
    """

    block_bytes: float
    in_flight_tokens: int

    def request_bytes(self, context_tokens: int) -> float:
        """Blocks of steady decode, in bytes."""
        return kv.blocks(context_tokens, kv.STEADY_IN_FLIGHT_TOKENS) * self.block_bytes

    def reserve_bytes(self, context_tokens: int) -> float:
        """Blocks with every batch in flight, in bytes."""
        return kv.blocks(context_tokens, self.in_flight_tokens) * self.block_bytes

    def sequences(self, room: float, context_tokens: int) -> int:
        """Whole requests in the whole blocks that there are."""
        return self._blocks(room) // kv.blocks(context_tokens, kv.STEADY_IN_FLIGHT_TOKENS)

    def steady_tokens(self, room: float, context_tokens: int) -> float:
        """Fractional requests times their length."""
        per_request = kv.blocks(context_tokens, kv.STEADY_IN_FLIGHT_TOKENS)
        return self._blocks(room) / per_request * context_tokens

    def reported_tokens(self, room: float, context_tokens: int) -> float:
        """`kv_cache_size_tokens`: concurrency at admission times the maximum length."""
        per_request = kv.blocks(context_tokens, self.in_flight_tokens)
        return self._blocks(room) / per_request * context_tokens

    def pool(self, room: float, ranks: int) -> KvPool:
        """Slope of one block per 256 tokens; the constant is what a short tail takes besides."""
        fixed = kv.blocks(_LONG, kv.STEADY_IN_FLIGHT_TOKENS) - kv.pages(_LONG)
        return KvPool(
            capacity_tokens=float(self._blocks(room) * kv.BLOCK_TOKENS * ranks),
            fixed_tokens_per_request=float(fixed * kv.BLOCK_TOKENS),
        )

    def _blocks(self, room: float) -> int:
        return max(0, int(room // self.block_bytes))


_LONG = 1 << 20  # a length beyond every window, where the constant shows


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPools:
    """The planner of SGLang: a full pool, a sliding-window pool and C128 state per request slot.

    Bytes are the share of one pipeline stage. The window pool has `window_ratio` slots per full
    token; `slots` is the running-request limit of one rank, `chunk_tokens` one prefill chunk.
    """

    full_token_bytes: float
    window_slot_bytes: float
    request_slot_bytes: float
    window_ratio: float
    slots: int
    chunk_tokens: int
    window_tokens: int

    def request_bytes(self, context_tokens: int) -> float:
        """Whole pages of the full pool, the window's slots and the C128 state."""
        return (
            kv.pages(context_tokens) * kv.BLOCK_TOKENS * self.full_token_bytes
            + self._window_slots(context_tokens) * self.window_slot_bytes
            + self.request_slot_bytes
        )

    def reserve_bytes(self, context_tokens: int) -> float:
        """All request slots, and pools that hold one request of that length in prefill."""
        full = kv.pages(context_tokens) * kv.BLOCK_TOKENS
        in_prefill = min(context_tokens, self.chunk_tokens + self.window_tokens)
        tokens = max(full, in_prefill / self.window_ratio)
        return self.slots * self.request_slot_bytes + tokens * self._token_bytes

    def sequences(self, room: float, context_tokens: int) -> int:
        """The least of what the three pools hold."""
        full = self._full_tokens(room)
        by_window = full * self.window_ratio / self._window_slots(context_tokens)
        by_length = full // (kv.pages(context_tokens) * kv.BLOCK_TOKENS)
        return min(self.slots, by_length, int(by_window))

    def steady_tokens(self, room: float, context_tokens: int) -> float:
        """Full tokens, less where the window pool binds first (short requests)."""
        full = self._full_tokens(room)
        by_window = full * self.window_ratio / self._window_slots(context_tokens) * context_tokens
        return min(float(full), by_window)

    def reported_tokens(self, room: float, context_tokens: int) -> float:
        """`max_total_num_tokens`: the full pool, whatever the length."""
        del context_tokens
        return float(self._full_tokens(room))

    def pool(self, room: float, ranks: int) -> KvPool:
        """One full token per token; half a page is lost at the end of each request."""
        return KvPool(
            capacity_tokens=float(self._full_tokens(room) * ranks),
            fixed_tokens_per_request=kv.BLOCK_TOKENS / 2,
        )

    @property
    def _token_bytes(self) -> float:
        return self.full_token_bytes + self.window_ratio * self.window_slot_bytes

    def _full_tokens(self, room: float) -> int:
        """Whole pages of the full pool, after the request slots have been taken."""
        left = room - self.slots * self.request_slot_bytes
        return max(0, int(left / self._token_bytes)) // kv.BLOCK_TOKENS * kv.BLOCK_TOKENS

    def _window_slots(self, context_tokens: int) -> int:
        """A window that moves over pages touches one and a half on average."""
        return min(context_tokens, self.window_tokens + kv.BLOCK_TOKENS)
