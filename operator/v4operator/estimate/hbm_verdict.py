"""One configuration -> its verdict and report. No names, no remedies.

The first test that fails, in the order of `HbmVerdict`, decides.
"""

from v4operator.estimate.hbm_account import Account, account_of
from v4operator.estimate.hbm_config import OWN_CATALOGUE, Configuration
from v4operator.estimate.hbm_support import block_layout, missing_figures, pool_layout, unsupported
from v4operator.estimate.hbm_words import findings, not_known, sentence
from v4operator.model.figures import Tag
from v4operator.model.hbm import Band, Finding, HbmReport, HbmVerdict

_TRUST = tuple(Tag)  # best first


def evaluate(config: Configuration) -> HbmReport:
    """The verdict with its breakdown; findings carry no hints yet."""
    weights, visible = config.checkpoint.weights, config.accelerator.visible_bytes
    layout = block_layout(config) or pool_layout(config)
    missing = tuple(missing_figures(config))
    if missing:
        told = not_known(f"no figure for {'; '.join(missing)}")
        return _without_account(config, HbmVerdict.UNKNOWN, told, hint=OWN_CATALOGUE)
    reasons = tuple(unsupported(config))
    # Without a missing figure the three are there, save the layout of a release that is too old.
    if reasons or weights is None or visible is None or layout is None:
        told = f"Does not run: {'; '.join(reasons)}."
        return _without_account(config, HbmVerdict.UNSUPPORTED, told)
    return _report(account_of(config, weights, visible, layout))


def _without_account(
    config: Configuration, verdict: HbmVerdict, told: str, hint: str | None = None
) -> HbmReport:
    visible = config.accelerator.visible_bytes
    return HbmReport(
        verdict=verdict,
        sentence=told,
        decided_by=None,
        visible_bytes=round(visible.value) if visible else None,
        findings=(Finding(reason=verdict.reason, message=told, hint=hint), *config.findings),
        layout=config.layout,
        context_tokens=config.context_tokens,
        engine_version=config.version,
        moe_kernel=config.kernel,
    )


def _verdict(account: Account) -> HbmVerdict:
    room = account.room
    if room.high < 0:
        return HbmVerdict.WEIGHTS_EXCEED
    if not account.admitted(room.high):
        return HbmVerdict.ADMISSION_EXCEED
    if account.config.concurrency > account.concurrency(room.central):
        return HbmVerdict.CONCURRENCY_EXCEED
    return HbmVerdict.FITS if account.admitted(room.low) else HbmVerdict.FITS_TIGHT


def _decided_by(account: Account, verdict: HbmVerdict) -> Tag:
    """The least trusted figure among those that the verdict hangs on.

    The overhead band counts only where the verdict would be another without it.
    """
    bare = account.budget.room(account.weights_bytes, 0.0)
    band_decides = {
        HbmVerdict.WEIGHTS_EXCEED: bare >= 0,
        HbmVerdict.ADMISSION_EXCEED: account.admitted(bare),
        HbmVerdict.CONCURRENCY_EXCEED: account.config.concurrency <= account.concurrency(bare),
        HbmVerdict.FITS_TIGHT: True,
    }
    overhead = account.config.memory.overhead_central_bytes.tag
    tags = [figure.tag for figure in account.figures]
    tags += [overhead] if band_decides.get(verdict) else []
    return max(tags, key=_TRUST.index)


def _report(account: Account) -> HbmReport:
    config, room, planner = account.config, account.room, account.planner
    verdict = _verdict(account)
    ranks, context = config.layout.data, config.context_tokens
    memory = config.memory
    told = sentence(account, verdict)
    return HbmReport(
        verdict=verdict,
        sentence=told,
        decided_by=_decided_by(account, verdict),
        visible_bytes=round(account.budget.visible_bytes),
        budget_bytes=round(account.budget.budget_bytes),
        weights_bytes=round(account.weights_bytes),
        overhead_bytes=Band(
            low=memory.overhead_low_bytes.value,
            central=memory.overhead_central_bytes.value,
            high=memory.overhead_high_bytes.value,
        ),
        kv_cache_bytes=room,
        kv_bytes_per_request=round(planner.request_bytes(context)),
        kv_capacity_tokens=int(planner.steady_tokens(room.central, context) * ranks),
        reported_capacity_tokens=int(planner.reported_tokens(room.central, context) * ranks),
        max_concurrency=account.concurrency(room.central),
        memory_fraction=account.budget.fraction,
        required_bytes=round(_required(account)),
        pool=planner.pool(room.central, ranks),
        findings=tuple(findings(account, verdict, told)),
        layout=config.layout,
        context_tokens=context,
        engine_version=config.version,
        moe_kernel=config.kernel,
    )


def _required(account: Account) -> float:
    """Weights, KV for what is asked, and central overhead where the budget spans it."""
    config, planner = account.config, account.planner
    per_rank = -(-config.concurrency // config.layout.data)
    asked = per_rank * planner.request_bytes(config.context_tokens)
    kv = max(asked, planner.reserve_bytes(config.context_tokens))
    inside = account.budget.spans_overhead
    overhead = config.memory.overhead_central_bytes.value if inside else 0.0
    return account.weights_bytes + kv + overhead
