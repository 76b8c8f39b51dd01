"""Which transitions deserve an Event on the V4Deployment. Pure; nothing is written here.

What goes on as it was is not told again: conditions and the last decision say it at any time. Nor
is that something becomes known: an object that starts well makes one event, when it is ready.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from v4operator.act.apply import Applied
from v4operator.act.ports import Outcome
from v4operator.api.conditions import ConditionStatus, ConditionType
from v4operator.decide.reasons import Reason
from v4operator.model.effects import SetReplicas
from v4operator.model.status import Condition, Status
from v4operator.model.verdict import Action
from v4operator.report.problems import NO_PODS

_BAD = {
    ConditionType.READY.value: ConditionStatus.FALSE.value,
    ConditionType.METRICS_AVAILABLE.value: ConditionStatus.FALSE.value,
    ConditionType.SCALING_LIMITED.value: ConditionStatus.TRUE.value,
    ConditionType.HBM_BUDGET_EXCEEDED.value: ConditionStatus.TRUE.value,
    ConditionType.THROUGHPUT_DEGRADED.value: ConditionStatus.TRUE.value,
}
"""The status of a condition that a person should look at; for those not named here there is none.
"""

_AT_REST = {Reason.AT_MINIMUM.value}
"""Why a limit may hold where all is well: a fleet that nobody uses rests at its minimum."""

_UNREMARKABLE_AT_FIRST = {ConditionType.READY.value, NO_PODS}
"""A condition and a finding on what a new object cannot have yet; the status says it meanwhile."""

_OF_THE_OPERATOR = {"NodesNotReadable"}
"""Findings on what the operator may do: the same for every object, whose statuses say it."""

_SEVERAL = "Findings"
"""The reason of an event that tells several findings; its note begins each with its own."""

_BLIND = Reason.BLIND.value
"""Why scaling pauses while metrics are missing, as with each new replica: `MetricsAvailable` tells.
"""


def is_bad(kind: str, status: str, reason: str) -> bool:
    """Whether a condition of that type says something that a person should look at."""
    return _BAD.get(kind) == status and reason not in _AT_REST


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event before it is written; `reason` and `action` are CamelCase constants."""

    warning: bool
    reason: str
    action: str
    note: str


def notices(
    before: Status | None, after: Status, applied: tuple[Applied, ...]
) -> tuple[Notice, ...]:
    """What to tell of one cycle. Of an object seen for the first time only what is wrong with it.

    `before` is the status of the previous cycle, or what an earlier process has written.
    """
    return (
        *_scaling(before, after, applied),
        *_conditions(before, after),
        *_findings(before, after),
    )


def _scaling(
    before: Status | None, after: Status, applied: tuple[Applied, ...]
) -> Iterator[Notice]:
    decision = after.last_decision
    is_news = before is None or before.last_decision.time != decision.time
    counts = [each for each in applied if isinstance(each.effect, SetReplicas)]
    for each in counts:
        if each.outcome is Outcome.DONE:
            yield _scaled(each, after)
    if not is_news:
        return
    for each in applied:
        if each.outcome is Outcome.REFUSED:
            yield Notice(warning=True, reason="WriteRefused", action="Scale", note=each.message)
    if decision.action != Action.HOLD.value and not counts:
        yield Notice(warning=False, reason=decision.reason, action="Drain", note=decision.sentence)


def _scaled(applied: Applied, after: Status) -> Notice:
    effect = applied.effect
    grown = isinstance(effect, SetReplicas) and effect.count > effect.expected
    return Notice(
        warning=False,
        reason="ScaledUp" if grown else "ScaledDown",
        action="Scale",
        note=f"{applied.message}: {after.last_decision.sentence}",
    )


def _conditions(before: Status | None, after: Status) -> Iterator[Notice]:
    known = {each.type: each for each in before.conditions} if before else {}
    for condition in after.conditions:
        bad = _looks_bad(condition)
        if _has_turned(condition, known.get(condition.type)):
            yield Notice(
                warning=bad,
                reason=condition.reason,
                action="Observe",
                note=f"{condition.type} is {condition.status}: {condition.message}",
            )


def _has_turned(condition: Condition, before: Condition | None) -> bool:
    """Into what should be looked at, or out of it; of the rest only that scaling is off or on."""
    bad = _looks_bad(condition)
    if before is None:
        return bad and condition.type not in _UNREMARKABLE_AT_FIRST
    if condition.type == ConditionType.SCALING_ACTIVE.value:
        return before.status != condition.status and _BLIND not in {before.reason, condition.reason}
    return bad != _looks_bad(before)


def _looks_bad(condition: Condition) -> bool:
    return is_bad(condition.type, condition.status, condition.reason)


def _findings(before: Status | None, after: Status) -> Iterator[Notice]:
    """All that are new in one event: a workload that somebody else made has five at once."""
    known = {f.reason for f in before.findings} if before else {*_UNREMARKABLE_AT_FIRST}
    known |= _OF_THE_OPERATOR
    news: dict[str, str] = {}
    for finding in after.findings:
        if finding.reason not in known:
            news.setdefault(finding.reason, finding.message)
    if len(news) == 1:
        yield from (_found(reason, message) for reason, message in news.items())
    elif news:
        yield _found(_SEVERAL, "; ".join(f"{reason}: {news[reason]}" for reason in news))


def _found(reason: str, note: str) -> Notice:
    return Notice(warning=True, reason=reason, action="Observe", note=note)
