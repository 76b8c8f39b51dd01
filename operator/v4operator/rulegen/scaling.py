"""Alerts on the count and its price: it cannot follow, does not come, costs too much."""

from v4operator.api.conditions import ConditionReason
from v4operator.decide.budget import FindingReason
from v4operator.report.limits import Limiter
from v4operator.report.problems import INVALID_SPEC, NO_PODS, WORKLOAD_UNAVAILABLE
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.rule import (
    DEPLOYMENT,
    FLEET,
    ONE,
    Alert,
    Group,
    Severity,
    of_deployment,
    of_replica,
)

_HINDERED = (
    Limiter.QUOTA,
    Limiter.PENDING,
    Limiter.HBM,
    Limiter.BOUNDS,
    Limiter.OTHER_WRITER,
)
"""`paused` is somebody's wish, and `blind` has an alert of its own."""

_NEVER_ACTS = (
    INVALID_SPEC,
    WORKLOAD_UNAVAILABLE,
    ConditionReason.PERMISSION_DENIED,
    FindingReason.NO_SCALE_TARGET,
    FindingReason.NO_ENDPOINTS,
    FindingReason.METRICS_NOT_FOUND,
    FindingReason.PORT_CLOSED,
    FindingReason.NOT_AN_ENGINE,
    FindingReason.ENGINE_MISMATCH,
    NO_PODS,
)
"""Codes of findings with which nothing can be measured or nothing can be set."""

_READY = of_deployment("v4_deployment_ready_replicas")


def alerts(durations: Durations) -> Group:
    """What a person with rights on quotas, bounds and manifests can mend."""
    return Group(
        name="v4-scaling.alerts",
        rules=(
            _hindered(durations),
            _loading(durations),
            _never_acts(durations),
            _fixed(durations),
            _costly(durations),
        ),
    )


def _hindered(durations: Durations) -> Alert:
    words = "|".join(_HINDERED)
    held = f'max by ({DEPLOYMENT}, limiter) (v4_deployment_limited{{limiter=~"{words}"}})'
    return Alert(
        name="V4CannotScale",
        severity=Severity.WARNING,
        expr=f"({held} == 1) * on ({DEPLOYMENT}) group_left () {_READY}",
        after=durations.blocked,
        summary="The replicas that the demand asks for cannot be had.",
        description=f"{FLEET} stays at {{{{ $value | humanize }}}} ready replicas, limited by"
        " {{ $labels.limiter }}. `kubectl describe v4` says what is short, and the runbook where to"
        " raise it.",
    )


def _loading(durations: Durations) -> Alert:
    usual = of_deployment("v4_deployment_start_up_seconds")
    return Alert(
        name="V4EngineStuckLoading",
        severity=Severity.WARNING,
        expr=f"({of_replica('v4_replica_overdue')} == 1) * on ({DEPLOYMENT}) group_left () {usual}",
        after=durations.soon,
        summary="A replica does not become ready.",
        description=f"{ONE} has been starting for more than three times the usual"
        " {{ $value | humanizeDuration }}, or crashes. Read the engine's log and the pod's events.",
    )


def _never_acts(durations: Durations) -> Alert:
    codes = "|".join(_NEVER_ACTS)
    held = f'max by ({DEPLOYMENT}, code) (v4_deployment_problems{{code=~"{codes}"}})'
    return Alert(
        name="V4ConfigurationCannotAct",
        severity=Severity.WARNING,
        expr=f"{held} > 0",
        after=durations.patient,
        summary="A deployment is configured so that it can never be scaled.",
        description=f"{FLEET}: {{{{ $labels.code }}}}. The findings in its status (`kubectl"
        " describe v4`) name what was found, where, and what to write instead.",
    )


def _fixed(durations: Durations) -> Alert:
    code = FindingReason.MINIMUM_EQUALS_MAXIMUM.value
    held = of_deployment(f'v4_deployment_problems{{code="{code}"}}')
    return Alert(
        name="V4CountIsFixed",
        severity=Severity.INFO,
        expr=f"{held} > 0",
        after=durations.patient,
        summary="Automatic scaling between a minimum and a maximum that are equal.",
        description=f"{FLEET} is scaled automatically and cannot be: minReplicas equals"
        " maxReplicas. Part them, or say mode Disabled if the count is meant to stay.",
    )


def _costly(durations: Durations) -> Alert:
    cost, budget = (
        of_deployment(f"v4_deployment_cost_{what}")
        for what in ("dollars_per_hour", "budget_dollars_per_hour")
    )
    return Alert(
        name="V4CostOverBudget",
        severity=Severity.WARNING,
        expr=f"{cost} > on ({DEPLOYMENT}) {budget}",
        after=durations.blocked,
        summary="A deployment costs more an hour than its budget.",
        description=f"{FLEET} costs ${{{{ $value | printf `%.2f` }}}} an hour, above"
        " spec.cost.budgetPerHour. Lower maxReplicas, or raise the budget if the demand is"
        " worth it.",
    )
