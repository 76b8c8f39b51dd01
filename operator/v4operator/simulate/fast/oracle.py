"""The clairvoyant fleet: the cheapest schedule found that meets a target, knowing every request.

Each figure it gives is one that the event simulation has shown to be enough, so it bounds the
optimum from above; `fluid` bounds it from below (the work) and from nearby (its integer cover).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from v4operator.simulate.fast.fleet import FleetSimulation
from v4operator.simulate.fast.fluid import SLOT_SECONDS, Schedule, cover, demand
from v4operator.simulate.fast.result import Result
from v4operator.simulate.fast.setting import Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import true_step

# Slots are tried apart by this many: what an overload of one slot does to requests is over by then.
_STRIDE_SLOTS = 4
# The search begins with the cover of this much more than the work, and of as much more again until
# that is enough: a tenth does on smooth traces with the linear truth.
_FACTOR = 1.1
_LARGEST_FACTOR = 2.5  # no truth is that much slower than the law: something else limits the fleet
# Share of the misses which the target allows that one replica of one slot may cost, from sweep to
# sweep: what is free goes first, and what is dear only where there is nothing else.
_PRICES = (0.0, 0.004, 0.03, 0.2, 1.0)
_LARGEST_FLEET = 256  # gives up beyond: such a trace meets the objective with no fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """A schedule that meets a target, and the run that shows it.

    `frontier` are attainment and replica-hours of every schedule on the way that met the target,
    for the start-up time that was searched with: what a policy with another attainment is to be
    compared with.
    """

    schedule: Schedule
    result: Result
    frontier: tuple[tuple[float, float], ...] = ()

    def replica_hours(self, start_up_seconds: float) -> float:
        """Served, drained and loaded hours where a replica takes that long to start."""
        return self.result.replica_hours + self.schedule.start_hours(start_up_seconds)

    def gpu_hours(self, start_up_seconds: float) -> float:
        """The same in hours of devices."""
        return self.replica_hours(start_up_seconds) * self.result.devices

    def replica_hours_at(self, attainment: float) -> float:
        """The cheapest hours found that give at least that attainment.

        Raises:
            ValueError: nothing on the frontier attains as much.
        """
        enough = [hours for attained, hours in self.frontier if attained >= attainment]
        if not enough:
            best = max(attained for attained, _ in self.frontier)
            raise ValueError(f"attainment: found {attainment}, the frontier ends at {best}")
        return min(enough)


def run_schedule(trace: Trace, setting: Setting, schedule: Schedule) -> Result:
    """The event simulation of a fleet that follows a schedule without any delay."""
    first = int(schedule.counts[0])
    known = replace(setting, start_up_seconds=0.0, start_up_spread=0.0, failed_starts=0.0)
    fleet = FleetSimulation(trace, replace(known, quota=None, initial_replicas=first))
    for slot, count in enumerate(schedule.counts.tolist()):
        fleet.advance(slot * schedule.slot_seconds)
        if count != fleet.desired:
            fleet.set_desired(count)
    return fleet.result()


def smallest_constant(trace: Trace, setting: Setting, target: float) -> int:
    """The least constant fleet that meets the target.

    Raises:
        ValueError: no fleet does, however large.
    """

    def enough(count: int) -> bool:
        fleet = FleetSimulation(trace, replace(setting, initial_replicas=count, quota=None))
        return fleet.result().attainment >= target

    high = 1
    while not enough(high):
        high *= 2
        if high > _LARGEST_FLEET:
            raise ValueError(f"no fleet of up to {_LARGEST_FLEET} replicas meets {target}")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def clairvoyant(
    trace: Trace, setting: Setting, target: float, *, start_up_seconds: float | None = None
) -> Optimum:
    """The cheapest schedule found in slots of five minutes; mode and truth are the setting's.

    Begins with more than the work needs. Sweep by sweep a replica is taken out of every fourth slot
    at once, where that saves anything with that start-up time (the setting's, unless given); where
    it costs the fewest misses it stays out, as long as the whole run, simulated again, meets the
    target. The misses that the target allows so go where they save most.

    Raises:
        ValueError: the target is not met with any number of replicas.
    """
    known = setting.start_up_seconds if start_up_seconds is None else start_up_seconds
    search = _Search(trace, setting, target, known)
    found = search.begin()
    for price in _PRICES:
        for phase in range(_STRIDE_SLOTS):
            found = search.take_out(found, phase, price)
    return replace(found, frontier=tuple(search.frontier))


class _Search:
    """One search: what it looks for, and the schedules that it has found to be enough."""

    def __init__(
        self, trace: Trace, setting: Setting, target: float, start_up_seconds: float
    ) -> None:
        law = true_step(setting.profile, setting.truth)
        self.frontier: list[tuple[float, float]] = []
        self._trace, self._setting, self._target = trace, setting, target
        self._start_up_seconds = start_up_seconds
        self._wanted = demand(trace, law, setting.tpot_seconds)
        self._allowed = (1.0 - target) * len(trace)

    def begin(self) -> Optimum:
        """Find a multiple of the demand that is enough, or else a constant fleet."""
        factor = _FACTOR
        while factor < _LARGEST_FACTOR:
            found = self._try(cover(self._wanted * factor).bridged(self._start_up_seconds))
            if found is not None:
                return found
            factor *= _FACTOR
        count = smallest_constant(self._trace, self._setting, self._target)
        found = self._try(cover(np.full_like(self._wanted, count)))
        if found is None:
            raise ValueError(
                f"attainment {self._target}: {count} replicas are enough, "
                f"the quota is {self._setting.quota}"
            )
        return found

    def take_out(self, found: Optimum, phase: int, price: float) -> Optimum:
        """One replica less in each of the slots of a phase that does not miss it."""
        tried = self._worth_it(found.schedule, phase)
        if len(tried) == 0:
            return found
        before = self._missed(found.result)
        after = self._missed(self._run(_less(found.schedule, tried)))
        costs = _around(after - before, tried)
        order = np.argsort(costs, kind="stable")
        tried, costs = tried[order], costs[order]
        left = self._allowed - before.sum()
        cheap = tried[(costs <= price * self._allowed) & (np.cumsum(np.maximum(0, costs)) <= left)]
        while len(cheap) > 0:
            better = self._try(_less(found.schedule, cheap))
            if better is not None and self._hours(better) < self._hours(found):
                return better
            cheap = cheap[: len(cheap) // 2]
        return found

    def _worth_it(self, schedule: Schedule, phase: int) -> NDArray[np.int64]:
        """Slots of a phase in which one replica less makes the day cheaper."""
        slots = np.arange(phase, len(schedule.counts), _STRIDE_SLOTS)
        slots = slots[schedule.counts[slots] > 1]
        hours = self._planned_hours(schedule)
        saves = [
            self._planned_hours(_less(schedule, slots[[k]])) < hours for k in range(len(slots))
        ]
        return slots[np.array(saves, np.bool_)]

    def _planned_hours(self, schedule: Schedule) -> float:
        return schedule.replica_hours + schedule.start_hours(self._start_up_seconds)

    def _try(self, schedule: Schedule) -> Optimum | None:
        """The schedule as far as the quota goes, with its run, if it meets the target."""
        most = self._setting.quota or _LARGEST_FLEET
        schedule = schedule.with_counts(np.minimum(schedule.counts, most))
        result = self._run(schedule)
        if result.attainment < self._target:
            return None
        found = Optimum(schedule=schedule, result=result)
        self.frontier.append((result.attainment, self._hours(found)))
        return found

    def _hours(self, found: Optimum) -> float:
        return found.replica_hours(self._start_up_seconds)

    def _run(self, schedule: Schedule) -> Result:
        return run_schedule(self._trace, self._setting, schedule)

    def _missed(self, result: Result) -> NDArray[np.float64]:
        """Misses by the slot of arrival."""
        told, slots = result.per_request, len(self._wanted)
        where = np.minimum(told.arrival // SLOT_SECONDS, slots - 1).astype(np.int64)
        return np.asarray(np.bincount(where, weights=told.missed, minlength=slots), np.float64)


def _less(schedule: Schedule, slots: NDArray[np.int64]) -> Schedule:
    counts = schedule.counts.copy()
    counts[slots] -= 1
    return schedule.with_counts(counts)


def _around(misses: NDArray[np.float64], slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """Misses of each slot, the one before it and those up to the next: what its replica cost."""
    sums = np.concatenate(([0.0], np.cumsum(misses)))
    first = np.maximum(0, slots - 1)
    last = np.minimum(len(misses), slots + _STRIDE_SLOTS - 1)
    return np.asarray(sums[last] - sums[first], np.float64)
