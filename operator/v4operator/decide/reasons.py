"""Every reason that a decision, a veto or a finding can carry, once, with what it means.

The names appear in conditions, metrics and logs: they are stable. The sentences say in general what
the message of a single decision says with its figures.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why the count goes where it goes, or stays."""

    AT_REST = "AtRest"
    DEMAND_AHEAD = "DemandAhead"
    DEMAND_NOW = "DemandNow"
    BELOW_MINIMUM = "BelowMinimum"
    ABOVE_MAXIMUM = "AboveMaximum"
    DEMAND_FELL = "DemandFell"
    NOT_SERVING = "NotServing"
    DRAINING = "Draining"
    DRAINED = "Drained"
    DRAIN_TIMED_OUT = "DrainTimedOut"
    NEEDED_AGAIN = "NeededAgain"
    FOUND_UNROUTABLE = "FoundUnroutable"

    DISABLED = "Disabled"
    RECOMMEND_ONLY = "RecommendOnly"
    PAUSED = "Paused"
    NO_SCALE_TARGET = "NoScaleTarget"
    SCALING_CONTESTED = "ScalingContested"

    AT_MAXIMUM = "AtMaximum"
    AT_MINIMUM = "AtMinimum"
    BLIND = "Blind"
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    HBM_ENFORCED = "HBMEnforced"
    RESTART_GUARD = "RestartGuard"
    WINDOW_HAS_HOLES = "WindowHasHoles"
    SHRINK_WINDOW = "ShrinkWindow"
    SHRINK_PACE = "ShrinkPace"
    NO_VICTIM = "NoVictim"
    LAST_ROUTABLE = "LastRoutable"
    SURVIVORS_TOO_SMALL = "SurvivorsTooSmall"


# Those that veto or bound, for whoever counts them: a series per reason from the start.
VETO_REASONS: tuple[Reason, ...] = (
    Reason.AT_MAXIMUM,
    Reason.AT_MINIMUM,
    Reason.BLIND,
    Reason.WAITING_FOR_CAPACITY,
    Reason.HBM_ENFORCED,
    Reason.RESTART_GUARD,
    Reason.WINDOW_HAS_HOLES,
    Reason.SHRINK_WINDOW,
    Reason.SHRINK_PACE,
    Reason.NO_VICTIM,
    Reason.LAST_ROUTABLE,
    Reason.SURVIVORS_TOO_SMALL,
)

EXPLANATION: Mapping[Reason, str] = {
    Reason.AT_REST: "The count is what the demand asks for.",
    Reason.DEMAND_AHEAD: "By the time a new replica is ready the present ones will not do.",
    Reason.DEMAND_NOW: "The present replicas do not carry the present demand.",
    Reason.BELOW_MINIMUM: "The count is below minReplicas.",
    Reason.ABOVE_MAXIMUM: "The count is above maxReplicas and comes down one drain at a time.",
    Reason.DEMAND_FELL: "One replica fewer carries the demand of the whole shrink window.",
    Reason.NOT_SERVING: "A replica that serves nobody is no longer needed; it goes undrained.",
    Reason.DRAINING: "The victim is out of routing and finishes what it runs.",
    Reason.DRAINED: "The victim runs nothing any more and goes.",
    Reason.DRAIN_TIMED_OUT: "The victim still runs requests after drainTimeout and goes.",
    Reason.NEEDED_AGAIN: "A replica that was being drained is put back: cheaper than a start.",
    Reason.FOUND_UNROUTABLE: (
        "A replica is out of routing and this process did not take it out; it is put back, because"
        " serving is safe and the reason for its drain is not known any more."
    ),
    Reason.DISABLED: "scaling.mode is Disabled: figures are reported and nothing is written.",
    Reason.RECOMMEND_ONLY: "scaling.mode is Recommend: the count is recommended, not written.",
    Reason.PAUSED: "scaling.paused is set: the count is recommended, not written.",
    Reason.NO_SCALE_TARGET: "The endpoints are given by address: nobody here can set a count.",
    Reason.SCALING_CONTESTED: (
        "Somebody else keeps setting the count: it is recommended, not written, until the spec"
        " changes."
    ),
    Reason.AT_MAXIMUM: "The demand asks for more than maxReplicas.",
    Reason.AT_MINIMUM: "The demand asks for less than minReplicas.",
    Reason.BLIND: (
        "Fewer than two thirds of the ready replicas are fresh, or the demand cannot be computed:"
        " no shrink, and growth only on what is seen."
    ),
    Reason.WAITING_FOR_CAPACITY: (
        "A replica that was asked for cannot start; asking for more would only pile up claims."
    ),
    Reason.HBM_ENFORCED: "hbm.policy is Enforce and a replica does not fit its devices.",
    Reason.RESTART_GUARD: "This process has not seen a whole shrink window yet.",
    Reason.WINDOW_HAS_HOLES: "The demand was unknown for part of the shrink window.",
    Reason.SHRINK_WINDOW: "The count was needed within the shrink window.",
    Reason.SHRINK_PACE: "The previous shrink has not shown its effect yet.",
    Reason.NO_VICTIM: "No replica that could go is both ready and fresh.",
    Reason.LAST_ROUTABLE: "The last replica that takes requests never goes.",
    Reason.SURVIVORS_TOO_SMALL: "The remaining replicas would not carry the demand.",
}
