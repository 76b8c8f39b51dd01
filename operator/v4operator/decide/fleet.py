"""Sorts the replicas of one deployment by what they are worth to the decision. Pure.

Every replica is in exactly one class. What is not here: how many are needed (`need`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from v4operator.model.forecast import Forecast
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.replica import Phase

# A start that takes three times as long as learned is not going to happen (DESIGN section 4).
OVERDUE_FACTOR = 3.0

# A controller creates the replicas it was asked for within seconds; where a quota refuses them it
# never does, and they are as stuck as unschedulable ones.
CREATION_SECONDS = 60.0

# What stands in for the reason where the world gives none.
_NOT_CREATED = "not created by the workload's controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Replicas by class, and how fast each serving one is.

    `serving` are ready, fresh and routable; `silent` ready and routable without a fresh reading;
    `unrouted` ready and taken out of routing; `leaving` on their way out already; `starting` are
    starts under way; `stuck` are unschedulable, crashed or overdue. `uncreated` are counted by the
    workload and not there yet: starts under way unless `creation_overdue`.
    `speeds` maps each ready replica to its share of a healthy one's capacity.
    """

    serving: tuple[ReplicaObservation, ...]
    silent: tuple[ReplicaObservation, ...]
    unrouted: tuple[ReplicaObservation, ...]
    leaving: tuple[ReplicaObservation, ...]
    starting: tuple[ReplicaObservation, ...]
    stuck: tuple[ReplicaObservation, ...]
    uncreated: int
    creation_overdue: bool
    speeds: Mapping[str, float]

    @property
    def ready(self) -> tuple[ReplicaObservation, ...]:
        """Replicas that serve or would if they were routed to."""
        return self.serving + self.silent + self.unrouted

    @property
    def starts_under_way(self) -> int:
        """Replicas that will be ready without anybody asking again."""
        return len(self.starting) + (0 if self.creation_overdue else self.uncreated)

    @property
    def blocked(self) -> int:
        """Replicas that were asked for and do not come."""
        return len(self.stuck) + (self.uncreated if self.creation_overdue else 0)

    def capacities(self) -> tuple[float, ...]:
        """What each replica that counts is worth, in healthy replicas; starts count in full.

        A silent one is worth 1 because its load of 1 is part of the demand: it is fully loaded and
        has nothing to spare.
        """
        seen = (self.speeds[r.replica.name] for r in self.serving + self.unrouted)
        return (*seen, *(1.0 for _ in self.silent), *(1.0,) * self.starts_under_way)

    def shortage(self) -> str | None:
        """Which replica does not come, and what it lacks: the first that says so."""
        told = sorted(self.stuck, key=lambda r: (r.replica.reason is None, r.replica.name))
        if told:
            first = told[0].replica
            return (
                f"{first.name} is {_stuck_state(first.phase)}: {first.reason or 'no reason given'}"
            )
        return f"{self.uncreated} {_NOT_CREATED}" if self.blocked else None


def fleet_of(observation: Observation, forecast: Forecast, memory: PolicyMemory) -> Fleet:
    """Sort the replicas of `observation`; a start is judged by `forecast.start_up_seconds`."""
    leaving = _leaving(observation)
    gone = {r.replica.name for r in leaving}
    staying = tuple(r for r in observation.replicas if r.replica.name not in gone)
    ready = tuple(r for r in staying if r.replica.phase is Phase.READY)
    waiting = tuple(r for r in staying if r.replica.phase is not Phase.READY)
    routable = tuple(r for r in ready if r.replica.routable)
    stuck: list[ReplicaObservation] = []
    starting: list[ReplicaObservation] = []
    for r in waiting:
        blocked = _is_stuck(r, observation.now, forecast.start_up_seconds)
        (stuck if blocked else starting).append(r)
    return Fleet(
        serving=tuple(r for r in routable if r.fresh),
        silent=tuple(r for r in routable if not r.fresh),
        unrouted=tuple(r for r in ready if not r.replica.routable),
        leaving=leaving,
        starting=tuple(starting),
        stuck=tuple(stuck),
        uncreated=max(0, (observation.workload.desired or 0) - len(staying)),
        creation_overdue=observation.now - _last_change(memory, observation) > CREATION_SECONDS,
        speeds=_speeds(ready, forecast),
    )


def is_overdue(replica: ReplicaObservation, now: float, start_up_seconds: float) -> bool:
    """Whether a replica that is not ready has taken longer than any start takes."""
    return now - replica.replica.created_at > OVERDUE_FACTOR * start_up_seconds


def _is_stuck(replica: ReplicaObservation, now: float, start_up_seconds: float) -> bool:
    if replica.replica.phase in {Phase.UNSCHEDULABLE, Phase.CRASHED}:
        return True
    return is_overdue(replica, now, start_up_seconds)


def _leaving(observation: Observation) -> tuple[ReplicaObservation, ...]:
    """Terminating replicas, and the unrouted surplus after the count has been lowered."""
    ending = tuple(r for r in observation.replicas if r.replica.phase is Phase.DRAINING)
    desired = observation.workload.desired
    if desired is None:
        return ending
    surplus = max(0, len(observation.replicas) - len(ending) - desired)
    unrouted = tuple(r for r in observation.ready if not r.replica.routable)
    return ending + unrouted[:surplus]


def _speeds(ready: tuple[ReplicaObservation, ...], forecast: Forecast) -> dict[str, float]:
    """What the forecast measured; a silent one holds the load of 1 that the demand gives it."""
    told = {r.name: max(0.0, r.speed_ratio) for r in forecast.replicas}
    return {r.replica.name: told.get(r.replica.name, 1.0) if r.fresh else 1.0 for r in ready}


def _last_change(memory: PolicyMemory, observation: Observation) -> float:
    if memory.count != observation.workload.desired:
        return observation.now
    known = [memory.first_seen or observation.now, *(event.time for event in memory.events)]
    return max(known)


def _stuck_state(phase: Phase) -> str:
    return phase.value if phase in {Phase.UNSCHEDULABLE, Phase.CRASHED} else "overdue"
