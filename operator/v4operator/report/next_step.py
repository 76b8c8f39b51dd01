"""What a person could do about a decision, in one sentence. Pure.

Only of what is in somebody's hands: a rule that passes by itself says when it does.
"""

from collections.abc import Mapping
from typing import Final

from v4operator.decide.reasons import Reason
from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.model.verdict import Action, Decision

NOTHING: Final = "Nothing to do."

# In order of weight: what keeps the fleet from doing anything comes before what bounds a step.
_BY_VETO: Mapping[Reason, str] = {
    Reason.HBM_ENFORCED: "Make a replica fit its devices (`v4-operator plan -f` says what would),"
    " or set hbm.policy to Warn.",
    Reason.BLIND: "Have the metrics of the silent replicas answer again: condition"
    " MetricsAvailable names the first of them and why it is silent.",
    Reason.WAITING_FOR_CAPACITY: "Free or add the resource that is named, or lower maxReplicas;"
    " growth goes on by itself once the replica that waits has started.",
    Reason.AT_MAXIMUM: "Raise scaling.maxReplicas if more devices may be used; until then requests"
    " wait, or a gateway turns them away.",
    Reason.NO_VICTIM: "See why no replica is both ready and fresh.",
    Reason.LAST_ROUTABLE: "Have another replica take requests before one may go.",
    Reason.SURVIVORS_TOO_SMALL: "Wait for the demand to fall further.",
    Reason.RESTART_GUARD: "Wait: shrinking begins once a whole shrink window was seen.",
    Reason.WINDOW_HAS_HOLES: "Wait: shrinking begins once the demand was known for a whole window.",
    Reason.SHRINK_WINDOW: "Wait: it shrinks once the shrink window has passed at the lower need.",
    Reason.SHRINK_PACE: "Wait: the next replica may go once the last one's going has shown.",
}

_BY_REASON: Mapping[Reason, str] = {
    Reason.DISABLED: "Set scaling.mode to Recommend or Automatic to have a count proposed or kept.",
    Reason.RECOMMEND_ONLY: "Set the count by hand, or scaling.mode to Automatic.",
    Reason.PAUSED: "Take scaling.paused away to have the count written again.",
    Reason.NO_SCALE_TARGET: "Start or end engines by hand: they are given by address.",
    Reason.SCALING_CONTESTED: "Let one of them scale: take the count from the other writer, or set"
    " scaling.mode to Recommend; any change of the spec has the operator try again.",
    Reason.DRAINING: "Wait: the replica goes when it runs nothing, or at scaling.drainTimeout.",
}

_BY_THROUGHPUT: Mapping[ThroughputVerdict, str] = {
    ThroughputVerdict.SICK_REPLICA: "Look at the replica that is named: its device, its node, its"
    " log; delete its pod to have another one made.",
    ThroughputVerdict.STALLED: "Look at the engine's log: it runs requests and decodes nothing.",
    ThroughputVerdict.ACCEPTANCE_DROPPED: "Look at what is asked lately: speculative decoding"
    " accepts less of it; a smaller draft may be faster.",
    ThroughputVerdict.DEGRADED: "Look for what changed on every replica: driver, engine, clocks.",
}


def next_step(decision: Decision, forecast: Forecast) -> str:
    """What to do, what to wait for, or that there is nothing to do; sick replicas on top of it."""
    vetoes = {veto.reason for veto in decision.vetoes}
    held = (step for reason, step in _BY_VETO.items() if reason.value in vetoes)
    named = (step for reason, step in _BY_REASON.items() if reason.value == decision.reason)
    sick = _BY_THROUGHPUT.get(forecast.throughput.verdict)
    steps = [step for step in (next(named, None) or next(held, None), sick) if step]
    return " ".join(steps) or _waiting(decision, forecast)


def _waiting(decision: Decision, forecast: Forecast) -> str:
    if decision.action is Action.GROW:
        seconds = forecast.start_up_seconds
        return f"Wait: a new replica is ready in about {seconds:,.0f} s."
    return NOTHING
