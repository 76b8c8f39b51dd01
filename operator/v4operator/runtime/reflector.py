"""Keeps a store equal to a resource: list, then watch, then again what has to be done again.

The rules are those of the trade (client-go, kopf): go on from the last version seen, bookmarks
included; list anew when that version is gone; treat silence as a broken connection; wait after
every failure, longer each time, and never ask in a tight loop. A list is compared with the store,
so that deletions missed in between are seen.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from v4operator.runtime.backoff import Backoff
from v4operator.runtime.ports import (
    Absent,
    Bookmark,
    Changed,
    Clock,
    Deleted,
    Expired,
    ObjectKey,
    Resource,
    SourceError,
    Throttled,
    Unreadable,
)
from v4operator.runtime.store import Store, Transition

log = structlog.get_logger()

V = TypeVar("V")

_MAX_RETRY_AFTER_SECONDS = 120.0
"""An API server asks for seconds; a proxy's wrong header must not silence the operator for long."""

FOLLOW_BACKOFF = Backoff(base_seconds=0.1, cap_seconds=30.0)
"""A restart of an API server takes seconds; after an outage of hours it is found within 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorLimits:
    """Pace and bounds."""

    # What client-go asks for; 5,000 pods would be 24 MB in one piece otherwise.
    page_objects: int = 500
    # The largest cluster that Kubernetes is made for has so many pods.
    max_objects: int = 150_000
    # A watch is ended by the server at a random time in here, so that not all end at once.
    watch_seconds: tuple[float, float] = (290.0, 600.0)
    # Servers send a bookmark about every 60 s and keep events for 75 s.
    silence_seconds: float = 70.0
    # A watch that ends sooner is a failure whatever it brought (client-go's rule).
    short_watch_seconds: float = 1.0
    backoff: Backoff = FOLLOW_BACKOFF


class ReflectorObserver(Protocol):
    """Who counts what a reflector does. Called within the loop: must be quick and not raise."""

    def listed(self, objects: int) -> None:
        """A whole list was taken over."""
        ...

    def watching(self) -> None:
        """A watch begins."""
        ...

    def failed(self) -> None:
        """A list or watch failed and will be tried again."""
        ...


class Reflector(Generic[V]):
    """Follows one resource into one store and tells every transition. `synced` after a list."""

    def __init__(
        self,
        name: str,
        resource: Resource[V],
        store: Store[V],
        on_transition: Callable[[Transition[V]], None],
        *,
        clock: Clock,
        chance: Callable[[], float],
        observer: ReflectorObserver,
        limits: ReflectorLimits | None = None,
    ) -> None:
        """`name` is for logs; `on_transition` runs within the loop and must not raise."""
        self.name = name
        self.synced = asyncio.Event()
        self._resource = resource
        self._store = store
        self._on_transition = on_transition
        self._clock = clock
        self._chance = chance
        self._observer = observer
        self._limits = limits or ReflectorLimits()
        self._version: str | None = None
        self._watched_since: float | None = None
        self._unreadable: set[ObjectKey] = set()
        self._failure = "not asked for yet"

    @property
    def missing(self) -> str | None:
        """Why the resource has never been listed, or `None` where it has."""
        return None if self.synced.is_set() else self._failure

    async def run(self) -> None:
        """Follow until cancelled. A failure of the other side is waited out, never raised."""
        streak = _Streak()
        while True:
            error = await self._turn()
            streak.note(error, was_long=self._was_long())
            if error is None and streak.failures == 0:
                continue
            self._observer.failed()
            seconds = self._pause(error, streak.failures)
            self._tell_failure(_reason(error), seconds, first=streak.failures <= 1)
            await self._clock.sleep(seconds)

    async def _turn(self) -> SourceError | None:
        """List if need be, then watch until it ends; what went wrong, if anything did."""
        self._watched_since = None
        try:
            if self._version is None:
                self._version = await self._list()
            self._watched_since = self._clock.now()
            await self._watch(self._version)
        except Expired as error:
            self._version = None
            return error
        except Absent as error:
            self._version = None
            self._take_over({}, set())
            return error
        except SourceError as error:
            return error
        return None

    async def _list(self) -> str:
        """Take over a whole list and return its version, which is the same on every page."""
        views: dict[ObjectKey, V] = {}
        unreadable: set[ObjectKey] = set()
        page = await self._resource.list(limit=self._limits.page_objects, more=None)
        while True:
            for each in page.objects:
                if isinstance(each, Changed):
                    views[each.key] = each.view
                else:
                    self._tell_unreadable(each)
                    unreadable.add(each.key)
            self._check_count(len(views))
            if page.more is None:
                break
            page = await self._resource.list(limit=self._limits.page_objects, more=page.more)
        self._take_over(views, unreadable)
        self._observer.listed(len(views))
        self.synced.set()
        log.info("listed", resource=self.name, objects=len(views))
        return page.version

    async def _watch(self, version: str) -> None:
        shortest, longest = self._limits.watch_seconds
        self._observer.watching()
        events = self._resource.watch(
            version,
            seconds=shortest + (longest - shortest) * self._chance(),
            silence_seconds=self._limits.silence_seconds,
        )
        async with aclosing(events):
            async for event in events:
                self._apply(event)
                self._version = event.version

    def _apply(self, event: Changed[V] | Deleted | Unreadable | Bookmark) -> None:
        if isinstance(event, Bookmark):
            return
        if isinstance(event, Unreadable):
            self._tell_unreadable(event)
            return
        self._unreadable.discard(event.key)
        if isinstance(event, Changed):
            self._tell(self._store.put(event.key, event.view))
            self._check_count(len(self._store))
        else:
            self._tell(self._store.remove(event.key))

    def _take_over(self, views: dict[ObjectKey, V], unreadable: set[ObjectKey]) -> None:
        self._unreadable = unreadable
        for transition in self._store.replace(views, kept=unreadable):
            self._on_transition(transition)

    def _tell(self, transition: Transition[V] | None) -> None:
        if transition is not None:
            self._on_transition(transition)

    def _tell_failure(self, reason: str, seconds: float, *, first: bool) -> None:
        """Logged when it begins and when it becomes another one: some last for good."""
        if first or reason != self._failure:
            log.info("follow_again", resource=self.name, reason=reason, seconds=seconds)
        self._failure = reason

    def _tell_unreadable(self, event: Unreadable) -> None:
        """The last view stays: an object that cannot be read is there all the same. Said once."""
        if event.key not in self._unreadable:
            self._unreadable.add(event.key)
            log.error(
                "object_unreadable", resource=self.name, object=str(event.key), reason=event.reason
            )

    def _check_count(self, count: int) -> None:
        if count > self._limits.max_objects:
            self._version = None
            raise SourceError(
                f"more than {self._limits.max_objects} objects; narrow what is followed"
            )

    def _was_long(self) -> bool:
        """Whether the last turn's watch lived long enough to count as a good one."""
        since = self._watched_since
        return since is not None and (self._clock.now() - since >= self._limits.short_watch_seconds)

    def _pause(self, error: SourceError | None, failures: int) -> float:
        pause = self._limits.backoff.seconds(failures, self._chance())
        if isinstance(error, Throttled):
            asked = min(error.retry_after_seconds, _MAX_RETRY_AFTER_SECONDS)
            return max(pause, asked * (1.0 + self._chance() / 10.0))
        return pause


class _Streak:
    """Failures in a row since the last good watch."""

    def __init__(self) -> None:
        self.failures = 0
        self._excused = False

    def note(self, error: SourceError | None, *, was_long: bool) -> None:
        """Count a turn that ended.

        The first lost version of a streak says that the server is back and waits for a list, which
        should not be put off; a server that says so again and again is failing.
        """
        if was_long:
            self.failures, self._excused = 0, False
        elif isinstance(error, Expired) and not self._excused:
            self.failures, self._excused = 0, True
        else:
            self.failures += 1


def _reason(error: SourceError | None) -> str:
    return "the watch ended at once" if error is None else str(error)
