"""The live verdict on memory: what a running replica's own report amounts to, per device. Pure.

Measured where the engine measures, implied where it reports blocks or tokens, modelled where it
says nothing, and each figure tells which. Before a start `hbm` plans; here nothing is planned.
Engines without a memory model have no live verdict either.

vLLM reports blocks (`num_gpu_blocks`, summed over data-parallel engines) and no bytes. SGLang
reports weights, what is free after start, and tokens (`sglang:kv_cache_memory_usage_gb` is 0 for
V4). Where DCGM tells what is on the device, its word on the overhead goes before both: engines take
weights and pool at the start, so what is used beyond them is overhead, graphs and all.
"""

from collections.abc import Iterable
from dataclasses import replace

from v4operator.estimate.hbm_account import Account, account_of
from v4operator.estimate.hbm_config import Unresolved, resolve
from v4operator.estimate.hbm_support import block_layout, missing_figures, pool_layout
from v4operator.estimate.live_device import device_findings, device_used
from v4operator.estimate.live_pool import ReportedPool, exact_version, no_layout, reported_pool
from v4operator.estimate.live_words import findings
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import MemoryPlan
from v4operator.model.figures import Figure, Tag
from v4operator.model.hbm import Band, HbmReport
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.reading import EngineReading

_WEIGHTS = "sglang:weight_memory_usage_gb"
_FREE = "sglang:startup_available_gpu_memory_gb"


def live(reading: EngineReading, plan: MemoryPlan, catalogue: Catalogue) -> LiveHbm | Unresolved:
    """Weights, KV pool and overhead of one device as they are, against the budget.

    What the engine reports of itself (version, fraction) goes before the plan. `Unresolved` names
    what is missing. Findings: `ModelDiffers` where report and model are further apart than the
    overhead band, `ConfigMismatch` where the plan says otherwise than the engine,
    `DeviceMemoryDiffers` where the device holds less than the engine reports.
    """
    account = _account(reading, _as_reported(reading, plan), catalogue)
    if isinstance(account, Unresolved):
        return account
    held = reported_pool(reading, account)
    if isinstance(held, Unresolved):
        return held
    weights = _weights(reading, account)
    planner, context = account.planner, account.config.context_tokens
    used, visible = device_used(reading, account), account.budget.visible_bytes
    return LiveHbm(
        weights=weights,
        kv_pool=held.bytes,
        overhead=_overhead(reading, account, weights, held, used),
        overhead_counts=account.budget.spans_overhead,
        budget_bytes=round(account.budget.budget_bytes),
        visible_bytes=round(visible),
        pool=held.pool,
        kv_capacity_tokens=int(planner.steady_tokens(held.room, context) * held.ranks),
        max_concurrency=account.concurrency(held.room),
        findings=(
            *findings(reading, plan, account, weights, held),
            *device_findings(used, weights, held.bytes, visible),
        ),
    )


def fullest(
    readings: Iterable[EngineReading], plan: MemoryPlan, catalogue: Catalogue
) -> LiveHbm | Unresolved | None:
    """The live verdict of the replica that uses most of its budget; `None` without a reading.

    Replicas of one configuration report the same, so each distinct report is judged once.
    """
    distinct: dict[tuple[object, ...], EngineReading] = {}
    for reading in readings:
        report = _report_of(reading)
        distinct[report] = max(distinct.get(report, reading), reading, key=_on_device)
    found = [live(reading, plan, catalogue) for reading in distinct.values()]
    known = [each for each in found if isinstance(each, LiveHbm)]
    if known:
        return max(known, key=lambda each: each.used_bytes / each.budget_bytes)
    return found[0] if found else None


def calibrated(report: HbmReport, lived: LiveHbm) -> HbmReport:
    """The planned report with the measured figures in the place of the modelled ones.

    The verdict stays what was planned: that the replica started is no proof that it fits.
    """
    measured = lived.kv_pool.value
    return replace(
        report,
        weights_bytes=round(lived.weights.value),
        kv_cache_bytes=Band(low=measured, central=measured, high=measured),
        kv_capacity_tokens=lived.kv_capacity_tokens,
        max_concurrency=lived.max_concurrency,
        pool=lived.pool,
    )


def _report_of(reading: EngineReading) -> tuple[object, ...]:
    """What the engine says of its memory. Its device's word moves from scrape to scrape."""
    capacities = tuple(rank.kv_capacity_tokens for rank in reading.ranks)
    memory = reading.memory
    own = (memory.weights_bytes, memory.free_after_start_bytes) if memory else (None, None)
    return (
        *(reading.engine, reading.version, reading.num_gpu_blocks, reading.memory_fraction),
        *(capacities, reading.kv_window_capacity_tokens, own),
    )


def _on_device(reading: EngineReading) -> float:
    """Tells the fullest device among alike reports; one of which nobody tells comes last."""
    memory = reading.memory
    if memory is None:
        return float("-inf")
    if memory.device_free_bytes is not None:
        return -memory.device_free_bytes
    return memory.device_used_bytes or float("-inf")


def _as_reported(reading: EngineReading, plan: MemoryPlan) -> MemoryPlan:
    """The plan with the engine that answers and its exact version, where it tells it.

    A port stays what it is planned as: vLLM-Ascend answers as vLLM, and its blocks are its own.
    """
    version = exact_version(reading) or plan.engine_version
    is_port = plan.engine.startswith(f"{reading.engine.value}-")
    engine = plan.engine if is_port else reading.engine.value
    return replace(plan, engine=engine, engine_version=version)


def _account(
    reading: EngineReading, plan: MemoryPlan, catalogue: Catalogue
) -> Account | Unresolved:
    config = resolve(plan, catalogue)
    if isinstance(config, Unresolved):
        return config
    missing = tuple(f"no figure for {figure}" for figure in missing_figures(config))
    weights, visible = config.checkpoint.weights, config.accelerator.visible_bytes
    layout = block_layout(config) or pool_layout(config)
    if missing or weights is None or visible is None or layout is None:
        return Unresolved(reasons=missing or (no_layout(config),))
    if reading.memory_fraction is not None:
        config = replace(config, memory_fraction=reading.memory_fraction)
    return account_of(config, weights, visible, layout)


def _weights(reading: EngineReading, account: Account) -> Figure:
    measured = reading.memory.weights_bytes if reading.memory else None
    if measured is not None:
        return Figure(value=measured, tag=Tag.MEASURED, source=_WEIGHTS)
    return Figure(
        value=account.weights_bytes,
        tag=Tag.DERIVED,
        source=f"capacity model of {account.config.checkpoint.name}",
    )


def _overhead(
    reading: EngineReading,
    account: Account,
    weights: Figure,
    held: ReportedPool,
    used: Figure | None,
) -> Figure:
    """What the device holds besides: by its driver, what was free, what is left, else the band.

    A fraction that leaves more than overhead ever takes was not filled: the pool was bounded.
    """
    budget, memory = account.budget, account.config.memory
    taken = weights.value + held.bytes.value
    if used is not None:
        source = f"{used.source}, weights and KV"
        return replace(used, value=max(0.0, used.value - taken), source=source)
    free = reading.memory.free_after_start_bytes if reading.memory else None
    if free is not None:
        return Figure(
            value=max(0.0, budget.visible_bytes - free - taken),
            tag=Tag.MEASURED,
            source=f"visible less {_FREE}, weights and KV",
        )
    left = budget.engine_fraction * budget.visible_bytes - taken
    if not budget.spans_overhead or left > memory.overhead_high_bytes.value:
        return memory.overhead_central_bytes
    return Figure(
        value=max(0.0, left),
        tag=Tag.DERIVED,
        source=f"what {budget.engine_fraction:.3f} of the device leaves",
    )
