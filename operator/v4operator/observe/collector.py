"""Scrapes every target on its own clock and fills the windows. It judges nothing and joins nothing.

Each target has a task of its own that wakes at the target's turn in the interval, so that a slow
or failing one delays no other, and no error in a reconcile stops a scrape.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from zlib import crc32

from v4operator.model.deployment import Key
from v4operator.model.observation import Scrapes
from v4operator.observe.gather import Snapshot
from v4operator.observe.ports import Clock, FleetSource, MetricsSource, Scrape
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

_LOOK_SECONDS, _LOOK_RATIO = 1.0, 0.2
"""Another look comes so long after the cycle that wants it, or that share of the interval if it is
longer: a step that showed in part shows fivefold then."""

_NO_SERVER = "no Prometheus can be asked here"
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
    spacing_seconds: float | None = None
    good: int = 0
    failed: int = 0
    under_way: bool = False

    def due_after(self, time: float) -> float:
        """The first of this target's turns that comes after `time`."""
        interval = self.place.interval_seconds
        turns = (time / interval - self.phase_ratio) + _SAME_TURN_RATIO
        return (floor(turns) + 1 + self.phase_ratio) * interval

    def due_by(self, time: float) -> float:
        """The last of this target's turns that comes no later than `time`."""
        return self.due_after(time) - self.place.interval_seconds

    def record(self, scrape: Scrape, now: float) -> None:
        """Keep the reading, or the reason why there is none."""
        failure = scrape.failure
        reading = scrape.reading
        if reading is not None and not self.window.add(scrape.at, reading, seen_at=now):
            failure = _NOT_NEWER
        if failure is None:
            self.good += 1
            self.failing_since = None
        else:
            self.failed += 1
            self.failing_since = now if self.failing_since is None else self.failing_since
        self.failure = failure

    def record_shared(self, scrape: Scrape, now: float) -> None:
        """As `record`; between two scrapes of the server its last one is no failure, and no news.

        Its age tells when it has stopped.
        """
        self.spacing_seconds = scrape.spacing_seconds or self.spacing_seconds
        if scrape.reading is not None and scrape.at == self.window.latest_at:
            self.failure = self.failing_since = None
        else:
            self.record(scrape, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    """A deployment whose replicas are read all at once, from the server of that name."""

    server: str
    interval_seconds: float
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """All replicas of a deployment are scraped once more at `at`, beside their turns."""

    at: float
    task: asyncio.Task[None]


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
        fleets: FleetSource | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._scrape_limit_seconds = scrape_limit_seconds
        self._targets: dict[Key, dict[str, _Target]] = {}
        self._tasks: dict[tuple[Key, str], asyncio.Task[None]] = {}
        self._fleet_source = fleets
        self._fleets: dict[Key, _Fleet] = {}
        self._looks: dict[Key, _Look] = {}

    def set_targets(
        self,
        key: Key,
        targets: Mapping[str, tuple[str, str]],
        interval_seconds: float,
        server: str | None = None,
    ) -> None:
        """Scrape exactly these: replica name -> (base URL, metrics path). Call within the loop.

        A target that is gone is forgotten; one at another address is another process and starts
        with an empty window; one that stays keeps its window. Where a `server` is named ("": the
        default one) its series are read instead, all replicas at once.
        """
        self._set_fleet(key, server if targets else None, interval_seconds)
        known = self._targets.pop(key, {})
        wanted: dict[str, _Target] = {}
        for name, (address, path) in targets.items():
            place = _Place(address=address, path=path, interval_seconds=interval_seconds)
            polled = server is None
            wanted[name] = self._placed(key, name, known.pop(name, None), place, polled=polled)
        for name in known:
            self._stop(key, name)
        if wanted:
            self._targets[key] = wanted
        elif (look := self._looks.pop(key, None)) is not None:
            look.task.cancel()

    def windows(self, key: Key) -> dict[str, Snapshot]:
        """What is known of each target of `key`, by replica name."""
        return {
            name: Snapshot(
                window=target.window,
                failure=target.failure,
                failing_since=target.failing_since,
                scrape_limit_seconds=self._scrape_limit_seconds,
                scrapes=Scrapes(good=target.good, failed=target.failed),
                spacing_seconds=target.spacing_seconds,
            )
            for name, target in self._targets.get(key, {}).items()
        }

    def look_again(self, key: Key, interval_seconds: float) -> None:
        """Scrape all of `key` once more, a fifth of the interval or a second from now.

        Once an interval at the most, nobody whose turn is near, and nobody who did not answer the
        last time. What a server is asked for is no fresher for it.
        """
        now, seconds = self._clock.now(), max(_LOOK_SECONDS, interval_seconds * _LOOK_RATIO)
        last = self._looks.get(key)
        if key in self._fleets or (last is not None and now < last.at + interval_seconds):
            return
        names = [
            name
            for name, target in self._targets.get(key, {}).items()
            if target.failure is None and target.due_after(now) > now + 2.0 * seconds
        ]
        if names:
            task = asyncio.create_task(self._look(key, names, seconds), name=f"look again {key}")
            self._looks[key] = _Look(at=now + seconds, task=task)

    def next_news(self, key: Key, seconds: float) -> float | None:
        """Seconds until the last scrape of `key` that begins within the next `seconds`.

        Until the next, where it is asked for beside the turns; `None` where no scrape is due, or a
        server is read instead.
        """
        now = self._clock.now()
        look = self._looks.get(key)
        if look is not None and look.at > now:
            return look.at - now
        turns = [
            target.due_by(now + seconds) - now
            for name, target in self._targets.get(key, {}).items()
            if (key, name) in self._tasks
        ]
        return max((turn for turn in turns if turn > 0.0), default=None)

    def source_problem(self, server: str | None) -> str | None:
        """Why the metrics' source can never be asked, whatever becomes of the replicas."""
        if server is None:
            return None
        return _NO_SERVER if self._fleet_source is None else self._fleet_source.problem(server)

    async def aclose(self) -> None:
        """Stop scraping and wait until every task has ended."""
        tasks = (
            *self._tasks.values(),
            *(fleet.task for fleet in self._fleets.values()),
            *(look.task for look in self._looks.values()),
        )
        self._tasks.clear()
        self._looks.clear()
        self._fleets.clear()
        self._targets.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _placed(
        self, key: Key, name: str, old: _Target | None, place: _Place, *, polled: bool
    ) -> _Target:
        """The target at `place`, `polled` by itself or not: the old one where nothing changed."""
        if old is not None and old.place == place and polled == ((key, name) in self._tasks):
            return old
        if old is None or old.place.address != place.address:
            target = _Target(place=place, phase_ratio=_phase_ratio(key, name))
        else:
            target = replace(old, place=place, spacing_seconds=None, under_way=False)
        if old is not None:
            self._stop(key, name)
        if polled:
            task = asyncio.create_task(self._poll(target), name=f"scrape {key} {name}")
            self._tasks[key, name] = task
        return target

    def _stop(self, key: Key, name: str) -> None:
        task = self._tasks.pop((key, name), None)
        if task is not None:
            task.cancel()

    def _set_fleet(self, key: Key, server: str | None, interval_seconds: float) -> None:
        """Have the fleet read from `server`; `None`: its replicas are scraped one by one."""
        old = self._fleets.get(key)
        if old is not None and (old.server, old.interval_seconds) == (server, interval_seconds):
            return
        if old is not None:
            self._fleets.pop(key).task.cancel()
            if server is None and self._fleet_source is not None:
                self._fleet_source.forget(key)
        if server is not None:
            poll = self._poll_fleet(key, server, interval_seconds)
            task = asyncio.create_task(poll, name=f"query {key}")
            self._fleets[key] = _Fleet(server=server, interval_seconds=interval_seconds, task=task)

    async def _poll_fleet(self, key: Key, server: str, interval_seconds: float) -> None:
        """Ask at once, then once an interval. Its own server's bound holds, not that of scrapes."""
        while True:
            began = self._clock.now()
            targets = dict(self._targets.get(key, {}))
            scrapes = await self._read_fleet(key, server, targets)
            now = self._clock.now()
            for name, target in targets.items():
                target.record_shared(scrapes[name], now)
            await self._clock.sleep(max(0.0, began + interval_seconds - now))

    async def _read_fleet(
        self, key: Key, server: str, targets: Mapping[str, _Target]
    ) -> Mapping[str, Scrape]:
        addresses = {name: target.place.address for name, target in targets.items()}
        if self._fleet_source is None:
            failed = Scrape(at=self._clock.now(), reading=None, failure=_NO_SERVER)
            return dict.fromkeys(addresses, failed)
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._fleet_source.read(key, server, addresses)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, polling goes on
            reason = f"query failed: {type(error).__name__}: {error}"
            failed = Scrape(at=self._clock.now(), reading=None, failure=reason)
            return dict.fromkeys(addresses, failed)

    async def _poll(self, target: _Target) -> None:
        """Scrape at each turn; turns that pass during a slow scrape are left out, not made up."""
        due = target.due_after(self._clock.now())
        while True:
            await self._clock.sleep(due - self._clock.now())
            await self._scrape_once(target)
            due = target.due_after(max(due, self._clock.now()))

    async def _look(self, key: Key, names: Sequence[str], seconds: float) -> None:
        """Scrape those of them that are still there after so many seconds."""
        await self._clock.sleep(seconds)
        known = self._targets.get(key, {})
        await asyncio.gather(*(self._scrape_once(known[name]) for name in names if name in known))

    async def _scrape_once(self, target: _Target) -> None:
        """One request at a time: answers of a slow engine would overtake each other."""
        if target.under_way:
            return
        target.under_way = True
        try:
            async with self._slots:
                scrape = await self._scrape(target)
        finally:
            target.under_way = False
        target.record(scrape, self._clock.now())

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
