"""A day of a fleet under some policy: replicas come and go here, requests are the kernel's.

Repeatable: the same trace, setting and calls at the same times give the same requests served, and
how often `advance` is called in between changes nothing.
"""

import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

import numpy as np

from v4operator.simulate.fast.kernel import events, routing
from v4operator.simulate.fast.kernel.layout import FIGURES, FINISHED
from v4operator.simulate.fast.member import Member, Stay
from v4operator.simulate.fast.metrics import GatewayMetrics, ReplicaMetrics
from v4operator.simulate.fast.result import Result, Timeline, judged
from v4operator.simulate.fast.scrape import Scraper
from v4operator.simulate.fast.setting import Blind, Setting
from v4operator.simulate.fast.setup import new_state, open_slot, with_slots
from v4operator.simulate.fast.trace import Trace

__all__ = ["Blind", "FleetSimulation", "GatewayMetrics", "ReplicaMetrics", "Setting"]

_SLOTS = 16  # to begin with; doubled when a fleet needs more
_TICK_SECONDS = 60.0  # how finely speeds that change by themselves are followed
# Replicas that a run begins with have served for this long: no cold start at the first look.
_SERVED_BEFORE_SECONDS = 600.0
_RUN_OUT_SECONDS = 60.0
_STRIDE = 997  # where in the noise table each replica begins, prime to its length
_BUSY = FIGURES.index("busy_seconds")


class FleetSimulation:
    """One run. `now` is in seconds from the start of the trace and never goes back."""

    def __init__(self, trace: Trace, setting: Setting) -> None:
        self.now = 0.0
        self.desired = setting.initial_replicas
        self._trace = trace
        self._setting = setting
        self._state = new_state(trace, setting, max(_SLOTS, setting.initial_replicas))
        self._free = list(range(len(self._state.replicas)))[::-1]
        self._members: list[Member] = []
        self._gone: list[Member] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_set = 0
        self._created = 0
        self._timeline = Timeline()
        self._scraper = Scraper(setting, trace.duration)
        self._result: Result | None = None
        for _ in range(setting.initial_replicas):
            self._create_served()
        if setting.truth.changes:
            self._tick()
        self._book()

    def advance(self, until: float) -> None:
        """Let time pass up to `until`: requests arrive and are served, replicas become ready."""
        while self.now < until or self._timer_due() <= until:
            due = self._timer_due()
            self.now = max(self.now, events.advance(self._state, min(due, until)))
            if self._release_emptied():
                continue
            if due <= until:
                heappop(self._timers)[2]()
            elif self.now >= until:
                return

    def metrics(self) -> list[ReplicaMetrics]:
        """Every replica as a scrape at `now` sees it, in order of creation."""
        rows = self._counted()
        return [self._scraper.see(m, rows.get(m.name), self.now) for m in self._members]

    def gateway(self) -> GatewayMetrics:
        """What waits outside the replicas now."""
        fleet = self._state.fleet[0]
        routing.expire_outside(self._state)
        return GatewayMetrics(
            queued=int(fleet.outside), rejected_total=int(fleet.rejected + fleet.lost_outside)
        )

    def set_desired(self, count: int, victim: str | None = None) -> None:
        """Change the count, as a Deployment would: new replicas pend, surplus ones go.

        Those that are not ready go first, then the victim, then the youngest. A ready one drains.

        Raises:
            ValueError: a negative count.
        """
        if count < 0:
            raise ValueError(f"count: found {count}, allowed: 0 or more")
        self.desired = count
        staying = [member for member in self._members if member.phase != "draining"]
        for _ in range(len(staying) - count):
            chosen = max(staying, key=lambda m: (m.phase != "ready", m.name == victim, *m.rank))
            staying.remove(chosen)
            self._remove(chosen)
        for _ in range(count - len(staying)):
            self._create()
        self._place_pending()
        self._book()

    def set_routable(self, name: str, routable: bool) -> None:  # noqa: FBT001 - the state itself
        """Take a replica out of routing or put it back. One that is gone is left alone."""
        for member in self._members:
            if member.name == name:
                member.routable = routable
                self._follow_routing(member)

    def set_admission_limit(self, limit: int) -> None:
        """What the gateway lets each replica run from now on, at most the setting's limit.

        Requests that already run go on.

        Raises:
            ValueError: no gateway is there; an engine's own limit stands for as long as it runs.
        """
        if self._setting.overload != "gateway":
            raise ValueError(f"overload: found {self._setting.overload!r}, allowed: 'gateway'")
        fleet = self._state.fleet[0]
        fleet.max_running = fleet.room = min(max(1, limit), self._setting.max_running)

    def result(self) -> Result:
        """The judgement of the whole trace, billed up to its end. The run is over after this.

        Requests that are still under way then are served to their end on the fleet as it is.
        """
        if self._result is None:
            self.advance(max(self.now, self._trace.duration))
            end = max(self._trace.duration, 0.0)
            stays = list(self._stays(end))
            while np.any(self._state.requests.fate < FINISHED):
                self.advance(self.now + _RUN_OUT_SECONDS)
                routing.expire_outside(self._state)
            self._result = judged(
                self._state.requests, self._setting, stays, self._timeline.closed(end)
            )
        return self._result

    # Life of a replica

    def _create_served(self) -> None:
        before = -_SERVED_BEFORE_SECONDS
        member = self._create()
        member.created_at = before - self._setting.start_up_seconds
        member.placed_at, member.ready_at = member.created_at, before
        self._serve(member)

    def _create(self) -> Member:
        member = Member(f"replica-{self._created}", self._created, self.now)
        self._created += 1
        self._members.append(member)
        return member

    def _place_pending(self) -> None:
        """Give devices to those that wait for them, as far as the quota goes."""
        placed = sum(member.placed_at is not None for member in self._members)
        for member in self._members:
            if member.placed_at is not None:
                continue
            if self._setting.quota is not None and placed >= self._setting.quota:
                return
            placed += 1
            member.placed_at, member.phase = self.now, "starting"
            self._load(member)

    def _load(self, member: Member) -> None:
        setting = self._setting
        chance = np.random.default_rng((setting.seed, 5, member.ordinal, member.restarts))
        seconds = setting.start_up_seconds
        if setting.start_up_spread > 0:
            variance = math.log1p(setting.start_up_spread**2)
            seconds *= chance.lognormal(-variance / 2, math.sqrt(variance))
        failed = bool(chance.random() < setting.failed_starts)
        member.ready_due = self.now + seconds
        self._set_timer(member.ready_due, lambda: self._loaded(member, failed=failed))

    def _loaded(self, member: Member, *, failed: bool) -> None:
        if member not in self._members:
            return
        if failed:
            member.restarts += 1
            self._load(member)
            return
        member.ready_at = self.now
        self._serve(member)
        routing.dispatch(self._state)
        self._book()

    def _serve(self, member: Member) -> None:
        if not self._free:
            old = len(self._state.replicas)
            self._state = with_slots(self._state, 2 * old)
            self._free = list(range(old, 2 * old))[::-1]
        member.slot, member.phase = self._free.pop(), "ready"
        open_slot(self._state, member.slot, now=self.now, noise_at=_STRIDE * member.ordinal)
        fleet = self._state.fleet[0]
        self._state.active[fleet.active] = member.slot
        fleet.active += 1
        self._follow_routing(member)
        self._set_paces()

    def _remove(self, member: Member) -> None:
        if member.slot < 0:
            self._release(member, self.now)
            return
        member.phase, member.drain_at = "draining", self.now
        replica = self._state.replicas[member.slot]
        replica.takes, replica.draining = 0, 1
        if replica.outstanding == 0:
            self._release(member, self.now)
        else:
            self._set_timer(self.now + self._setting.drain_seconds, lambda: self._cut(member))

    def _cut(self, member: Member) -> None:
        if member in self._members:
            events.cut(self._state, member.slot)
            self._release(member, self.now)

    def _release_emptied(self) -> bool:
        """Take those off their devices that have drained; whether there was one."""
        drained = [
            member
            for member in self._members
            if member.phase == "draining" and self._state.replicas[member.slot].emptied < math.inf
        ]
        for member in drained:
            self._release(member, self.now)
        return bool(drained)

    def _release(self, member: Member, at: float) -> None:
        member.released_at = at
        member.figures = self._counted().get(member.name, ())
        self._members.remove(member)
        self._gone.append(member)
        if member.slot >= 0:
            self._close_slot(member)
        self._place_pending()
        self._book()

    def _close_slot(self, member: Member) -> None:
        fleet, slot = self._state.fleet[0], member.slot
        self._state.replicas[slot].takes = 0
        self._state.replicas[slot].next_event = math.inf
        kept = [s for s in self._state.active[: fleet.active].tolist() if s != slot]
        self._state.active[: len(kept)] = kept
        fleet.active = len(kept)
        self._free.append(slot)
        member.slot = -1
        self._set_paces()

    # Time and speed

    def _timer_due(self) -> float:
        return self._timers[0][0] if self._timers else math.inf

    def _set_timer(self, at: float, action: Callable[[], None]) -> None:
        self._timers_set += 1
        heappush(self._timers, (at, self._timers_set, action))

    def _tick(self) -> None:
        self._set_paces()
        self._set_timer(self.now + _TICK_SECONDS, self._tick)

    def _set_paces(self) -> None:
        truth, seed = self._setting.truth, self._setting.seed
        serving = [member for member in self._members if member.slot >= 0]
        decode = truth.decode_pace(self.now, self._trace.duration)
        for member in serving:
            pace = truth.pace(self.now, ordinal=member.ordinal, serving=len(serving), seed=seed)
            events.set_pace(self._state, member.slot, pace, decode)

    def _follow_routing(self, member: Member) -> None:
        if member.slot >= 0:
            self._state.replicas[member.slot].takes = member.phase == "ready" and member.routable
            routing.dispatch(self._state)

    # What is seen and kept

    def _counted(self) -> dict[str, tuple[float, ...]]:
        """What the engines of those that serve have counted up to now, by name."""
        serving = [member for member in self._members if member.slot >= 0]
        slots = np.array([member.slot for member in serving], np.int64)
        seen = np.empty((len(serving), len(FIGURES)))
        events.observe(self._state, slots, seen)
        return {m.name: tuple(row) for m, row in zip(serving, seen.tolist(), strict=True)}

    def _stays(self, end: float) -> Iterator[Stay]:
        counted = self._counted()
        for member in (*self._gone, *self._members):
            figures = counted.get(member.name, member.figures)
            yield Stay.of(member, end, figures[_BUSY] if figures else 0.0)

    def _book(self) -> None:
        """Keep how many replicas there are of each kind from now on."""
        self._timeline.add(
            self.now,
            desired=self.desired,
            billed=sum(member.placed_at is not None for member in self._members),
            ready=sum(member.phase == "ready" for member in self._members),
            starting=sum(member.slot < 0 for member in self._members),
        )
