"""The words of `kubectl get v4`: short enough for a row of 120 columns. Pure.

`-` is not known. What the row cannot hold stands in the status beside it, in full.
"""

from v4operator.api.conditions import ConditionReason, ConditionStatus, ConditionType
from v4operator.model.deployment import Deployment
from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.model.hbm import HbmVerdict
from v4operator.model.status import ColumnsStatus, Condition, ObservedStatus
from v4operator.model.units import GIB

_UNREMARKABLE = {ThroughputVerdict.HEALTHY, ThroughputVerdict.UNKNOWN}

_BY_CONDITION = (
    (ConditionType.HBM_BUDGET_EXCEEDED, ConditionStatus.TRUE, "HBMExceeded"),
    (ConditionType.METRICS_AVAILABLE, ConditionStatus.FALSE, "NoMetrics"),
    (ConditionType.READY, ConditionStatus.FALSE, "NotReady"),
)
"""What a row says before it says that those who serve are healthy."""

_PROBLEMS = {
    ConditionReason.PERMISSION_DENIED.value: "NotAllowed",
    "WorkloadUnavailable": "NoWorkload",
}
"""Reasons that are longer than a column may be."""

_PREFIX = "deepseek-"
_MODEL_CELLS = 14  # V4-Flash-NVFP4, the longest published variant
_UNKNOWN = "-"


def columns(
    deployment: Deployment,
    observed: ObservedStatus,
    forecast: Forecast,
    found: tuple[Condition, ...],
) -> ColumnsStatus:
    """One row; `found` are its conditions."""
    rate, usage = observed.decode_tokens_per_second, observed.kv_usage_ratio
    return ColumnsStatus(
        checkpoint=short_checkpoint(deployment.memory.checkpoint),
        tokens_per_second=_UNKNOWN if rate is None else f"{rate:.0f}",
        kv=_UNKNOWN if usage is None else f"{usage:.0%}",
        hbm=_hbm(forecast),
        state=_state(forecast, found),
    )


def problem_columns(checkpoint: str, reason: str) -> ColumnsStatus:
    """The row of what could not be looked at."""
    return ColumnsStatus(
        checkpoint=short_checkpoint(checkpoint), state=_PROBLEMS.get(reason, reason)
    )


def short_checkpoint(name: str) -> str:
    """Without whose it is: `deepseek-ai/DeepSeek-V4-Flash` is V4-Flash here."""
    last = name.rpartition("/")[2]
    at = last.lower().rfind(_PREFIX)
    variant = last[at + len(_PREFIX) :] if at >= 0 else last
    return (variant or _UNKNOWN)[:_MODEL_CELLS]


def _hbm(forecast: Forecast) -> str:
    """What a device holds, or would, of what it may."""
    live, plan = forecast.live_hbm, forecast.hbm
    if live is not None:
        return f"{_gib(live.used_bytes)}/{_gib(live.budget_bytes)}Gi"
    if plan.required_bytes is None or plan.budget_bytes is None:
        return _UNKNOWN if plan.verdict is HbmVerdict.UNKNOWN else plan.verdict.value
    return f"{_gib(plan.required_bytes)}/{_gib(plan.budget_bytes)}Gi"


def _gib(amount: float) -> str:
    return f"{amount / GIB:.0f}"


def _state(forecast: Forecast, found: tuple[Condition, ...]) -> str:
    verdict = forecast.throughput.verdict
    if verdict not in _UNREMARKABLE:
        return verdict.value
    status = {condition.type: condition.status for condition in found}
    words = (word for kind, bad, word in _BY_CONDITION if status.get(kind.value) == bad.value)
    return next(words, verdict.value)
