"""Does a replica fit its devices? `check` answers, per device and in bytes.

Pure; the stages are `hbm_config` (what is started), `hbm_support` (can it be checked, can it run),
`hbm_budget`, `hbm_weights`, `hbm_pools`, `hbm_account` (the arithmetic), `hbm_verdict`,
`hbm_words` and `hbm_remedies`; `hbm_files` for engines without a memory model.
"""

from dataclasses import replace

from v4operator.estimate.hbm_config import Unresolved, resolve
from v4operator.estimate.hbm_files import larger_than_memory
from v4operator.estimate.hbm_remedies import remedies
from v4operator.estimate.hbm_verdict import evaluate
from v4operator.estimate.hbm_words import not_known
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import Finding, HbmReport, HbmVerdict


def check(plan: MemoryPlan, catalogue: Catalogue) -> HbmReport:
    """The verdict on `plan`, its breakdown in bytes per device, and what would make it fit.

    Never raises: what is not known is the verdict `unknown` with the missing figure named.
    """
    config = resolve(plan, catalogue)
    if isinstance(config, Unresolved):
        return larger_than_memory(plan, catalogue) or _unknown(config)
    report = evaluate(config)
    hint = remedies(config, report)
    if hint is None:
        return report
    first, *others = report.findings
    return replace(report, findings=(replace(first, hint=hint), *others))


def _unknown(unresolved: Unresolved) -> HbmReport:
    sentence = not_known("; ".join(unresolved.reasons))
    verdict = HbmVerdict.UNKNOWN
    return HbmReport(
        verdict=verdict,
        sentence=sentence,
        decided_by=None,
        findings=(Finding(reason=verdict.reason, message=sentence, hint=unresolved.hint),),
    )
