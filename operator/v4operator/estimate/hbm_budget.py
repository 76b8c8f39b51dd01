"""How much of a device an engine may fill, and what of it is left for KV. No verdict.

The fraction of vLLM spans weights, KV and overhead. That of SGLang spans weights and KV only: what
it leaves free is for everything else, and overhead above that eats into the pools.
"""

from dataclasses import dataclass

from v4operator.catalogue.versions import in_force
from v4operator.estimate.hbm_config import Configuration
from v4operator.model.hbm import Finding
from v4operator.model.units import GIB, MIB

# Terms of SGLang 0.5.23's default for mem_fraction_static, in MiB (source of its memory arguments).
_META_MIB = 512
_PER_CHUNK_TOKEN_MIB = 1.5
_PER_DEVICE_MIB = 128
_PER_GRAPH_REQUEST_MIB = 2
_PER_RANK_GRAPH_REQUEST_MIB = 3
_PER_RANK_LARGE_GRAPH_MIB = 1.5
_LARGE_GRAPH_REQUESTS = 300
_PREFILL_GRAPHS_MIB = 1536
_EXPERT_TRANSPORT_MIB = 2048
_FLOOR_MIB, _FLOOR_ABOVE_BYTES = 10_240, 60 * GIB
# Largest graph batch of that release: below four devices of tensor parallelism it is halved.
_GRAPH_REQUESTS, _GRAPH_REQUESTS_SMALL, _SMALL_BELOW = 512, 256, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Bytes of one device that may be filled.

    `fraction` is of `visible_bytes`; `engine_fraction` is what the engine takes if nobody tells it
    otherwise. `context_bytes` is in use before the engine measures. `pool_cap_bytes` bounds the
    KV pool where it was set in bytes.
    """

    visible_bytes: float
    fraction: float
    engine_fraction: float
    spans_overhead: bool
    context_bytes: float
    pool_cap_bytes: float | None

    @property
    def budget_bytes(self) -> float:
        """What the fraction amounts to."""
        return self.fraction * self.visible_bytes

    def room(self, weights_bytes: float, overhead_bytes: float) -> float:
        """Bytes left for KV; negative where weights and overhead do not fit."""
        if self.spans_overhead:
            left = self.budget_bytes - weights_bytes - overhead_bytes
        else:
            measured = self.fraction * (self.visible_bytes - self.context_bytes)
            left = min(measured, self.visible_bytes - overhead_bytes) - weights_bytes
        return left if self.pool_cap_bytes is None else min(left, self.pool_cap_bytes)


def budget(config: Configuration, visible_bytes: float) -> Budget:
    """The smaller of the user's limit and the engine's fraction."""
    cap = config.args.kv_cache_bytes
    # vLLM ignores its fraction where the KV pool was given in bytes.
    engine_fraction = 1.0 if cap else _engine_fraction(config, visible_bytes)
    context = config.memory.context_bytes
    return Budget(
        visible_bytes=visible_bytes,
        fraction=min(engine_fraction, _limit(config, visible_bytes)),
        engine_fraction=engine_fraction,
        spans_overhead=bool(config.memory.memory_fractions),
        context_bytes=context.value if context else 0.0,
        pool_cap_bytes=float(cap) if cap else None,
    )


def budget_findings(config: Configuration, found: Budget) -> tuple[Finding, ...]:
    """A limit that the engine does not know of is named."""
    if found.fraction >= found.engine_fraction:
        return ()
    flag = fraction_flag(config)
    message = (
        f"The budget is {found.fraction:.3f} of the device, but the engine takes "
        f"{found.engine_fraction:.3f} unless it is told otherwise."
    )
    hint = f"Start it with {flag} {found.fraction:.3f}."
    return (Finding(reason="BudgetBelowEngineFraction", message=message, hint=hint),)


def fraction_flag(config: Configuration) -> str:
    """The engine's own name for its fraction."""
    spans = bool(config.memory.memory_fractions)
    return "--gpu-memory-utilization" if spans else "--mem-fraction-static"


def batched_tokens(config: Configuration) -> int:
    """Tokens of one prefill batch: as set, else the default for a device of this size."""
    if config.batched_tokens is not None:
        return config.batched_tokens
    visible = config.accelerator.visible_bytes
    size = visible.value if visible else 0.0
    return next(
        int(row.tokens.value)
        for row in config.memory.batched_tokens
        if size >= row.minimum_bytes and config.accelerator.name not in row.except_accelerators
    )


def _limit(config: Configuration, visible_bytes: float) -> float:
    asked = config.budget
    if asked is None:
        return 1.0
    if asked.size_bytes is not None:
        return asked.size_bytes / visible_bytes
    return asked.ratio if asked.ratio is not None else 1.0


def _engine_fraction(config: Configuration, visible_bytes: float) -> float:
    if config.memory_fraction is not None:
        return config.memory_fraction
    figure = in_force(config.memory.memory_fractions, config.version)
    return figure.value if figure else default_static_fraction(config, visible_bytes)


def default_static_fraction(config: Configuration, visible_bytes: float) -> float:
    """SGLang's default `mem_fraction_static`: 1 - reserved / device, to three decimals.

    reserved MiB = 512 + 1.5 chunk + 128 tp pp + 2 graph + 3 graph dp (+ 1.5 graph dp above 300) +
    1536, at least 10,240 on devices above 60 GiB, + 2048 with expert transport (DeepEP), which the
    cookbook's recipes use together with data-parallel attention (SGLang 0.5.23 source).
    """
    layout = config.layout
    devices = layout.tensor * layout.data
    small = devices < _SMALL_BELOW
    graph = config.args.graph_requests or (_GRAPH_REQUESTS_SMALL if small else _GRAPH_REQUESTS)
    reserved = (
        _META_MIB
        + _PER_CHUNK_TOKEN_MIB * batched_tokens(config)
        + _PER_DEVICE_MIB * devices * layout.pipeline
        + _PER_GRAPH_REQUEST_MIB * graph
        + _PREFILL_GRAPHS_MIB
        + (_ranks_reserve(config, graph) if layout.data > 1 else 0)
    )
    if visible_bytes > _FLOOR_ABOVE_BYTES:
        reserved = max(reserved, _FLOOR_MIB)
    if layout.data > 1 and config.args.expert_transport != "none":
        reserved += _EXPERT_TRANSPORT_MIB
    return round(1 - reserved * MIB / visible_bytes, 3)


def _ranks_reserve(config: Configuration, graph: int) -> float:
    per_request = _PER_RANK_GRAPH_REQUEST_MIB
    large = _PER_RANK_LARGE_GRAPH_MIB if graph > _LARGE_GRAPH_REQUESTS else 0
    return (per_request + large) * graph * config.layout.data
