"""What keeps the count of one deployment from the recommended one, in one word. Pure."""

from enum import StrEnum

from v4operator.api.conditions import ConditionReason
from v4operator.decide.reasons import Reason
from v4operator.model.observation import Observation
from v4operator.model.replica import Phase
from v4operator.model.verdict import Verdict


class Limiter(StrEnum):
    """The first that holds. An idle fleet at minReplicas is limited by nothing."""

    PAUSED = "paused"
    OTHER_WRITER = "other-writer"
    QUOTA = "quota"
    PENDING = "pending"
    HBM = "hbm"
    BOUNDS = "bounds"
    BLIND = "blind"
    NONE = "none"


_BY_VETO = (
    (Reason.HBM_ENFORCED, Limiter.HBM),
    (Reason.AT_MAXIMUM, Limiter.BOUNDS),
    (Reason.BLIND, Limiter.BLIND),
)


def limiter(observation: Observation, verdict: Verdict) -> Limiter:
    """What limits the count now.

    `quota`: the workload holds a count that its controller does not create; `pending`: replicas
    exist and do not start; `bounds`: the demand asks for more than maxReplicas.
    """
    decision = verdict.decision
    if decision.reason == Reason.PAUSED.value:
        return Limiter.PAUSED
    contested = ConditionReason.SCALING_CONTESTED.value
    if any(finding.reason == contested for finding in observation.workload.findings):
        return Limiter.OTHER_WRITER
    held = {veto.reason for veto in decision.vetoes}
    if Reason.WAITING_FOR_CAPACITY.value in held:
        return Limiter.QUOTA if _uncreated(observation) else Limiter.PENDING
    return next((word for reason, word in _BY_VETO if reason.value in held), Limiter.NONE)


def _uncreated(observation: Observation) -> bool:
    staying = sum(r.replica.phase is not Phase.DRAINING for r in observation.replicas)
    return staying < (observation.workload.desired or 0)
