"""The core of a decision, before it is put into words. Pure."""

from dataclasses import dataclass

from v4operator.decide.reasons import Reason
from v4operator.model.verdict import Action, Veto


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The core of a decision: what, why in half a sentence, and what was rejected instead."""

    action: Action
    desired: int | None
    reason: Reason
    why: str
    alternative: str | None = None
    vetoes: tuple[Veto, ...] = ()
    advice: int | None = None
    drain: str | None = None
    release: bool = False
    restore: str | None = None
