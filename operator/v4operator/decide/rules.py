"""The vetoes: each a function from one frozen situation to a veto, or nothing. Pure.

No rule knows another. `chains` puts them in order; what follows from a veto stands in `moves`.
"""

from v4operator.decide import history
from v4operator.decide.need import carries, cold_cache_extra, load_without_one
from v4operator.decide.phrases import minutes, replicas
from v4operator.decide.reasons import Reason
from v4operator.decide.situation import Situation
from v4operator.decide.victim import Victim
from v4operator.model.hbm import HbmVerdict
from v4operator.model.verdict import Veto


def blind(situation: Situation) -> Veto | None:
    """Nothing shrinks on data that is not there: absent is not zero."""
    return _veto(Reason.BLIND, situation.blind) if situation.blind else None


def restart_guard(situation: Situation) -> Veto | None:
    """A process that has just started has not seen the peak it would cut."""
    first = situation.memory.first_seen
    window = situation.scaling.shrink_window_seconds
    if first is None or situation.now - first >= window:
        return None
    left = minutes(first + window - situation.now)
    return _veto(Reason.RESTART_GUARD, f"watching began within the shrink window; {left} to go")


def window_has_holes(situation: Situation) -> Veto | None:
    """After a stretch of blindness the window has to be seen again."""
    window = situation.scaling.shrink_window_seconds
    begin = max(situation.now - window, situation.memory.first_seen or situation.now)
    hole = history.longest_hole_seconds(
        situation.memory.recommendations, since=begin, now=situation.now
    )
    if hole <= history.most_hole_seconds(window, situation.deployment.metrics_interval_seconds):
        return None
    return _veto(
        Reason.WINDOW_HAS_HOLES,
        f"the demand was unknown for {minutes(hole)} of the last {minutes(window)}",
    )


def shrink_window(situation: Situation) -> Veto | None:
    """The highest need of the window holds, never the lowest."""
    if situation.floor < situation.count:
        return None
    window = minutes(situation.scaling.shrink_window_seconds)
    return _veto(Reason.SHRINK_WINDOW, f"{situation.floor} were needed in the last {window}")


def shrink_pace(situation: Situation) -> Veto | None:
    """One serving replica per part of the window, so that the effect of the last is seen."""
    victim, last = situation.candidate, history.last_shrink(situation.memory.events)
    if victim is None or not victim.serves or last is None:
        return None
    due = last + history.part_seconds(situation.scaling.shrink_window_seconds)
    if situation.now >= due:
        return None
    return _veto(Reason.SHRINK_PACE, f"the next shrink is due in {minutes(due - situation.now)}")


def no_victim(situation: Situation) -> Veto | None:
    """A silent replica is never the one that goes."""
    if situation.candidate is not None:
        return None
    return _veto(Reason.NO_VICTIM, "no replica that could go has fresh metrics")


def last_routable(situation: Situation) -> Veto | None:
    """Whatever the figures say, somebody must answer; a silent replica may not."""
    victim = situation.candidate
    if victim is None or not victim.serves or len(situation.fleet.serving) > 1:
        return None
    return _veto(Reason.LAST_ROUTABLE, f"{victim.label} is the last replica known to take requests")


def survivors_too_small(situation: Situation) -> Veto | None:
    """The N-1 test: the other fresh replicas carry the demand, the moved share with cold caches.

    Silent replicas keep the load of one replica each and lend nothing.
    """
    victim = situation.candidate
    if victim is None or not victim.serves:
        return None
    survivors = survivor_capacities(situation, victim)
    load = load_after(situation)
    if carries(survivors, load):
        return None
    return _veto(
        Reason.SURVIVORS_TOO_SMALL,
        f"without {victim.label} the load would be {load:.1f}, cold caches included, on the"
        f" capacity of {sum(survivors):.1f} {replicas(sum(survivors))}",
    )


def waiting_for_capacity(situation: Situation) -> Veto | None:
    """A claim that cannot be met bounds the next one; shrinking is not touched by it."""
    shortage = situation.fleet.shortage()
    return _veto(Reason.WAITING_FOR_CAPACITY, shortage) if shortage else None


def hbm_enforced(situation: Situation) -> Veto | None:
    """More of what does not fit its devices helps nobody. An unknown verdict never blocks."""
    report = situation.forecast.hbm
    if not situation.deployment.enforce_hbm or report.verdict is HbmVerdict.UNKNOWN:
        return None
    return None if report.verdict.fits else _veto(Reason.HBM_ENFORCED, report.sentence)


def at_maximum(situation: Situation) -> Veto | None:
    """The bound is the user's; that it binds must be seen."""
    most = situation.scaling.max_replicas
    if situation.need <= most or situation.count < most:
        return None
    return _veto(Reason.AT_MAXIMUM, f"the demand takes {situation.need}, maxReplicas is {most}")


def at_minimum(situation: Situation) -> Veto | None:
    """The same at the other end, where a shrink would follow."""
    least = situation.scaling.min_replicas
    if situation.need >= least or situation.count > least:
        return None
    message = f"the demand takes {situation.need}, {situation.floor_source} is {least}"
    return _veto(Reason.AT_MINIMUM, message)


def survivor_capacities(situation: Situation, victim: Victim) -> tuple[float, ...]:
    """Speeds of the fresh serving replicas that stay."""
    fleet = situation.fleet
    names = (r.replica.name for r in fleet.serving)
    return tuple(fleet.speeds[name] for name in names if name != victim.name)


def load_after(situation: Situation) -> float:
    """What the fresh replicas have to carry once one of them is gone, in healthy replicas."""
    serving = max(1, len(situation.fleet.serving))
    extra = cold_cache_extra(situation.forecast.step, situation.forecast.mix)
    return load_without_one(situation.seen_demand, serving, extra)


def _veto(reason: Reason, message: str) -> Veto:
    return Veto(reason=reason, message=message)
