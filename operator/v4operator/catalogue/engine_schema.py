"""Engine records: releases, kernels and what each reserves in device memory."""

from typing import Literal

from pydantic import Field

from v4operator.catalogue.record import FigureRecord, Record, optional
from v4operator.model.catalogue import (
    BatchedTokens,
    BlockLayout,
    EngineEntry,
    EngineMemory,
    KernelDefault,
    PoolLayout,
)
from v4operator.model.units import GIB


class KernelRecord(Record):
    """Default MoE kernel from one release on."""

    since: str
    kernel: str
    source: str

    def value(self) -> KernelDefault:
        """The frozen value."""
        return KernelDefault(since=self.since, kernel=self.kernel, source=self.source)


class BatchedTokensRecord(Record):
    """Default prefill batch by device size."""

    minimum_gib: int = Field(ge=0)
    tokens: FigureRecord
    except_accelerators: tuple[str, ...] = ()

    def value(self) -> BatchedTokens:
        """The frozen value, in bytes."""
        return BatchedTokens(
            minimum_bytes=self.minimum_gib * GIB,
            tokens=self.tokens.scaled(),
            except_accelerators=self.except_accelerators,
        )


class BlockRecord(Record):
    """vLLM's block of one family."""

    family: str
    indexer: Literal["fp8", "fp4"]
    batches_in_flight: int = Field(gt=0)
    block_bytes: FigureRecord

    def value(self) -> BlockLayout:
        """The frozen value."""
        return BlockLayout(
            family=self.family,
            indexer=self.indexer,
            block_bytes=self.block_bytes.scaled(),
            batches_in_flight=self.batches_in_flight,
        )


class PoolRecord(Record):
    """SGLang's pools of one family."""

    family: str
    full_token_bytes: FigureRecord
    window_slot_bytes: FigureRecord
    window_slot_speculative_bytes: FigureRecord
    request_slot_bytes: FigureRecord

    def value(self) -> PoolLayout:
        """The frozen value."""
        return PoolLayout(
            family=self.family,
            full_token_bytes=self.full_token_bytes.scaled(),
            window_slot_bytes=self.window_slot_bytes.scaled(),
            window_slot_speculative_bytes=self.window_slot_speculative_bytes.scaled(),
            request_slot_bytes=self.request_slot_bytes.scaled(),
        )


class MemoryRecord(Record):
    """What an engine reserves."""

    memory_fractions: tuple[FigureRecord, ...] = ()
    overhead_low_gib: FigureRecord
    overhead_central_gib: FigureRecord
    overhead_high_gib: FigureRecord
    context_gib: FigureRecord | None = None
    batched_tokens: tuple[BatchedTokensRecord, ...]
    running_requests: FigureRecord
    blocks: tuple[BlockRecord, ...] = ()
    pools: tuple[PoolRecord, ...] = ()

    def value(self) -> EngineMemory:
        """The frozen value, in bytes."""
        return EngineMemory(
            memory_fractions=tuple(record.scaled() for record in self.memory_fractions),
            overhead_low_bytes=self.overhead_low_gib.scaled(GIB),
            overhead_central_bytes=self.overhead_central_gib.scaled(GIB),
            overhead_high_bytes=self.overhead_high_gib.scaled(GIB),
            context_bytes=optional(self.context_gib, GIB),
            batched_tokens=tuple(record.value() for record in self.batched_tokens),
            running_requests=self.running_requests.scaled(),
            blocks=tuple(record.value() for record in self.blocks),
            pools=tuple(record.value() for record in self.pools),
        )


class EngineRecord(Record):
    """One engine as written."""

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    minimum_version: str | None = None
    newest_version: str | None = None
    kernels: tuple[KernelRecord, ...] = ()
    memory: MemoryRecord | None = None
    note: str | None = None

    def value(self) -> EngineEntry:
        """The frozen value."""
        return EngineEntry(
            name=self.name,
            aliases=self.aliases,
            minimum_version=self.minimum_version,
            newest_version=self.newest_version,
            kernels=tuple(record.value() for record in self.kernels),
            memory=self.memory.value() if self.memory else None,
            note=self.note,
        )
