"""The policy as tables: which rules stand before which move, in their order. Pure.

All vetoes of a chain are kept, so that one can see what else would object; the first is the reason
that is told.
"""

from collections.abc import Callable

from v4operator.decide import rules
from v4operator.decide.situation import Situation
from v4operator.model.verdict import Veto

Rule = Callable[[Situation], Veto | None]

BOUNDS: tuple[Rule, ...] = (
    rules.at_maximum,  # the user's ceiling, said aloud
    rules.at_minimum,  # the user's floor, said aloud
)

GROW: tuple[Rule, ...] = (
    rules.hbm_enforced,  # a replica that does not fit will not start
    rules.waiting_for_capacity,  # nor will a second one where the first lacks its devices
)

SHRINK_TO_MAXIMUM: tuple[Rule, ...] = (
    rules.blind,  # not even the user's bound is worth cutting streams unseen
    rules.no_victim,  # a silent replica may be busy
    rules.last_routable,  # somebody must answer
)

SHRINK: tuple[Rule, ...] = (
    rules.blind,  # absent is not zero
    rules.restart_guard,  # no shrink within a window of a restart
    rules.window_has_holes,  # nor within a window of blindness
    rules.shrink_window,  # the highest need of the window holds
    rules.no_victim,
    rules.last_routable,
    rules.shrink_pace,  # one at a time
    rules.survivors_too_small,  # the N-1 test
)


def vetoes(chain: tuple[Rule, ...], situation: Situation) -> tuple[Veto, ...]:
    """Every veto of the chain, in its order."""
    return tuple(veto for rule in chain if (veto := rule(situation)) is not None)


def shrink_vetoes(situation: Situation) -> tuple[Veto, ...]:
    """What stands against one replica fewer."""
    return vetoes(SHRINK_TO_MAXIMUM if situation.above_maximum else SHRINK, situation)


def standing_vetoes(situation: Situation) -> tuple[Veto, ...]:
    """What keeps the count where it is, or bounds it, right now."""
    found = vetoes(BOUNDS, situation)
    if situation.wanted < situation.count:
        return found + shrink_vetoes(situation)
    if situation.wanted > len(situation.fleet.ready) + situation.fleet.starts_under_way:
        found += vetoes(GROW, situation)
    return found + vetoes((rules.blind,), situation)
