"""Observation and Forecast in, Verdict out: how many replicas, why, and what a person should know.

Pure: the time is the observation's, what is remembered goes in and comes out.
"""

from dataclasses import replace

from v4operator.decide.budget import findings
from v4operator.decide.move import Move
from v4operator.decide.moves import first_move
from v4operator.decide.record import decision_of
from v4operator.decide.situation import Situation, assess
from v4operator.model.forecast import Forecast
from v4operator.model.memory import Drain, PolicyMemory
from v4operator.model.observation import Observation
from v4operator.model.verdict import Verdict


def decide(
    observation: Observation, forecast: Forecast, memory: PolicyMemory
) -> tuple[Verdict, PolicyMemory]:
    """Decide for one deployment at `observation.now`; never raises on what the world sends.

    The second value is the memory to be handed in at the next call (`PolicyMemory()` at first).
    """
    situation = assess(observation, forecast, memory)
    move = first_move(situation)
    decision = decision_of(situation, move)
    verdict = Verdict(decision=decision, findings=findings(observation, forecast))
    return verdict, replace(situation.memory, drain=_drain_after(situation, move))


def _drain_after(situation: Situation, move: Move) -> Drain | None:
    """The drain to remember: the one that goes on, or the one that the move begins."""
    if move.drain is None:
        return None
    going_on = situation.drain
    if going_on is not None and going_on.victim == move.drain:
        return going_on
    return Drain(victim=move.drain, since=situation.now, count=situation.count)
