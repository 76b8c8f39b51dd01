"""What a verdict on memory says to people: a sentence and findings. Decides nothing."""

from collections.abc import Iterator

from v4operator.estimate.hbm_account import Account, running_limit
from v4operator.estimate.hbm_budget import budget_findings
from v4operator.model.figures import Tag
from v4operator.model.hbm import Finding, HbmVerdict
from v4operator.model.units import GIB


def sentence(account: Account, verdict: HbmVerdict) -> str:
    """What was found, with the figures that decided."""
    config, room = account.config, account.room
    weights = f"weights of {_gib(account.weights_bytes)} per device"
    limit = f"the budget of {_gib(account.budget.budget_bytes)}"
    context = f"{config.context_tokens} tokens"
    if verdict is HbmVerdict.WEIGHTS_EXCEED:
        alone = account.budget.room(account.weights_bytes, 0.0) < 0
        least = f" and {_gib(config.memory.overhead_low_bytes.value)} of overhead at least"
        return f"Does not fit: {weights}{' alone' if alone else least} exceed {limit}."
    if verdict is HbmVerdict.ADMISSION_EXCEED:
        reserve = account.planner.reserve_bytes(config.context_tokens)
        return (
            f"Does not start: one request of {context} needs {_gib(reserve)} of KV to be admitted, "
            f"and {_gib(room.high)} are left at best ({weights}, {limit})."
        )
    most = account.concurrency(room.central)
    if verdict is HbmVerdict.CONCURRENCY_EXCEED:
        return (
            f"Does not fit: {config.concurrency} requests of {context} are asked for and {most} "
            f"fit into the {_gib(room.central)} of KV per device."
        )
    tight = " if overhead stays low" if verdict is HbmVerdict.FITS_TIGHT else ""
    return (
        f"Fits{tight}: {config.layout.label}, {weights} within {limit}, {_gib(room.central)} for "
        f"KV, room for {most} requests of {context}."
    )


def not_known(why: str) -> str:
    """The sentence of a verdict that is missing, for `why`."""
    return f"Whether a replica fits its devices is not known: {why}."


def findings(account: Account, verdict: HbmVerdict, told: str) -> Iterator[Finding]:
    """The verdict first, then everything else that a person should know."""
    config = account.config
    if verdict is not HbmVerdict.FITS:
        yield Finding(reason=verdict.reason, message=told)
    yield from config.findings
    yield from budget_findings(config, account.budget)
    yield from _running_finding(account, verdict)
    yield from _layout_findings(account)


def _running_finding(account: Account, verdict: HbmVerdict) -> Iterator[Finding]:
    config = account.config
    limit = running_limit(config)
    if config.memory.blocks:
        limit *= config.layout.data  # vLLM's limit holds for each data-parallel rank
    if config.concurrency > limit:
        yield Finding(
            reason="RunningLimit",
            message=f"{config.concurrency} requests are asked for, {limit} run at once.",
        )
    if verdict is HbmVerdict.FITS and config.concurrency > account.concurrency(account.room.low):
        fewer = account.concurrency(account.room.low)
        yield Finding(
            reason="ConcurrencyTight",
            message=f"At high overhead there is room for {fewer} requests, not "
            f"{config.concurrency}.",
        )


def _layout_findings(account: Account) -> Iterator[Finding]:
    config = account.config
    if config.memory.blocks and account.figures[-1].tag is Tag.ESTIMATE:
        yield Finding(
            reason="KvLayoutUncertain",
            message=f"The KV block of {config.engine.name} {config.version} is not known; "
            f"the {account.figures[-1].source} was taken.",
        )
    if config.memory.blocks and config.speculative:
        yield Finding(
            reason="SpeculationKvUnmodelled",
            message="KV and look-ahead of the draft are not in the KV figures: capacity at 1M "
            "tokens fell from 20.4 to 17.1 requests with DSpark (vllm#51799).",
        )


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / GIB:.1f} GiB"
