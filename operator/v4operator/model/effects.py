"""act.plan -> act.apply: what is to be done to the world, as data to be looked at first."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReplicas:
    """Write the count, only if the workload is still at `version` and holds `expected`."""

    expected: int
    count: int
    version: str
    victim: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoutable:
    """Take one replica out of routing, or put it back."""

    replica: str
    routable: bool


Effect = SetReplicas | SetRoutable
