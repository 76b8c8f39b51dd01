"""What is exported of a deployment's count: who sets it, where it is, where it goes, and why."""

from collections.abc import Iterator

from v4operator.api.conditions import ConditionStatus
from v4operator.model.deployment import ScalingMode
from v4operator.report.families import Family, Kind, Row, gauge, states
from v4operator.report.limits import Limiter, limiter
from v4operator.report.seen import Seen, Unseen

_SPEC = "the spec"
_DECISION = "the decision"
_WORKLOAD = "the workload"


def _conditions(seen: Seen) -> Iterator[Row]:
    for condition in seen.status.conditions:
        for value in ConditionStatus:
            held = condition.status == value.value
            yield (condition.type, value.value.lower()), 1.0 if held else 0.0


def _reasons(seen: Seen) -> Iterator[Row]:
    for condition in seen.status.conditions:
        yield (condition.type, condition.reason), 1.0


def _problems(seen: Seen | Unseen) -> Iterator[Row]:
    """Once a code: two findings of one code name two places of one problem."""
    if isinstance(seen, Unseen):
        yield (seen.code,), 1.0
        return
    codes = [finding.reason for finding in seen.status.findings]
    for code in dict.fromkeys(codes):
        yield (code,), float(codes.count(code))


def _decisions(seen: Seen) -> Iterator[Row]:
    for action, count in seen.totals.decisions.items():
        yield (action,), float(count)


def _vetoes(seen: Seen) -> Iterator[Row]:
    for reason, count in seen.totals.vetoes.items():
        yield (reason,), float(count)


SCALING: tuple[Family[Seen], ...] = (
    states(
        "v4_deployment_scaling_mode",
        "Who sets the count: 1 for the mode that holds.",
        _SPEC,
        label="mode",
        values=tuple(mode.value for mode in ScalingMode),
        held=lambda seen: seen.observation.deployment.scaling.mode.value,
    ),
    gauge(
        "v4_deployment_paused",
        "Whether scaling.paused is set (1) or not (0).",
        _SPEC,
        lambda seen: float(seen.observation.deployment.scaling.paused),
    ),
    gauge(
        "v4_deployment_spec_min_replicas",
        "Lower bound of the count.",
        _SPEC,
        lambda seen: seen.observation.deployment.scaling.min_replicas,
    ),
    gauge(
        "v4_deployment_spec_max_replicas",
        "Upper bound of the count.",
        _SPEC,
        lambda seen: seen.observation.deployment.scaling.max_replicas,
    ),
    gauge(
        "v4_deployment_current_replicas",
        "Count that the workload holds.",
        _WORKLOAD,
        lambda seen: seen.verdict.decision.current,
    ),
    gauge(
        "v4_deployment_desired_replicas",
        "Count that the last decision asks of the workload.",
        _DECISION,
        lambda seen: seen.verdict.decision.desired,
    ),
    gauge(
        "v4_deployment_recommended_replicas",
        "Count that the forecast asks for within bounds, before vetoes.",
        _DECISION,
        lambda seen: seen.verdict.decision.wanted,
    ),
    gauge(
        "v4_deployment_ready_replicas",
        "Replicas that serve.",
        _WORKLOAD,
        lambda seen: len(seen.observation.ready),
    ),
    gauge(
        "v4_deployment_fresh_replicas",
        "Ready replicas whose metrics are fresh.",
        "the operator's scrapes",
        lambda seen: len(seen.observation.fresh),
    ),
    states(
        "v4_deployment_limited",
        "What keeps the count from the recommended one: 1 for what holds, none where nothing does.",
        _DECISION,
        label="limiter",
        values=tuple(each.value for each in Limiter),
        held=lambda seen: limiter(seen.observation, seen.verdict).value,
    ),
    Family(
        name="v4_deployment_decisions_total",
        kind=Kind.COUNTER,
        help="Decisions by action; a drain counts as hold until it ends.",
        source=_DECISION,
        labels=("action",),
        rows=_decisions,
    ),
    Family(
        name="v4_deployment_vetoes_total",
        kind=Kind.COUNTER,
        help="Cycles in which a rule kept or bounded the count, by reason.",
        source=_DECISION,
        labels=("reason",),
        rows=_vetoes,
    ),
    gauge(
        "v4_deployment_last_decision_timestamp_seconds",
        "When the last decision was made; it moves with every cycle.",
        _DECISION,
        lambda seen: seen.verdict.decision.time,
    ),
    Family(
        name="v4_deployment_status_condition",
        kind=Kind.GAUGE,
        help="Conditions of the deployment: 1 for the status that holds.",
        source="the status",
        labels=("condition", "status"),
        rows=_conditions,
    ),
    Family(
        name="v4_deployment_condition_reason",
        kind=Kind.GAUGE,
        help="1 for the reason that stands on each condition of the deployment.",
        source="the status",
        labels=("condition", "reason"),
        rows=_reasons,
    ),
)

PROBLEMS: Family[Seen | Unseen] = Family(
    name="v4_deployment_problems",
    kind=Kind.GAUGE,
    help="Findings that stand, by code; of a deployment that cannot be looked at, why.",
    source="the status",
    labels=("code",),
    rows=_problems,
)
