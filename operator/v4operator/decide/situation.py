"""Everything a rule may look at, gathered once and frozen. Pure; no rule is applied here."""

from dataclasses import dataclass
from math import isfinite

from v4operator.decide import history, schedule
from v4operator.decide.fleet import Fleet, fleet_of
from v4operator.decide.need import replicas_needed
from v4operator.decide.victim import Victim, choose
from v4operator.model.deployment import Deployment, Scaling
from v4operator.model.forecast import Forecast
from v4operator.model.memory import Drain, PolicyMemory
from v4operator.model.observation import Observation, ReplicaObservation

# Less than this share of the ready replicas fresh is blindness (DESIGN section 4).
_FRESH_SHARE = (2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The input of every rule.

    `memory` includes this cycle. `count` is what the workload holds, or the replicas that are there
    where nobody sets a count. `need` is what the demand takes, unbounded; `wanted` the same within
    bounds; `floor` the highest need of the shrink window within bounds. `blind` says why nothing
    may shrink. `demand` is the one that counts: at the horizon, or the present one when blind.
    `candidate` is the replica that would go if one went. `scaling` holds the bounds now in force,
    `floor_source` names what set the lower one.
    """

    observation: Observation
    forecast: Forecast
    memory: PolicyMemory
    fleet: Fleet
    count: int
    demand: float
    need: int
    wanted: int
    floor: int
    blind: str | None
    candidate: Victim | None
    scaling: Scaling
    floor_source: str

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.observation.now

    @property
    def deployment(self) -> Deployment:
        """What the user asked for."""
        return self.observation.deployment

    @property
    def seen_demand(self) -> float:
        """The demand without the replica's worth that each silent replica holds of it."""
        return max(0.0, self.demand - self.forecast.demand.silent_replicas)

    @property
    def above_maximum(self) -> bool:
        """Whether the user's bound itself asks for fewer."""
        return self.count > self.scaling.max_replicas

    @property
    def drain(self) -> Drain | None:
        """The drain that goes on: its victim is still ready, and nobody changed the count."""
        drain = self.memory.drain
        if drain is None or drain.count != self.count or self.draining is None:
            return None
        return drain

    @property
    def draining(self) -> ReplicaObservation | None:
        """The remembered victim, while it is ready and not leaving."""
        drain = self.memory.drain
        if drain is None:
            return None
        return next((r for r in self.fleet.ready if r.replica.name == drain.victim), None)


def assess(observation: Observation, forecast: Forecast, memory: PolicyMemory) -> Situation:
    """Gather; the memory of the result includes this cycle."""
    fleet = fleet_of(observation, forecast, memory)
    blind = _blindness(observation, forecast)
    demand = _demand(forecast, blind=blind is not None)
    scaling, floor_source = schedule.in_force(
        observation.deployment.scaling, observation.now, forecast.start_up_seconds
    )
    need = replicas_needed(demand, fleet.capacities()) + scaling.warm_replicas
    remembered = _remember(observation, memory, None if blind else need)
    window = scaling.shrink_window_seconds
    highest = history.highest(remembered.recommendations, observation.now, window)
    return Situation(
        observation=observation,
        forecast=forecast,
        memory=remembered,
        fleet=fleet,
        count=_count(observation, fleet),
        demand=demand,
        need=need,
        wanted=_within(scaling, need),
        floor=_within(scaling, max(need, highest)),
        blind=blind,
        candidate=choose(fleet, observation.workload.next_to_go),
        scaling=scaling,
        floor_source=floor_source,
    )


def _within(scaling: Scaling, replicas: int) -> int:
    return min(max(replicas, scaling.min_replicas), scaling.max_replicas)


def _count(observation: Observation, fleet: Fleet) -> int:
    desired = observation.workload.desired
    return len(observation.replicas) - len(fleet.leaving) if desired is None else desired


def _blindness(observation: Observation, forecast: Forecast) -> str | None:
    ready, fresh = len(observation.ready), len(observation.fresh)
    part, whole = _FRESH_SHARE
    if not fresh:
        return f"none of {ready} ready replicas has fresh metrics"
    if fresh * whole < ready * part:
        return f"only {fresh} of {ready} ready replicas have fresh metrics"
    demand = forecast.demand
    if not demand.computable:
        return f"the demand is not known: {demand.reason or 'no reason given'}"
    if not isfinite(demand.now_replicas) or not isfinite(demand.horizon_replicas):
        return "the demand is not a finite number"
    return None


def _demand(forecast: Forecast, *, blind: bool) -> float:
    """Blind: only what is seen now, no trend. Else the higher of now and the horizon."""
    demand = forecast.demand
    now = demand.now_replicas if isfinite(demand.now_replicas) else 0.0
    return max(0.0, now) if blind else max(0.0, now, demand.horizon_replicas)


def _remember(observation: Observation, memory: PolicyMemory, need: int | None) -> PolicyMemory:
    now, window = observation.now, observation.deployment.scaling.shrink_window_seconds
    count = observation.workload.desired
    known = memory.recommendations
    if need is not None:
        known = history.with_recommendation(known, now=now, replicas=need, window_seconds=window)
    return PolicyMemory(
        first_seen=now if memory.first_seen is None else memory.first_seen,
        recommendations=known,
        drain=memory.drain,
        events=history.within(history.with_count(memory, count, now), now, window),
        count=memory.count if count is None else count,
    )
