"""A recording rule, an alert, a group of them: as data, before they are written. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

DEPLOYMENT = "namespace, v4deployment"
"""Labels of a deployment, as PromQL lists them."""
REPLICA = "namespace, v4deployment, replica"

FLEET = "{{ $labels.namespace }}/{{ $labels.v4deployment }}"
"""How an annotation names the deployment."""
ONE = "{{ $labels.replica }} of " + FLEET
PER_CENT = "{{ $value | humanizePercentage }}"
"""How an annotation shows a ratio."""


class Severity(StrEnum):
    """What it asks of a person: to come now, to look today, to know."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A series that is computed at every evaluation; `level:metric:operations`."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that a person should know of. `after` is in seconds.

    `summary` holds no figures, so that one notification of many replicas reads well; `description`
    holds figures with units, and the next step.
    """

    name: str
    severity: Severity
    expr: str
    after: float
    summary: str
    description: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated together, in order."""

    name: str
    rules: tuple[Record | Alert, ...]


def of_deployment(selector: str) -> str:
    """The series of one deployment, whichever operator pod exported it."""
    return f"max by ({DEPLOYMENT}) ({selector})"


def of_replica(selector: str) -> str:
    """The series of one replica, whichever operator pod exported it."""
    return f"max by ({REPLICA}) ({selector})"


def where(labels: str, condition: str) -> str:
    """Restricts an expression to label sets for which the condition is there."""
    return f"and on ({labels}) {condition}"


def while_deployment(state: str) -> str:
    """Restricts to deployments of which that series of a state set or condition is 1."""
    return where(DEPLOYMENT, f"{of_deployment(state)} == 1")


def while_replica(state: str) -> str:
    """Restricts to replicas of which that series of a state set is 1."""
    return where(REPLICA, f"{of_replica(state)} == 1")


SETTLED = where(REPLICA, "v4replica:v4_replica_ready:settled == 1")
"""Restricts to replicas that have served for a while: nothing is said of a fresh one."""
