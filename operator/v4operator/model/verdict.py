"""decide -> act, report: how many replicas, why, and what a person should know."""

from dataclasses import dataclass
from enum import StrEnum

from v4operator.model.hbm import Finding


class Action(StrEnum):
    """What the decision does to the number of replicas."""

    HOLD = "hold"
    GROW = "grow"
    SHRINK = "shrink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """A rule that kept the count where it is (or bounded the step), and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One value that entered a decision, with its age and where it comes from."""

    name: str
    value: float | str | None
    unit: str
    age_seconds: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome for one V4Deployment at one time.

    `wanted` is what the forecast asks for within bounds, before vetoes; `desired` what is asked of
    the workload. `drain` names the replica that is to be taken out of routing (or already is), and
    `release` is true once it may go, so that the count may be lowered. `restore` names a replica
    that was taken out and is needed again.
    """

    time: float
    action: Action
    current: int | None
    wanted: int | None
    desired: int | None
    reason: str
    sentence: str
    vetoes: tuple[Veto, ...]
    alternative: str | None
    inputs: tuple[Input, ...]
    drain: str | None = None
    release: bool = False
    restore: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Decision and findings together; what `act` carries out and `report` tells."""

    decision: Decision
    findings: tuple[Finding, ...]
