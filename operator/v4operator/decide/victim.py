"""Which replica goes when one goes. Pure.

First those that serve nobody, since they need no drain: blocked ones, then starts, the latest
first. A shrink therefore never happens beside a start: it is the start that is cancelled. Of those
that serve, the least loaded fresh one; a silent one never, since nobody knows what it still runs.
"""

from dataclasses import dataclass
from math import inf

from v4operator.decide.fleet import Fleet
from v4operator.model.observation import ReplicaObservation
from v4operator.model.replica import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """The replica that would go; `name` is `None` where it was never created."""

    name: str | None
    serves: bool
    requests: float | None = None

    @property
    def label(self) -> str:
        """How a sentence calls it."""
        return self.name or "a replica that was never created"


def choose(fleet: Fleet, next_to_go: str | None = None) -> Victim | None:
    """The victim, or `None` where only replicas without fresh metrics are left.

    `next_to_go` is the one that would end whoever is chosen: of a StatefulSet the last ordinal.
    """
    if fleet.uncreated:
        return Victim(name=None, serves=False)
    if next_to_go is not None:
        return _given(fleet, next_to_go)
    idle = min(fleet.stuck, key=_blocked_order, default=None) or min(
        fleet.starting, key=_start_order, default=None
    )
    if idle is not None:
        return Victim(name=idle.replica.name, serves=False)
    least = min(fleet.serving, key=_load_order, default=None)
    if least is None:
        return None
    return Victim(name=least.replica.name, serves=True, requests=requests_of(least))


def _given(fleet: Fleet, name: str) -> Victim | None:
    """That replica as a victim, unless nobody knows what it runs."""
    for replica in fleet.stuck + fleet.starting:
        if replica.replica.name == name:
            return Victim(name=name, serves=False)
    for replica in fleet.serving:
        if replica.replica.name == name:
            return Victim(name=name, serves=True, requests=requests_of(replica))
    return None


def requests_of(replica: ReplicaObservation) -> float | None:
    """Running and waiting requests; `None` where the reading does not give both."""
    reading = replica.reading
    if reading is None or reading.running_requests is None or reading.waiting_requests is None:
        return None
    return reading.running_requests + reading.waiting_requests


def _blocked_order(replica: ReplicaObservation) -> tuple[bool, float, str]:
    crashed = replica.replica.phase is Phase.CRASHED
    return crashed, -replica.replica.created_at, replica.replica.name


def _start_order(replica: ReplicaObservation) -> tuple[bool, float, str]:
    loading = replica.replica.phase is not Phase.PENDING
    return loading, -replica.replica.created_at, replica.replica.name


def _load_order(replica: ReplicaObservation) -> tuple[float, float, str]:
    """Least loaded, then the youngest: its prefix cache is worth least."""
    requests = requests_of(replica)
    load = inf if requests is None else requests
    return load, -replica.replica.created_at, replica.replica.name
