"""Observation, forecast and verdict -> conditions. Pure.

A finding never makes `Ready` false: a fleet that serves, serves. Unknown is `Unknown`, not `False`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from v4operator.api.conditions import ConditionReason, ConditionStatus, ConditionType
from v4operator.decide.reasons import EXPLANATION, Reason
from v4operator.estimate.live_words import sentence
from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.model.hbm import HbmVerdict
from v4operator.model.observation import Observation
from v4operator.model.status import Condition
from v4operator.model.verdict import Decision, Verdict

_HANDS_OFF = (Reason.DISABLED, Reason.PAUSED, Reason.RECOMMEND_ONLY, Reason.NO_SCALE_TARGET)
_HINDRANCES = {
    ConditionReason.PERMISSION_DENIED.value,
    ConditionReason.SCALING_CONTESTED.value,
}
"""Findings on a workload that keep the operator from setting its count."""

_LIMITS = (
    Reason.AT_MAXIMUM,
    Reason.AT_MINIMUM,
    Reason.WAITING_FOR_CAPACITY,
    Reason.HBM_ENFORCED,
)
_DEGRADED = {
    ThroughputVerdict.SICK_REPLICA,
    ThroughputVerdict.ACCEPTANCE_DROPPED,
    ThroughputVerdict.STALLED,
    ThroughputVerdict.DEGRADED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """A condition before it is dated."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str


def conditions(
    observation: Observation,
    forecast: Forecast,
    verdict: Verdict,
    previous: tuple[Condition, ...],
) -> tuple[Condition, ...]:
    """Every condition type once; transition times are kept from `previous` where status stays."""
    known = {condition.type: condition for condition in previous}
    found = (
        _ready(observation),
        _metrics(observation),
        _active(observation, verdict.decision),
        _limited(observation, verdict.decision),
        _hbm(forecast),
        _throughput(forecast),
    )
    return tuple(_dated(each, known.get(each.type), observation) for each in found)


def _dated(found: _Finding, before: Condition | None, observation: Observation) -> Condition:
    same = before is not None and before.status == found.status.value
    return Condition(
        type=found.type.value,
        status=found.status.value,
        reason=found.reason,
        message=found.message,
        last_transition_time=before.last_transition_time if before and same else observation.now,
        observed_generation=observation.deployment.generation,
    )


def _ready(observation: Observation) -> _Finding:
    ready, least = len(observation.ready), observation.deployment.scaling.min_replicas
    serves = ready >= max(1, least)
    return _Finding(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE if serves else ConditionStatus.FALSE,
        reason=ConditionReason.MINIMUM_SERVING if serves else ConditionReason.BELOW_MINIMUM,
        message=f"{ready} replicas are ready, minReplicas is {least}",
    )


def _metrics(observation: Observation) -> _Finding:
    if observation.metrics_problem is not None:
        return _Finding(
            type=ConditionType.METRICS_AVAILABLE,
            status=ConditionStatus.FALSE,
            reason=ConditionReason.SOURCE_NOT_CONFIGURED,
            message=observation.metrics_problem,
        )
    ready, fresh = len(observation.ready), len(observation.fresh)
    status, reason = ConditionStatus.TRUE, ConditionReason.ALL_FRESH
    if not ready:
        status, reason = ConditionStatus.UNKNOWN, ConditionReason.NO_READY_REPLICA
    elif not fresh or fresh * 3 < ready * 2:  # blind, as in the decision
        status, reason = ConditionStatus.FALSE, ConditionReason.TOO_FEW_FRESH
    elif fresh < ready:
        reason = ConditionReason.SOME_SILENT
    why = "".join(f"; {line}" for line in _silences(observation))
    return _Finding(
        type=ConditionType.METRICS_AVAILABLE,
        status=status,
        reason=reason,
        message=f"{fresh} of {ready} ready replicas have fresh metrics{why}",
    )


def _silences(observation: Observation) -> Iterator[str]:
    """One line for the first silent replica: an error per replica would not fit a message."""
    for replica in observation.ready:
        if not replica.fresh:
            yield f"{replica.replica.name}: {replica.unknown or 'no reason given'}"
            return


def _active(observation: Observation, decision: Decision) -> _Finding:
    findings = observation.workload.findings
    hindrance = next((f for f in findings if f.reason in _HINDRANCES), None)
    blind = next((v for v in decision.vetoes if v.reason == Reason.BLIND.value), None)
    reason, message = ConditionReason.AUTOMATIC.value, "the count follows the demand"
    status = ConditionStatus.TRUE
    if decision.reason in {reason.value for reason in _HANDS_OFF}:
        status, reason = ConditionStatus.FALSE, decision.reason
        message = EXPLANATION[Reason(decision.reason)]
    elif hindrance is not None:
        status, reason, message = ConditionStatus.FALSE, hindrance.reason, hindrance.message
    elif blind is not None:
        status, reason, message = ConditionStatus.FALSE, blind.reason, blind.message
    return _Finding(
        type=ConditionType.SCALING_ACTIVE, status=status, reason=reason, message=message
    )


def _limited(observation: Observation, decision: Decision) -> _Finding:
    found = {veto.reason: veto.message for veto in decision.vetoes}
    limit = next((reason for reason in _LIMITS if reason.value in found), None)
    if limit is not None:
        return _Finding(
            type=ConditionType.SCALING_LIMITED,
            status=ConditionStatus.TRUE,
            reason=limit.value,
            message=found[limit.value],
        )
    scaling = observation.deployment.scaling
    return _Finding(
        type=ConditionType.SCALING_LIMITED,
        status=ConditionStatus.FALSE,
        reason=ConditionReason.WITHIN_BOUNDS,
        message=f"between minReplicas {scaling.min_replicas} and maxReplicas"
        f" {scaling.max_replicas}",
    )


def _hbm(forecast: Forecast) -> _Finding:
    """The plan's verdict first; then what running replicas hold, and what they are asked for."""
    verdict = forecast.hbm.verdict
    if verdict is HbmVerdict.UNKNOWN or verdict.fits:
        running = _hbm_of_the_running(forecast)
        if running is not None:
            return running
    exceeded = ConditionStatus.FALSE if verdict.fits else ConditionStatus.TRUE
    return _Finding(
        type=ConditionType.HBM_BUDGET_EXCEEDED,
        status=ConditionStatus.UNKNOWN if verdict is HbmVerdict.UNKNOWN else exceeded,
        reason=verdict.reason,
        message=forecast.hbm.sentence,
    )


def _hbm_of_the_running(forecast: Forecast) -> _Finding | None:
    live, asked = forecast.live_hbm, ConditionReason.KV_DEMAND_EXCEEDS_POOL
    told = next((f.message for f in forecast.findings if f.reason == asked.value), None)
    if live is not None and live.exceeds:
        reason, message = ConditionReason.LIVE, sentence(live)
    elif told is not None:
        reason, message = asked, told
    else:
        return None
    return _Finding(
        type=ConditionType.HBM_BUDGET_EXCEEDED,
        status=ConditionStatus.TRUE,
        reason=reason,
        message=message,
    )


def _throughput(forecast: Forecast) -> _Finding:
    verdict = forecast.throughput.verdict
    degraded = ConditionStatus.TRUE if verdict in _DEGRADED else ConditionStatus.FALSE
    return _Finding(
        type=ConditionType.THROUGHPUT_DEGRADED,
        status=ConditionStatus.UNKNOWN if verdict is ThroughputVerdict.UNKNOWN else degraded,
        reason=verdict.value,
        message=forecast.throughput.sentence,
    )
