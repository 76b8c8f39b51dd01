from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from v4operator.runtime.ports import (
    Absent,
    Bookmark,
    Changed,
    Deleted,
    Expired,
    ObjectKey,
    Page,
    SourceError,
    Throttled,
    Unreadable,
)
from v4operator.runtime.reflector import Reflector, ReflectorLimits
from v4operator.runtime.store import Store, Transition
from v4operator.runtime.waiting import ended

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from tests.conftest import FakeClock

    _Event = Changed[str] | Deleted | Unreadable | Bookmark

_LIMITS = ReflectorLimits(page_objects=2, max_objects=5)


def _key(name: str) -> ObjectKey:
    return ObjectKey("ns", name)


def _changed(name: str, view: str, version: str = "1") -> Changed[str]:
    return Changed(key=_key(name), view=view, version=version)


def _page(
    *objects: Changed[str] | Unreadable, version: str = "1", more: str | None = None
) -> Page[str]:
    return Page(objects=objects, version=version, more=more)


@dataclass
class _Watch:
    """One watch as the script has it: events, then an error, an end, or silence."""

    events: list[_Event] = field(default_factory=list)
    lives_seconds: float = 300.0
    error: SourceError | None = None


class _Scripted:
    """A resource that answers as told; without a script it lists nothing and watches for ever."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._start = clock.now()
        self.pages: deque[Page[str] | SourceError] = deque()
        self.watches: deque[_Watch | SourceError] = deque()
        self.asked: list[tuple[float, str]] = []
        self.watch_seconds: list[float] = []
        self.silence_seconds: set[float] = set()

    def _note(self, what: str) -> None:
        self.asked.append((round(self._clock.now() - self._start, 3), what))

    async def list(self, *, limit: int, more: str | None) -> Page[str]:
        self._note(f"list {limit} {more or 'all'}")
        page = self.pages.popleft() if self.pages else _page()
        if isinstance(page, SourceError):
            raise page
        return page

    async def watch(
        self, version: str, *, seconds: float, silence_seconds: float
    ) -> AsyncGenerator[_Event, None]:
        self._note(f"watch {version}")
        self.watch_seconds.append(seconds)
        self.silence_seconds.add(silence_seconds)
        script = self.watches.popleft() if self.watches else _Watch(lives_seconds=1e9)
        if isinstance(script, SourceError):
            raise script
        for event in script.events:
            yield event
        await self._clock.sleep(script.lives_seconds)
        if script.error is not None:
            raise script.error


class _Seen:
    """What the observer and the owner of the transitions were told."""

    def __init__(self) -> None:
        self.lists: list[int] = []
        self.watches = 0
        self.failures = 0
        self.transitions: list[tuple[str, str | None, str | None]] = []

    def listed(self, objects: int) -> None:
        self.lists.append(objects)

    def watching(self) -> None:
        self.watches += 1

    def failed(self) -> None:
        self.failures += 1

    def note(self, transition: Transition[str]) -> None:
        self.transitions.append((transition.key.name, transition.before, transition.after))


@dataclass
class _Stage:
    clock: FakeClock
    resource: _Scripted
    seen: _Seen
    store: Store[str]
    reflector: Reflector[str]
    running: asyncio.Task[None] | None = None

    async def play(self, seconds: float) -> None:
        if self.running is None:
            self.running = asyncio.create_task(self.reflector.run())
        await self.clock.advance(seconds)

    def views(self) -> dict[str, str]:
        return {key.name: view for key, view in self.store}


@pytest.fixture
async def stage(clock: FakeClock) -> AsyncIterator[_Stage]:
    resource, seen, store = _Scripted(clock), _Seen(), Store[str]()
    reflector = Reflector(
        "pods",
        resource,
        store,
        seen.note,
        clock=clock,
        chance=lambda: 0.0,
        observer=seen,
        limits=_LIMITS,
    )
    made = _Stage(clock, resource, seen, store, reflector)
    yield made
    if made.running is not None:
        assert not made.running.done()
        await ended(made.running)


async def test_a_list_comes_in_pages_and_is_taken_over_as_a_whole(stage: _Stage) -> None:
    stage.resource.pages += [
        _page(_changed("a", "1"), _changed("b", "1"), version="7", more="next"),
        _page(_changed("c", "1"), version="7"),
    ]
    assert not stage.reflector.synced.is_set()
    await stage.play(0.0)
    assert [what for _, what in stage.resource.asked] == ["list 2 all", "list 2 next", "watch 7"]
    assert stage.views() == {"a": "1", "b": "1", "c": "1"}
    assert stage.reflector.synced.is_set()
    assert (stage.seen.lists, stage.seen.watches) == ([3], 1)


async def test_events_move_the_store_and_each_is_told_before_and_after(stage: _Stage) -> None:
    stage.resource.pages.append(_page(_changed("a", "1")))
    stage.resource.watches.append(
        _Watch([_changed("a", "2"), _changed("b", "1"), Deleted(key=_key("a"), version="9")])
    )
    await stage.play(0.0)
    assert stage.seen.transitions == [
        ("a", None, "1"),
        ("a", "1", "2"),
        ("b", None, "1"),
        ("a", "2", None),
    ]
    assert stage.views() == {"b": "1"}


@pytest.mark.parametrize(
    "last",
    [_changed("a", "2", "12"), Deleted(key=_key("a"), version="12"), Bookmark(version="12")],
    ids=["change", "deletion", "bookmark"],
)
async def test_a_watch_that_ends_in_order_is_resumed_at_once_from_the_last_version(
    stage: _Stage, last: _Event
) -> None:
    stage.resource.watches.append(_Watch([_changed("a", "1", "11"), last], lives_seconds=290.0))
    await stage.play(400.0)
    assert stage.resource.asked == [(0, "list 2 all"), (0, "watch 1"), (290, "watch 12")]
    assert stage.seen.failures == 0


@pytest.mark.parametrize("how", ["in the status", "in an event"])
async def test_a_version_that_is_gone_leads_to_a_new_list_that_shows_the_deletions(
    stage: _Stage, how: str
) -> None:
    stage.resource.pages += [
        _page(_changed("a", "1"), _changed("b", "1")),
        _page(_changed("b", "1"), version="50"),
    ]
    gone = Expired("too old resource version")
    stage.resource.watches.append(
        gone if how == "in the status" else _Watch(error=gone, lives_seconds=0.0)
    )
    await stage.play(10.0)
    assert stage.resource.asked == [
        (0, "list 2 all"),
        (0, "watch 1"),
        (0.1, "list 2 all"),
        (0.1, "watch 50"),
    ]
    assert stage.views() == {"b": "1"}
    assert stage.seen.transitions[-1] == ("a", "1", None)


async def test_a_broken_watch_is_resumed_without_a_list(stage: _Stage) -> None:
    stage.resource.watches.append(
        _Watch([Bookmark(version="5")], lives_seconds=70.0, error=SourceError("silence"))
    )
    await stage.play(100.0)
    assert stage.resource.asked == [(0, "list 2 all"), (0, "watch 1"), (70.1, "watch 5")]


async def test_failures_in_a_row_are_waited_out_longer_each_time_up_to_half_a_minute(
    stage: _Stage,
) -> None:
    stage.resource.pages.extend(SourceError("connection refused") for _ in range(12))
    await stage.play(112.0)
    times = [at for at, _ in stage.resource.asked]
    assert times == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 25.5, 51.1, 81.1, 111.1])
    assert not stage.reflector.synced.is_set()
    await stage.play(30.0)
    assert stage.reflector.synced.is_set()


async def test_a_failure_is_told_when_it_begins_and_when_it_is_another_one(stage: _Stage) -> None:
    refused = [SourceError("not allowed to list nodes") for _ in range(5)]
    stage.resource.pages += [*refused, SourceError("connection refused"), *refused]
    with capture_logs() as logs:
        await stage.play(300.0)
    told = [line.get("reason", "") for line in logs if line["event"] in {"follow_again", "listed"}]
    assert told == [
        "not allowed to list nodes",
        "connection refused",
        "not allowed to list nodes",
        "",
    ]


async def test_a_server_that_came_back_without_its_history_is_listed_at_once(
    stage: _Stage,
) -> None:
    stage.resource.watches += [
        _Watch(lives_seconds=100.0, error=SourceError("broken off")),
        *[SourceError("connection refused")] * 5,
        Expired("too old resource version"),
    ]
    await stage.play(200.0)
    assert stage.resource.asked[-2:] == [(103.3, "list 2 all"), (103.3, "watch 1")]
    assert stage.resource.asked[-3] == (103.2, "watch 1")


async def test_a_good_watch_makes_the_next_failure_a_first_one(stage: _Stage) -> None:
    stage.resource.watches += [
        SourceError("reset"),
        SourceError("reset"),
        _Watch(lives_seconds=100.0, error=SourceError("reset")),
        SourceError("reset"),
    ]
    await stage.play(200.0)
    times = [at for at, what in stage.resource.asked if what.startswith("watch")]
    assert times == pytest.approx([0, 0.1, 0.3, 100.4, 100.5])


@pytest.mark.parametrize(
    "watch",
    [
        _Watch(lives_seconds=0.0),
        _Watch([Bookmark(version="2")], lives_seconds=0.5),
        _Watch(lives_seconds=0.0, error=Expired("gone")),
        SourceError("not found"),
    ],
    ids=["ends at once", "brings something and ends", "always expired", "always refused"],
)
async def test_a_server_that_ends_every_watch_is_not_asked_in_a_tight_loop(
    stage: _Stage, watch: _Watch | SourceError
) -> None:
    stage.resource.watches.extend(watch for _ in range(1000))
    await stage.play(600.0)
    watches = [at for at, what in stage.resource.asked if what.startswith("watch")]
    assert 20 <= len(watches) <= 30
    assert stage.seen.failures == len(watches)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(7.0, 7.0), (0.0, 0.1), (86_400.0, 120.0)],
    ids=["as asked", "at least the backoff", "no longer than two minutes"],
)
async def test_a_server_that_is_too_busy_is_left_alone_as_long_as_it_asks(
    stage: _Stage, asked: float, waited: float
) -> None:
    stage.resource.pages.append(Throttled("too many requests", asked))
    await stage.play(200.0)
    assert [at for at, what in stage.resource.asked if what.startswith("list")] == [0, waited]


async def test_a_resource_that_does_not_exist_any_more_has_no_objects(stage: _Stage) -> None:
    stage.resource.pages += [
        _page(_changed("a", "1")),
        Absent("no such resource"),
        _page(_changed("a", "2")),
    ]
    stage.resource.watches.append(_Watch(lives_seconds=5.0, error=Expired("gone")))
    await stage.play(5.1)
    assert stage.views() == {}
    await stage.play(5.0)
    assert stage.views() == {"a": "2"}


async def test_an_object_that_cannot_be_read_keeps_its_last_view_and_harms_no_other(
    stage: _Stage,
) -> None:
    broken = Unreadable(key=_key("a"), reason="spec.replicas: not a number", version="3")
    stage.resource.pages += [
        _page(_changed("a", "1"), _changed("b", "1")),
        _page(broken, _changed("b", "2")),
    ]
    stage.resource.watches.append(
        _Watch([broken, _changed("b", "1b", "4")], error=Expired("gone"), lives_seconds=5.0)
    )
    await stage.play(1.0)
    assert stage.views() == {"a": "1", "b": "1b"}
    await stage.play(9.0)
    assert stage.views() == {"a": "1", "b": "2"}
    assert ("a", "1", None) not in stage.seen.transitions


async def test_more_objects_than_allowed_are_a_failure_and_leave_the_store_as_it_was(
    stage: _Stage,
) -> None:
    stage.resource.pages.append(_page(*(_changed(str(n), "1") for n in range(6))))
    await stage.play(0.05)
    assert (stage.views(), stage.seen.failures) == ({}, 1)


async def test_a_watch_that_brings_more_than_allowed_ends_in_a_new_list(stage: _Stage) -> None:
    stage.resource.watches.append(_Watch([_changed(str(n), "1") for n in range(6)]))
    await stage.play(1.0)
    assert [what for _, what in stage.resource.asked] == [
        "list 2 all",
        "watch 1",
        "list 2 all",
        "watch 1",
    ]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 290.0), (0.5, 445.0)], ids=["low", "middle"])
async def test_the_length_of_a_watch_is_a_matter_of_chance(
    clock: FakeClock, chance: float, seconds: float
) -> None:
    resource, seen = _Scripted(clock), _Seen()
    reflector = Reflector(
        "pods",
        resource,
        Store[str](),
        seen.note,
        clock=clock,
        chance=lambda: chance,
        observer=seen,
    )
    running = asyncio.create_task(reflector.run())
    await clock.advance(0.0)
    assert (resource.watch_seconds, resource.silence_seconds) == ([seconds], {70.0})
    await ended(running)


async def test_a_defect_is_raised_and_not_taken_for_a_failure_of_the_server(
    clock: FakeClock,
) -> None:
    class Broken(_Scripted):
        async def list(self, *, limit: int, more: str | None) -> Page[str]:
            raise KeyError(limit, more)

    seen = _Seen()
    reflector = Reflector(
        "pods",
        Broken(clock),
        Store[str](),
        seen.note,
        clock=clock,
        chance=lambda: 0.0,
        observer=seen,
    )
    with pytest.raises(KeyError):
        await reflector.run()
