"""What the live verdict on memory says to people: a sentence, and where report and model part."""

from collections.abc import Iterator

from v4operator.catalogue.versions import release
from v4operator.estimate.hbm_account import Account
from v4operator.estimate.live_pool import ReportedPool, exact_version
from v4operator.model.deployment import MemoryPlan
from v4operator.model.figures import Figure, Tag
from v4operator.model.hbm import Band, Finding
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.reading import EngineReading
from v4operator.model.units import GIB

# Measured figures reproduce within 10 % of the capacity model: a narrower band than that would name
# the model's own error.
_LEAST_BAND_RATIO = 0.10


def sentence(lived: LiveHbm) -> str:
    """The verdict in words, every figure with its source."""
    verdict = "Beyond" if lived.exceeds else "Within"
    counted = "" if lived.overhead_counts else " (outside this engine's budget)"
    return (
        f"{verdict} the budget: a device holds {_gib(lived.used_bytes)} of "
        f"{_gib(lived.budget_bytes)}: weights {_told(lived.weights)}, KV pool "
        f"{_told(lived.kv_pool)}, overhead {_told(lived.overhead)}{counted}."
    )


def findings(
    reading: EngineReading, plan: MemoryPlan, account: Account, weights: Figure, held: ReportedPool
) -> Iterator[Finding]:
    """`ModelDiffers` and `ConfigMismatch`, each with both figures."""
    yield from _differs("KV pool", held.bytes, account.room)
    if weights.tag is Tag.MEASURED:
        modelled = account.weights_bytes
        yield from _differs("weights", weights, Band(low=modelled, central=modelled, high=modelled))
    yield from _other_capacity(reading, account, held)
    given = account.config.args.memory_fraction
    yield from _mismatch("memory fraction", given, reading.memory_fraction)
    stated, reported = plan.engine_version, exact_version(reading)
    if stated and reported and release(stated) != release(reported):
        yield from _mismatch("engine version", stated, reported)


def _differs(what: str, reported: Figure, modelled: Band) -> Iterator[Finding]:
    half = _LEAST_BAND_RATIO * abs(modelled.central)
    low = min(modelled.low, modelled.central - half)
    high = max(modelled.high, modelled.central + half)
    if low <= reported.value <= high:
        return
    yield Finding(
        reason="ModelDiffers",
        message=f"{what}: {_told(reported)} per device by the engine's own report, "
        f"{_gib(low)} to {_gib(high)} by the capacity model; the engine's is used",
        hint="compare checkpoint, accelerator, parallelism and engine arguments with what runs",
    )


def _other_capacity(
    reading: EngineReading, account: Account, held: ReportedPool
) -> Iterator[Finding]:
    """What vLLM reports is its planner's figure at the maximum length: compared with the same."""
    told, config = reading.kv_capacity_tokens, account.config
    if told is None or not account.budget.spans_overhead or held.bytes.tag is Tag.ESTIMATE:
        return
    expected = account.planner.reported_tokens(held.room, config.context_tokens) * held.ranks
    if abs(told - expected) <= _LEAST_BAND_RATIO * expected:
        return
    yield Finding(
        reason="ConfigMismatch",
        message=f"the engine reports a capacity of {told:,.0f} tokens for its blocks, which a "
        f"maximum context of {config.context_tokens:,} tokens makes {expected:,.0f}",
        hint="its --max-model-len or --max-num-batched-tokens is not what the plan says",
    )


def _mismatch(
    what: str, stated: float | str | None, reported: float | str | None
) -> Iterator[Finding]:
    if stated is None or reported is None or stated == reported:
        return
    yield Finding(
        reason="ConfigMismatch",
        message=f"{what}: {stated} is stated, the engine reports {reported}; the engine's is used",
        hint="make both say the same",
    )


def _told(figure: Figure) -> str:
    return f"{_gib(figure.value)} ({figure.tag.value}: {figure.source})"


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / GIB:.1f} GiB"
