"""Keyed work queue: which keys are to be looked at, and when. Knows nothing of the looking.

Level, not edge: a key says that something may have changed, never what. So adds of one key
coalesce, a key is never worked on twice at once, and one that is added while it is worked on comes
again afterwards. Ready keys go first come, first served.

`Agenda` is the bookkeeping, with time as an argument; `WorkQueue` puts it on a clock.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from v4operator.runtime.backoff import Backoff
from v4operator.runtime.ports import Clock
from v4operator.runtime.waiting import sleep_or

K = TypeVar("K", bound=Hashable)

KEY_BACKOFF = Backoff(base_seconds=0.2, cap_seconds=60.0)
"""The first retry follows at once to a person's eye; the last ones come as often as the status of a
fleet at rest is written, once a minute."""


class QueueClosed(Exception):  # noqa: N818 - the expected end of every worker
    """There is no more work and there will be none."""


class QueueObserver(Protocol):
    """Who counts what the queue does. Called within the loop: must be quick and not raise."""

    def depth(self, ready: int) -> None:
        """So many keys wait for a worker."""
        ...

    def added(self) -> None:
        """A key became ready."""
        ...

    def retried(self) -> None:
        """A key failed and will come again."""
        ...

    def started(self, key: Hashable, at: float, waited_seconds: float) -> None:
        """A worker took the key at `at`, Unix seconds."""
        ...

    def finished(self, key: Hashable, worked_seconds: float) -> None:
        """The worker is done with it."""
        ...


class Agenda(Generic[K]):
    """Which keys are ready, under work, or due later. A key can be all of it but ready twice."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._ready_since: dict[K, float] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._deadlines: list[tuple[float, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        """How many keys are ready."""
        return len(self._ready)

    @property
    def next_deadline(self) -> float | None:
        """When the next delayed key is due; `None` where there is none."""
        while self._deadlines and not self._is_current(self._deadlines[0]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def add(self, key: K, now: float) -> bool:
        """Make the key ready, or have it come again after its worker; `False` if it was so already.

        A delay of the key stays: who asked for that moment may have a reason that holds only then.
        """
        if key in self._ready_since or key in self._again:
            return False
        if key in self._working:
            self._again.add(key)
        else:
            self._enqueue(key, now)
        return True

    def add_at(self, key: K, deadline: float) -> None:
        """Make the key ready at `deadline`; of several deadlines the earliest counts."""
        if deadline >= self._due.get(key, float("inf")):
            return
        self._due[key] = deadline
        self._count += 1  # keys need not be comparable
        heapq.heappush(self._deadlines, (deadline, self._count, key))

    def promote(self, now: float) -> tuple[K, ...]:
        """Make ready what is due; those that were not so already."""
        promoted: list[K] = []
        deadline = self.next_deadline
        while deadline is not None and deadline <= now:
            key = heapq.heappop(self._deadlines)[2]
            del self._due[key]
            if self.add(key, now):
                promoted.append(key)
            deadline = self.next_deadline
        return tuple(promoted)

    def take(self) -> tuple[K, float] | None:
        """The key that waited longest, now under work, and since when it was ready."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._working.add(key)
        return key, self._ready_since.pop(key)

    def done(self, key: K, now: float) -> None:
        """The worker is done with the key."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._enqueue(key, now)

    def clear(self) -> None:
        """Forget all but what is under work."""
        self._ready.clear()
        self._ready_since.clear()
        self._again.clear()
        self._due.clear()
        self._deadlines.clear()

    def _enqueue(self, key: K, now: float) -> None:
        self._ready.append(key)
        self._ready_since[key] = now

    def _is_current(self, entry: tuple[float, int, K]) -> bool:
        """Whether the entry is still the key's deadline: an earlier one outdates it."""
        return self._due.get(entry[2]) == entry[0]


class WorkQueue(Generic[K]):
    """The agenda on a clock, for workers of one event loop. `run` serves the delays."""

    def __init__(
        self,
        *,
        clock: Clock,
        chance: Callable[[], float],
        observer: QueueObserver,
        backoff: Backoff = KEY_BACKOFF,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._observer = observer
        self._backoff = backoff
        self._agenda: Agenda[K] = Agenda()
        self._failures: dict[K, int] = {}
        self._started: dict[K, float] = {}
        self._wake_workers = asyncio.Event()
        self._wake_timer = asyncio.Event()
        self._closed = False

    def add(self, key: K) -> None:
        """Have the key worked on as soon as may be; a no-op once closed."""
        if not self._closed and self._agenda.add(key, self._clock.now()):
            self._observer.added()
        self._turn()

    def add_after(self, key: K, seconds: float) -> None:
        """Have the key worked on in `seconds`, or at an earlier deadline that it has."""
        if seconds <= 0.0:
            self.add(key)
        elif not self._closed:
            self._agenda.add_at(key, self._clock.now() + seconds)
            self._wake_timer.set()

    def retry(self, key: K, at_least_seconds: float = 0.0) -> float:
        """Have a failed key worked on again after its backoff; returns the seconds until then."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = max(at_least_seconds, self._backoff.seconds(failures, self._chance()))
        self._observer.retried()
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: K) -> None:
        """The key succeeded, or is gone: its next failure is a first one."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """The next key, when there is one; the caller must call `done` with it.

        Raises:
            QueueClosed: the queue was closed.
        """
        # There must be no await between the taking and the return: a cancelled worker would
        # otherwise carry a key away.
        while not self._closed:
            taken = self._agenda.take()
            if taken is not None:
                key, since = taken
                now = self._started[key] = self._clock.now()
                self._observer.started(key, now, now - since)
                self._turn()
                return key
            self._wake_workers.clear()
            await self._wake_workers.wait()
        raise QueueClosed

    def done(self, key: K) -> None:
        """The caller of `take` is done with the key."""
        now = self._clock.now()
        self._observer.finished(key, now - self._started.pop(key))
        self._agenda.done(key, now)
        self._turn()

    def close(self) -> None:
        """Take no more keys in and give none out. What is under work goes on."""
        self._closed = True
        self._agenda.clear()
        self._turn()

    async def run(self) -> None:
        """Make delayed keys ready when they are due, until cancelled."""
        while True:
            for _ in self._agenda.promote(self._clock.now()):
                self._observer.added()
            self._turn()
            self._wake_timer.clear()
            deadline = self._agenda.next_deadline
            pause = None if deadline is None else deadline - self._clock.now()
            await sleep_or(self._clock, pause, self._wake_timer)

    def _turn(self) -> None:
        """After every change: tell the depth and wake who waits for keys."""
        self._observer.depth(len(self._agenda))
        self._wake_workers.set()
