"""What to do about the number of replicas: an ordered list of moves, the first that applies.

The shrink is a state machine over `PolicyMemory.drain`: `shrink` chooses a victim and takes it out
of routing, `drain` waits and releases, or undoes. Pure; what forbids a move stands in `rules` and
`chains`, the words around it in `record`.
"""

from collections.abc import Callable

from v4operator.decide.chains import BOUNDS, GROW, shrink_vetoes, standing_vetoes, vetoes
from v4operator.decide.drain import finish_drain, give_back, keep_instead
from v4operator.decide.move import Move
from v4operator.decide.phrases import minutes
from v4operator.decide.reasons import Reason
from v4operator.decide.situation import Situation
from v4operator.model.deployment import ScalingMode
from v4operator.model.verdict import Action, Veto


def first_move(situation: Situation) -> Move:
    """The first move of the list that applies, or none of them."""
    made = (move(situation) for move in MOVES)
    return next((move for move in made if move is not None), None) or hold(situation)


def hands_off(situation: Situation) -> Move | None:
    """Somebody else sets the count: say what it should be, undo a drain, whoever began it."""
    reason = _hands_off_reason(situation)
    if reason is None:
        return None
    advice = None if reason is Reason.DISABLED else _advised(situation)
    return Move(
        action=Action.HOLD,
        desired=situation.observation.workload.desired,
        reason=reason,
        why=_HANDS_OFF[reason],
        vetoes=standing_vetoes(situation),
        advice=advice,
        restore=min((r.replica.name for r in situation.fleet.unrouted), default=None),
    )


def put_back_orphan(situation: Situation) -> Move | None:
    """A replica out of routing without a drain that is remembered: a predecessor died."""
    drain = situation.drain
    known = drain.victim if drain else None
    orphans = (r.replica.name for r in situation.fleet.unrouted if r.replica.name != known)
    orphan = min(orphans, default=None)
    if orphan is None:
        return None
    return Move(
        action=Action.HOLD,
        desired=situation.count,
        reason=Reason.FOUND_UNROUTABLE,
        why=f"{orphan} was out of routing for no reason known here and is put back",
        alternative=f"finish the drain of {orphan}: the demand that allowed it was not seen",
        restore=orphan,
    )


def grow_to_minimum(situation: Situation) -> Move | None:
    """The user's floor holds at once, seen or not."""
    least = situation.scaling.min_replicas
    if situation.count >= least:
        return None
    forbidden = vetoes(GROW, situation)
    return Move(
        action=Action.GROW,
        desired=least if forbidden else situation.wanted,
        reason=Reason.BELOW_MINIMUM,
        why=f"{situation.floor_source} is {least}",
        vetoes=forbidden,
    )


def grow(situation: Situation) -> Move | None:
    """At once, to all of the need; starts under way have been counted in it."""
    if situation.wanted <= situation.count or vetoes(GROW, situation):
        return None
    drain = situation.drain
    ready, coming = _capacity(situation)
    late = situation.forecast.demand.now_replicas > ready
    return Move(
        action=Action.GROW,
        desired=situation.wanted,
        reason=Reason.DEMAND_NOW if late else Reason.DEMAND_AHEAD,
        why=f"the present ones are worth {ready:.1f}{_coming(coming)}",
        alternative=f"hold at {situation.count}: {situation.demand - ready - coming:.1f} short of"
        f" the demand when a new replica is ready ({minutes(situation.forecast.start_up_seconds)})",
        vetoes=vetoes(BOUNDS, situation),
        restore=drain.victim if drain else None,
    )


def shrink(situation: Situation) -> Move | None:
    """One replica, and only where no rule objects. A victim that serves nobody goes at once."""
    victim = situation.candidate
    if situation.wanted >= situation.count or victim is None or shrink_vetoes(situation):
        return None
    return Move(
        action=Action.SHRINK,
        desired=situation.count - 1,
        reason=_shrink_reason(situation, serves=victim.serves),
        why=f"{victim.label} is drained first, the least loaded"
        if victim.serves
        else f"{victim.label} serves nobody and goes at once",
        alternative=keep_instead(situation),
        drain=victim.name,
        release=not victim.serves,
    )


def hold(situation: Situation) -> Move:
    """Nothing to do, or something that is forbidden for now: then the first veto is the reason."""
    standing = standing_vetoes(situation)
    return Move(
        action=Action.HOLD,
        desired=situation.count,
        reason=Reason(standing[0].reason) if standing else Reason.AT_REST,
        why=standing[0].message if standing else _rest(situation),
        alternative=_instead(situation, standing),
        vetoes=standing,
    )


MOVES: tuple[Callable[[Situation], Move | None], ...] = (
    hands_off,  # the user, or nobody, sets the count
    put_back_orphan,  # capacity that is paid for and serves nobody
    grow_to_minimum,  # the user's floor
    grow,  # fast
    give_back,  # before anything is finished
    finish_drain,  # what was begun
    shrink,  # slowly
)  # otherwise: hold

_HANDS_OFF = {
    Reason.DISABLED: "scaling is disabled",
    Reason.PAUSED: "scaling is paused",
    Reason.RECOMMEND_ONLY: "the mode is Recommend",
    Reason.NO_SCALE_TARGET: "nobody here can set the count",
    Reason.SCALING_CONTESTED: "somebody else keeps setting the count",
}


def _advised(situation: Situation) -> int:
    """What Automatic would go for: growth at once, a shrink by one if nothing objects."""
    if situation.wanted >= situation.count:
        return situation.wanted
    return situation.count if shrink_vetoes(situation) else situation.count - 1


def _hands_off_reason(situation: Situation) -> Reason | None:
    scaling = situation.scaling
    if scaling.mode is ScalingMode.DISABLED:
        return Reason.DISABLED
    if scaling.paused:
        return Reason.PAUSED
    if scaling.mode is ScalingMode.RECOMMEND:
        return Reason.RECOMMEND_ONLY
    workload = situation.observation.workload
    if workload.desired is None:
        return Reason.NO_SCALE_TARGET
    contested = Reason.SCALING_CONTESTED
    return contested if any(f.reason == contested.value for f in workload.findings) else None


def _shrink_reason(situation: Situation, *, serves: bool) -> Reason:
    if situation.above_maximum:
        return Reason.ABOVE_MAXIMUM
    return Reason.DEMAND_FELL if serves else Reason.NOT_SERVING


def _capacity(situation: Situation) -> tuple[float, int]:
    coming = situation.fleet.starts_under_way
    return sum(situation.fleet.capacities()) - coming, coming


def _coming(starts: int) -> str:
    return f", {starts} more under way" if starts else ""


def _rest(situation: Situation) -> str:
    ready, coming = _capacity(situation)
    return f"the present ones are worth {ready:.1f}{_coming(coming)}"


def _instead(situation: Situation, standing: tuple[Veto, ...]) -> str | None:
    if situation.wanted > situation.count and standing:
        return f"grow to {situation.wanted}: {standing[0].message}"
    if situation.wanted < situation.count and standing:
        return f"shrink to {situation.count - 1}: {standing[0].message}"
    if situation.count > situation.scaling.min_replicas:
        return f"shrink to {situation.count - 1}: the demand takes {situation.need}"
    return None
