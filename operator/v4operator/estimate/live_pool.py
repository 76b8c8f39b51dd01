"""The KV pool that a running engine reports: bytes of one device, tokens of the replica. Pure.

vLLM reports blocks, summed over its data-parallel engines; SGLang tokens of its full and window
pools, for each rank. Bytes per block and token are those of the release in the catalogue.
"""

from dataclasses import dataclass

from v4operator.estimate import kv
from v4operator.estimate.hbm_account import Account
from v4operator.estimate.hbm_config import Configuration, Unresolved
from v4operator.estimate.hbm_pools import BlockPlanner, TokenPools
from v4operator.model.figures import Figure, Tag
from v4operator.model.hbm import KvPool
from v4operator.model.reading import EngineReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedPool:
    """Bytes of one device, tokens of the replica, and data-parallel ranks.

    `room` is the same bytes for a planner, and half a block (page) more: it rounds down to whole
    ones, and the bytes were made from whole ones.
    """

    bytes: Figure
    pool: KvPool
    ranks: int
    room: float


def reported_pool(reading: EngineReading, account: Account) -> ReportedPool | Unresolved:
    """The pool by the engine's own report; `Unresolved` says which figure of it is missing."""
    planner = account.planner
    if isinstance(planner, BlockPlanner):
        return _blocks(reading, account, planner)
    if isinstance(planner, TokenPools):
        return _tokens(reading, account, planner)
    return Unresolved(reasons=(no_layout(account.config),))


def no_layout(config: Configuration) -> str:
    """Why blocks or tokens of that engine cannot be told in bytes."""
    return f"no KV layout is known for {config.engine.name} {config.version}"


def exact_version(reading: EngineReading) -> str | None:
    """The version as the engine tells it; not one that was guessed from its metrics."""
    return reading.version if reading.version_reason is None else None


def _blocks(
    reading: EngineReading, account: Account, planner: BlockPlanner
) -> ReportedPool | Unresolved:
    """num_gpu_blocks / data-parallel ranks x bytes per block of one pipeline stage."""
    blocks, ranks = reading.num_gpu_blocks, account.config.layout.data
    if blocks is None:
        return Unresolved(reasons=(_why(reading, "num_gpu_blocks"),))
    per_device = blocks / ranks * planner.block_bytes
    source = (
        f"{blocks:,} blocks (num_gpu_blocks) / {ranks} ranks x {planner.block_bytes:,.0f} B of "
        f"{account.config.engine.name} {account.config.version}"
    )
    return ReportedPool(
        bytes=Figure(value=per_device, tag=_layout_tag(reading, account), source=source),
        pool=KvPool(
            capacity_tokens=float(blocks * kv.BLOCK_TOKENS),
            fixed_tokens_per_request=planner.pool(0.0, ranks).fixed_tokens_per_request,
        ),
        ranks=ranks,
        room=per_device + 0.5 * planner.block_bytes,
    )


def _tokens(
    reading: EngineReading, account: Account, planner: TokenPools
) -> ReportedPool | Unresolved:
    """Full tokens, window slots and request slots of the fullest rank, each at its bytes."""
    told = [r.kv_capacity_tokens for r in reading.ranks if r.kv_capacity_tokens is not None]
    if not told or reading.kv_capacity_tokens is None:
        return Unresolved(reasons=(_why(reading, "kv_capacity_tokens"),))
    tokens, window = max(told), reading.kv_window_capacity_tokens
    slots = planner.window_ratio * tokens if window is None else window / len(told)
    per_device = (
        tokens * planner.full_token_bytes
        + slots * planner.window_slot_bytes
        + planner.slots * planner.request_slot_bytes
    )
    source = (
        f"{tokens:,.0f} tokens (sglang:max_total_num_tokens) x {planner.full_token_bytes:,.0f} B, "
        f"{slots:,.0f} window slots x {planner.window_slot_bytes:,.0f} B, {planner.slots} request "
        f"slots x {planner.request_slot_bytes:,.0f} B of {account.config.version}"
    )
    return ReportedPool(
        bytes=Figure(value=per_device, tag=_layout_tag(reading, account), source=source),
        pool=KvPool(
            capacity_tokens=reading.kv_capacity_tokens,
            fixed_tokens_per_request=planner.pool(0.0, 1).fixed_tokens_per_request,
        ),
        ranks=account.config.layout.data,
        room=per_device + 0.5 * kv.BLOCK_TOKENS * planner.full_token_bytes,
    )


def _layout_tag(reading: EngineReading, account: Account) -> Tag:
    """The catalogue's tag, which holds only for a release that the engine has told exactly."""
    return account.figures[-1].tag if exact_version(reading) else Tag.ESTIMATE


def _why(reading: EngineReading, figure: str) -> str:
    reason = next((m.reason for m in reading.missing if m.name == figure), "not reported")
    return f"{figure}: {reason}"
