"""The replicas of one deployment over time: starts, draining, faults, removal.

Lazy: nothing happens until `advance`, and the outcome does not depend on how often it is called.
Phases are those that a cluster would show.
"""

import math
import random
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Protocol

from v4operator.model.replica import Phase
from v4operator.simulate.counters import EDGES
from v4operator.simulate.member import PENDING_SECONDS, Faults, FleetSpec, Member
from v4operator.simulate.replica import Replica
from v4operator.simulate.request import Request
from v4operator.simulate.router import Router
from v4operator.simulate.traffic import Arrivals
from v4operator.simulate.truth import Truth

# Replicas that a scenario begins with have served for this long: no cold start at the first look.
_SERVED_BEFORE_SECONDS = 600.0


class Conflict(Exception):  # noqa: N818 - an expected outcome, named as the API names it
    """The workload is not what the writer thought; the message says what it is."""


class Unacceptable(ValueError):  # noqa: N818 - likewise
    """What was asked for makes no sense, whatever the workload is."""


class Event(Protocol):
    """Something that a scenario does to a fleet, `at` seconds after the start."""

    @property
    def at(self) -> float:
        """Seconds after the start."""
        ...

    def happen(self, fleet: "Fleet", time: float) -> None:
        """Do it, at `time` in Unix seconds."""
        ...


class Fleet:
    """One emulated deployment. Changes carry the time; times never go back."""

    def __init__(self, spec: FleetSpec, *, start: float, events: Iterable["Event"] = ()) -> None:
        self.spec = spec
        self.now = start
        self.desired = spec.replicas
        self.truth = Truth(spec.objective)
        self.members: list[Member] = []
        self._start = start
        self._writes = 1
        self._created = 0
        self._quota = spec.quota
        self._router = Router(spec.profile.client_timeout_seconds)
        self._chance = random.Random(f"start-up {spec.start_up.seed}")  # noqa: S311 - repeatable
        self._timers: list[tuple[float, int, Member]] = []
        self._timers_set = 0
        self._events = deque(sorted(events, key=lambda event: event.at))
        self._arrivals = iter(Arrivals(spec.traffic, start) if spec.traffic else ())
        self._next_arrival = next(self._arrivals, None)
        for _ in range(spec.replicas):
            self._create_served()

    @property
    def version(self) -> str:
        """Changes with every write of the count."""
        return str(self._writes)

    def member(self, name: str) -> Member | None:
        """The replica of that name."""
        return next((member for member in self.members if member.name == name), None)

    def demand(self) -> float:
        """Arrivals a second that the scenario asks for now; HTTP requests come on top."""
        if self.spec.traffic is None:
            return 0.0
        return self.spec.traffic.rate.at(self.now - self._start)

    def advance(self, until: float) -> None:
        """Let time pass: requests arrive and are routed, replicas start and work, events happen."""
        while self._events and self._start + self._events[0].at <= until:
            event = self._events.popleft()
            event.happen(self, self._start + event.at)
        self._work(until)

    def set_replicas(
        self, at: float, *, count: int, expected: int, version: str, victim: str | None = None
    ) -> None:
        """Change the count as a scale subresource would: only if nobody else did before.

        Raises:
            Conflict: the count or the version is not what the writer saw.
            Unacceptable: a negative count, or a victim that does not exist.
        """
        self.advance(at)
        if count < 0:
            raise Unacceptable(f"count: found {count}, allowed: 0 or more")
        if version != self.version or expected != self.desired:
            raise Conflict(
                f"holds {self.desired} at version {self.version}, "
                f"expected was {expected} at version {version}"
            )
        if victim is not None and self.member(victim) is None:
            raise Unacceptable(f"victim: found {victim!r}, allowed: a replica of {self.spec.key}")
        self.desired = count
        self._writes += 1
        self._follow_count(victim)

    def set_routable(self, at: float, name: str, *, routable: bool) -> bool:
        """Take a replica out of routing or put it back; false if there is none of that name."""
        self.advance(at)
        member = self.member(name)
        if member is None:
            return False
        member.routable = routable
        self._router.route_kept(self.members, self.now)
        return True

    def set_faults(self, at: float, name: str, faults: Faults) -> bool:
        """Make a replica sick or well; false if there is none of that name."""
        self.advance(at)
        member = self.member(name)
        if member is None:
            return False
        member.faults = faults
        member.apply_faults(self.now)
        return True

    def submit(self, request: Request, member: Member) -> bool:
        """A request from outside, past the router; false if no engine serves there."""
        self.advance(request.arrival)
        if member.engine is None:
            return False
        member.engine.submit(request)
        return True

    def set_quota(self, at: float, quota: int | None) -> None:
        """Change how many replicas find devices. Running ones are left alone."""
        self.advance(at)
        self._quota = quota
        self._place_unschedulable()

    def crash(self, at: float, name: str, *, restart_seconds: float | None = None) -> bool:
        """The process of a replica dies; after `restart_seconds` it starts anew, else never."""
        self.advance(at)
        member = self.member(name)
        if member is None:
            return False
        self._stop_engine(member)
        member.phase, member.reason = Phase.CRASHED, "exited with 137"
        member.begins_at = member.readies_at = math.inf
        if restart_seconds is not None:
            self._begin_at(self.now + restart_seconds, member)
        return True

    def _work(self, until: float) -> None:
        while True:
            timer = self._timers[0][0] if self._timers else math.inf
            arrival = self._next_arrival.arrival if self._next_arrival else math.inf
            if min(timer, arrival) > until:
                break
            if timer <= arrival:
                self._fire()
            else:
                self._arrive()
        self.now = max(self.now, until)
        self.truth.record(self._router.expire(self.now))
        for member in self.members:
            if member.engine is not None:
                member.engine.advance(self.now)
                self.truth.record(member.engine.take_ended())

    def _follow_count(self, victim: str | None) -> None:
        chosen = None if victim is None else self.member(victim)
        while len(self.members) > self.desired:
            self._remove(chosen or self._least_wanted())
            chosen = None
        while len(self.members) < self.desired:
            self._schedule(self._create(self.now))

    def _create(self, at: float) -> Member:
        ordinal = self._created
        self._created += 1
        member = Member(name=f"{self.spec.key.name}-{ordinal}", ordinal=ordinal, created_at=at)
        self.members.append(member)
        return member

    def _create_served(self) -> None:
        ready_at = self._start - _SERVED_BEFORE_SECONDS
        member = self._create(ready_at - self.spec.start_up.seconds)
        member.ready_at = ready_at
        self._begin_serving(member)

    def _schedule(self, member: Member) -> None:
        placed = sum(m is not member and m.phase is not Phase.UNSCHEDULABLE for m in self.members)
        if self._quota is not None and placed >= self._quota:
            devices = self.spec.profile.engine_devices
            member.phase = Phase.UNSCHEDULABLE
            member.reason = f"insufficient nvidia.com/gpu: no node has {devices} free"
            return
        member.phase, member.reason = Phase.PENDING, "waiting for a node"
        self._begin_at(self.now + PENDING_SECONDS, member)

    def _begin_at(self, at: float, member: Member) -> None:
        member.begins_at = at
        self._set_timer(at, member)

    def _set_timer(self, at: float, member: Member) -> None:
        self._timers_set += 1
        heappush(self._timers, (at, self._timers_set, member))

    def _fire(self) -> None:
        at, _, member = heappop(self._timers)
        self.now = max(self.now, at)
        if member not in self.members:
            return
        if member.phase in {Phase.PENDING, Phase.CRASHED} and at >= member.begins_at:
            member.phase, member.reason = Phase.STARTING, "engine is loading"
            member.readies_at = at + self.spec.start_up.draw_loading(self._chance)
            self._set_timer(member.readies_at, member)
        elif member.phase is Phase.STARTING and at >= member.readies_at:
            self._begin_serving(member)

    def _begin_serving(self, member: Member) -> None:
        member.phase, member.reason = Phase.READY, None
        member.ready_at = self.now if member.ready_at is None else member.ready_at
        member.engine = Replica(self.spec.profile, start=self.now, edges=EDGES[self.spec.engine])
        member.apply_faults(self.now)
        self._router.route_kept(self.members, self.now)

    def _remove(self, member: Member) -> None:
        self._stop_engine(member)
        self.members.remove(member)
        self._place_unschedulable()

    def _stop_engine(self, member: Member) -> None:
        if member.engine is not None:
            member.engine.cut(self.now)
            self.truth.record(member.engine.take_ended())
            member.engine = None

    def _place_unschedulable(self) -> None:
        for member in self.members:
            if member.phase is Phase.UNSCHEDULABLE:
                self._schedule(member)

    def _least_wanted(self) -> Member:
        """As a ReplicaSet chooses: those that do not serve first, then the youngest."""
        return max(self.members, key=lambda m: (m.phase is not Phase.READY, m.ordinal))

    def _arrive(self) -> None:
        request, self._next_arrival = self._next_arrival, next(self._arrivals, None)
        if request is not None:
            self.now = max(self.now, request.arrival)
            self.truth.record(self._router.expire(self.now))
            self._router.route(request, self.members, self.now)
