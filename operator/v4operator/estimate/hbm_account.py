"""One configuration -> its account per device: budget, weights, room for KV. No verdict."""

from dataclasses import dataclass

from v4operator.estimate.hbm_budget import Budget, batched_tokens, budget
from v4operator.estimate.hbm_config import Configuration
from v4operator.estimate.hbm_pools import BlockPlanner, KvPlanner, TokenPools
from v4operator.estimate.hbm_weights import per_device_bytes
from v4operator.model.catalogue import BlockLayout, PoolLayout, Weights
from v4operator.model.figures import Figure
from v4operator.model.hbm import Band

DEFAULT_WINDOW_RATIO = 0.1  # SGLang 0.5.23's swa_full_tokens_ratio for V4


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One device. `room` is what is left for KV: `low` at high overhead."""

    config: Configuration
    budget: Budget
    weights_bytes: float
    planner: KvPlanner
    room: Band
    figures: tuple[Figure, ...]

    def admitted(self, room: float) -> bool:
        """Whether one request of the maximum length is admitted at start."""
        return self.planner.reserve_bytes(self.config.context_tokens) <= room

    def concurrency(self, room: float) -> int:
        """Requests of the maximum length in steady decode: the sum over ranks of whole requests."""
        per_rank = self.planner.sequences(room, self.config.context_tokens)
        return max(0, per_rank) * self.config.layout.data


def account_of(
    config: Configuration, weights: Weights, visible: Figure, layout: BlockLayout | PoolLayout
) -> Account:
    """The account of a configuration whose figures are all there."""
    allowed = budget(config, visible.value)
    loaded = per_device_bytes(
        weights,
        config.layout,
        speculative=config.speculative,
        load_factor=config.load_factor,
    )
    memory = config.memory
    room = Band(
        low=allowed.room(loaded, memory.overhead_high_bytes.value),
        central=allowed.room(loaded, memory.overhead_central_bytes.value),
        high=allowed.room(loaded, memory.overhead_low_bytes.value),
    )
    factor = (config.load_factor.factor,) if config.load_factor else ()
    parts = (weights.experts_bytes, weights.dense_bytes)
    first = layout.block_bytes if isinstance(layout, BlockLayout) else layout.full_token_bytes
    return Account(
        config=config,
        budget=allowed,
        weights_bytes=loaded,
        planner=_planner(config, layout),
        room=room,
        figures=(visible, *parts, *factor, first),
    )


def _planner(config: Configuration, layout: BlockLayout | PoolLayout) -> KvPlanner:
    stages = config.layout.pipeline
    if isinstance(layout, BlockLayout):
        return BlockPlanner(
            block_bytes=layout.block_bytes.value / stages,
            in_flight_tokens=batched_tokens(config) * _batches_in_flight(config, layout),
        )
    window = layout.window_slot_bytes
    if config.speculative:
        window = layout.window_slot_speculative_bytes
    # Speculation keeps a second copy of the C128 state (SGLang 0.5.23 source).
    copies = 2 if config.speculative else 1
    kv = config.checkpoint.kv
    return TokenPools(
        full_token_bytes=layout.full_token_bytes.value / stages,
        window_slot_bytes=window.value / stages,
        request_slot_bytes=layout.request_slot_bytes.value * copies / stages,
        window_ratio=config.args.window_ratio or DEFAULT_WINDOW_RATIO,
        slots=max(1, running_limit(config) // config.layout.data),
        chunk_tokens=batched_tokens(config),
        window_tokens=kv.window_tokens if kv else 0,
    )


def _batches_in_flight(config: Configuration, layout: BlockLayout) -> int:
    if config.layout.pipeline > 1:
        return config.layout.pipeline + 1
    return 1 if config.args.asynchronous is False else layout.batches_in_flight


def running_limit(config: Configuration) -> int:
    """Requests that the engine runs at once: as set, else its default."""
    return config.running_requests or int(config.memory.running_requests.value)
