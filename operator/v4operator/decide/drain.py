"""A drain that goes on: undone when its grounds are gone, else waited for and released. Pure.

`moves.shrink` begins it. The state is `PolicyMemory.drain` and what the victim is seen to do.
"""

from v4operator.decide.chains import standing_vetoes
from v4operator.decide.move import Move
from v4operator.decide.need import carries
from v4operator.decide.phrases import minutes
from v4operator.decide.reasons import Reason
from v4operator.decide.situation import Situation
from v4operator.decide.victim import requests_of
from v4operator.model.memory import Drain
from v4operator.model.observation import ReplicaObservation
from v4operator.model.verdict import Action


def give_back(situation: Situation) -> Move | None:
    """Undo a drain whose grounds are gone: cheaper than the start of a new replica."""
    drain = situation.drain
    cause = _against_drain(situation, drain) if drain else None
    if drain is None or cause is None:
        return None
    return Move(
        action=Action.HOLD,
        desired=situation.count,
        reason=Reason.NEEDED_AGAIN,
        why=f"{drain.victim} is put back: {cause}",
        alternative=f"finish the drain of {drain.victim}",
        vetoes=standing_vetoes(situation),
        restore=drain.victim,
    )


def finish_drain(situation: Situation) -> Move | None:
    """Wait until the victim runs nothing on a sample taken out of routing, or for the time-out."""
    drain, victim = situation.drain, situation.draining
    if drain is None or victim is None:
        return None
    reason, why = _drain_state(situation, drain, victim)
    return Move(
        action=Action.SHRINK,
        desired=situation.count - 1,
        reason=reason,
        why=why,
        alternative=keep_instead(situation),
        drain=drain.victim,
        release=reason is not Reason.DRAINING,
    )


def keep_instead(situation: Situation) -> str:
    """What a shrink rejects."""
    return f"hold at {situation.count}: it keeps a replica that the demand does not need"


def _against_drain(situation: Situation, drain: Drain) -> str | None:
    """Why the drain should not be finished, if it should not."""
    fleet = situation.fleet
    if situation.blind:
        return situation.blind
    if situation.wanted >= situation.count:
        return f"{situation.wanted} are needed again"
    if fleet.blocked + fleet.starts_under_way:
        return "a replica that serves nobody goes first"
    speeds = [fleet.speeds[r.replica.name] for r in fleet.serving if r.replica.name != drain.victim]
    if not speeds:
        return "no other replica is known to take requests"
    if not situation.above_maximum and not carries(speeds, situation.seen_demand):
        return f"the others carry {sum(speeds):.1f} of {situation.seen_demand:.1f}"
    return None


def _drain_state(
    situation: Situation, drain: Drain, victim: ReplicaObservation
) -> tuple[Reason, str]:
    requests = requests_of(victim) if victim.fresh else None
    waited = situation.now - drain.since
    running = "an unknown number of" if requests is None else f"{requests:.0f}"
    if requests == 0 and _seen_out_of_routing(situation, drain, victim):
        return Reason.DRAINED, f"{drain.victim} runs nothing any more"
    if waited >= situation.scaling.drain_timeout_seconds:
        return (
            Reason.DRAIN_TIMED_OUT,
            f"{drain.victim} still runs {running} requests after {minutes(waited)}",
        )
    return Reason.DRAINING, f"{drain.victim} is drained and runs {running} requests"


def _seen_out_of_routing(situation: Situation, drain: Drain, victim: ReplicaObservation) -> bool:
    """Whether the sample is a poll younger than the drain: routers take a moment."""
    if victim.age_seconds is None or victim.replica.routable:
        return False
    settled = drain.since + situation.deployment.metrics_interval_seconds
    return situation.now - victim.age_seconds >= settled
