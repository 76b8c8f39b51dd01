"""Scrapes every target on its own clock and fills the windows. It judges nothing and joins nothing.

Each target has a task of its own that wakes at the target's turn in the interval, so that a slow
or failing one delays no other, and no error in a reconcile stops a scrape.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import floor
from zlib import crc32

from v4operator.model.deployment import Key
from v4operator.observe.gather import Snapshot
from v4operator.observe.ports import Clock, MetricsSource, Scrape
from v4operator.observe.window import ReplicaWindow

_CONCURRENCY = 50
"""Scrapes under way at once: 20 to 50 in flight gave the best rate over 2,000 targets, and one
hung target in fifty still leaves room."""

_DEADLINE_SECONDS = 10.0
"""Real seconds after which a scrape is given up even if its source forgot its own limit: twice a
scrape and its version look-up at 2 s each, rounded up."""

_SCRAPE_LIMIT_SECONDS = 2.0
"""The time limit of one scrape on a clock that runs at the pace of the world."""

_SAME_TURN_RATIO = 1e-6
"""Share of an interval by which a turn may come early through rounding: Unix time over a poll
interval rounds by about 4e-8 of it, and a turn taken for the next one would be scraped twice."""

_NOT_NEWER = "the answer carries the time of an earlier one"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where and how often a target is scraped."""

    address: str
    path: str
    interval_seconds: float


@dataclass(slots=True, kw_only=True)
class _Target:
    """One replica that is scraped, and what came of it."""

    place: _Place
    phase_ratio: float
    window: ReplicaWindow = field(default_factory=ReplicaWindow)
    failure: str | None = None
    failing_since: float | None = None

    def due_after(self, time: float) -> float:
        """The first of this target's turns that comes after `time`."""
        interval = self.place.interval_seconds
        turns = (time / interval - self.phase_ratio) + _SAME_TURN_RATIO
        return (floor(turns) + 1 + self.phase_ratio) * interval

    def record(self, scrape: Scrape, now: float) -> None:
        """Keep the reading, or the reason why there is none."""
        failure = scrape.failure
        reading = scrape.reading
        if reading is not None and not self.window.add(scrape.at, reading, seen_at=now):
            failure = _NOT_NEWER
        if failure is None:
            self.failing_since = None
        elif self.failing_since is None:
            self.failing_since = now
        self.failure = failure


class Collector:
    """Keeps one window per replica filled.

    `scrape_limit_seconds` is the source's time limit, expressed on `clock` (an accelerated clock
    passes more seconds in it); it only enters the rule of what is still fresh.
    """

    def __init__(
        self,
        source: MetricsSource,
        clock: Clock,
        *,
        concurrency: int = _CONCURRENCY,
        scrape_limit_seconds: float = _SCRAPE_LIMIT_SECONDS,
    ) -> None:
        self._source = source
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._scrape_limit_seconds = scrape_limit_seconds
        self._targets: dict[Key, dict[str, _Target]] = {}
        self._tasks: dict[tuple[Key, str], asyncio.Task[None]] = {}

    def set_targets(
        self, key: Key, targets: Mapping[str, tuple[str, str]], interval_seconds: float
    ) -> None:
        """Scrape exactly these: replica name -> (base URL, metrics path). Call within the loop.

        A target that is gone is forgotten; one at another address is another process and starts
        with an empty window; one that stays keeps its window.
        """
        known = self._targets.pop(key, {})
        wanted: dict[str, _Target] = {}
        for name, (address, path) in targets.items():
            place = _Place(address=address, path=path, interval_seconds=interval_seconds)
            wanted[name] = self._placed(key, name, known.pop(name, None), place)
        for name in known:
            self._stop(key, name)
        if wanted:
            self._targets[key] = wanted

    def windows(self, key: Key) -> dict[str, Snapshot]:
        """What is known of each target of `key`, by replica name."""
        return {
            name: Snapshot(
                window=target.window,
                failure=target.failure,
                failing_since=target.failing_since,
                scrape_limit_seconds=self._scrape_limit_seconds,
            )
            for name, target in self._targets.get(key, {}).items()
        }

    async def aclose(self) -> None:
        """Stop scraping and wait until every task has ended."""
        tasks = tuple(self._tasks.values())
        self._tasks.clear()
        self._targets.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _placed(self, key: Key, name: str, old: _Target | None, place: _Place) -> _Target:
        """The target that polls at `place`: the old one where nothing changed."""
        if old is not None and old.place == place:
            return old
        if old is None or old.place.address != place.address:
            target = _Target(place=place, phase_ratio=_phase_ratio(key, name))
        else:
            target = replace(old, place=place)
        if old is not None:
            self._stop(key, name)
        task = asyncio.create_task(self._poll(target), name=f"scrape {key} {name}")
        self._tasks[key, name] = task
        return target

    def _stop(self, key: Key, name: str) -> None:
        self._tasks.pop((key, name)).cancel()

    async def _poll(self, target: _Target) -> None:
        """Scrape at each turn; turns that pass during a slow scrape are left out, not made up."""
        due = target.due_after(self._clock.now())
        while True:
            await self._clock.sleep(due - self._clock.now())
            async with self._slots:
                scrape = await self._scrape(target)
            now = self._clock.now()
            target.record(scrape, now)
            due = target.due_after(max(due, now))

    async def _scrape(self, target: _Target) -> Scrape:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._source.scrape(target.place.address, target.place.path)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, polling goes on
            reason = f"scrape failed: {type(error).__name__}: {error}"
            return Scrape(at=self._clock.now(), reading=None, failure=reason)


def _phase_ratio(key: Key, name: str) -> float:
    """A target's turn in the interval, 0 to 1: even over many names and the same at each start."""
    return crc32(f"{key}/{name}".encode()) / 2**32
