from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from v4operator.runtime.queue import Agenda, QueueClosed, WorkQueue
from v4operator.runtime.waiting import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

    from tests.conftest import FakeClock


class _Seen:
    """What the observer was told."""

    def __init__(self) -> None:
        self.depths: list[int] = []
        self.adds = 0
        self.retries = 0
        self.waited: list[float] = []
        self.worked: list[float] = []

    def depth(self, ready: int) -> None:
        self.depths.append(ready)

    def added(self) -> None:
        self.adds += 1

    def retried(self) -> None:
        self.retries += 1

    def started(self, key: Hashable, at: float, waited_seconds: float) -> None:
        del key, at
        self.waited.append(waited_seconds)

    def finished(self, key: Hashable, worked_seconds: float) -> None:
        del key
        self.worked.append(worked_seconds)


@pytest.fixture
def seen() -> _Seen:
    return _Seen()


@pytest.fixture
async def queue(clock: FakeClock, seen: _Seen) -> AsyncIterator[WorkQueue[str]]:
    """A queue whose delays are served, without chance."""
    made: WorkQueue[str] = WorkQueue(clock=clock, chance=lambda: 0.0, observer=seen)
    timer = asyncio.create_task(made.run())
    yield made
    await ended(timer)


async def _taken(queue: WorkQueue[str], clock: FakeClock) -> str | None:
    """The next key, or `None` if a worker would have to wait."""
    taking = asyncio.create_task(queue.take())
    await clock.advance(0.0)
    if taking.done():
        return taking.result()
    await ended(taking)
    return None


def test_ready_keys_come_first_come_first_served() -> None:
    agenda: Agenda[str] = Agenda()
    assert [agenda.add(key, now) for now, key in enumerate("abca")] == [True, True, True, False]
    assert len(agenda) == 3
    assert [agenda.take() for _ in range(4)] == [("a", 0), ("b", 1), ("c", 2), None]


def test_a_key_added_under_work_comes_again_afterwards_and_once() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.add("a", 0.0)
    agenda.take()
    assert [agenda.add("a", 1.0), agenda.add("a", 2.0)] == [True, False]
    assert agenda.take() is None
    agenda.done("a", 3.0)
    assert agenda.take() == ("a", 3.0)


@pytest.mark.parametrize(
    ("deadlines", "served_at"),
    [([5.0, 3.0], [3.0]), ([3.0, 5.0], [3.0]), ([3.0, 3.0], [3.0])],
    ids=["later one first", "earlier one first", "the same twice"],
)
def test_of_several_deadlines_the_earliest_counts_and_only_it(
    deadlines: list[float], served_at: list[float]
) -> None:
    agenda: Agenda[str] = Agenda()
    for deadline in deadlines:
        agenda.add_at("a", deadline)
    served = [now for now in (1.0, 3.0, 5.0, 7.0) if agenda.promote(now)]
    assert served == served_at
    assert agenda.next_deadline is None


def test_a_deadline_stays_where_the_key_is_added_before_it() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.add_at("a", 5.0)
    agenda.add("a", 1.0)
    agenda.take()
    agenda.done("a", 2.0)
    assert agenda.next_deadline == 5.0
    assert agenda.promote(5.0) == ("a",)


def test_a_key_that_is_due_and_ready_already_is_promoted_but_not_twice_ready() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.add("a", 0.0)
    agenda.add_at("a", 1.0)
    assert agenda.promote(1.0) == ()
    assert len(agenda) == 1


async def test_a_worker_that_waits_gets_the_key_that_comes(
    clock: FakeClock, queue: WorkQueue[str]
) -> None:
    taking = asyncio.create_task(queue.take())
    await clock.advance(1.0)
    assert not taking.done()
    queue.add("a")
    await clock.advance(0.0)
    assert taking.result() == "a"


async def test_a_worker_cancelled_while_it_waits_takes_no_key_along(
    clock: FakeClock, queue: WorkQueue[str]
) -> None:
    taking = asyncio.create_task(queue.take())
    await clock.advance(0.0)
    queue.add("a")
    await ended(taking)
    assert await _taken(queue, clock) == "a"


async def test_a_delayed_key_comes_at_its_time(clock: FakeClock, queue: WorkQueue[str]) -> None:
    queue.add_after("late", 9.0)
    queue.add_after("early", 4.0)
    queue.add_after("now", 0.0)
    order: list[tuple[float, str | None]] = []
    for seconds in (0.0, 3.9, 0.1, 4.9, 0.1):
        await clock.advance(seconds)
        order.append((seconds, await _taken(queue, clock)))
    assert order == [(0.0, "now"), (3.9, None), (0.1, "early"), (4.9, None), (0.1, "late")]


async def test_a_failing_key_comes_back_later_each_time_until_it_is_forgotten(
    clock: FakeClock, queue: WorkQueue[str], seen: _Seen
) -> None:
    pauses = []
    for forget in (False, False, True, False):
        pauses.append(queue.retry("a"))
        if forget:
            queue.forget("a")
        await clock.advance(60.0)
        assert await _taken(queue, clock) == "a"
        queue.done("a")
    assert pauses == [pytest.approx(0.2), pytest.approx(0.4), pytest.approx(0.8), 0.2]
    assert seen.retries == 4


async def test_a_failing_key_waits_as_long_as_the_other_side_asks(queue: WorkQueue[str]) -> None:
    assert queue.retry("a", at_least_seconds=7.0) == 7.0


async def test_a_closed_queue_takes_nothing_in_and_gives_nothing_out(
    clock: FakeClock, queue: WorkQueue[str], seen: _Seen
) -> None:
    queue.add("under work")
    assert await _taken(queue, clock) == "under work"
    queue.add("waiting")
    queue.close()
    queue.add("new")
    queue.add_after("delayed", 1.0)
    queue.done("under work")
    with pytest.raises(QueueClosed):
        await queue.take()
    assert seen.depths[-1] == 0


async def test_closing_ends_a_worker_that_waits(clock: FakeClock, queue: WorkQueue[str]) -> None:
    taking = asyncio.create_task(queue.take())
    await clock.advance(0.0)
    queue.close()
    await clock.advance(0.0)
    with pytest.raises(QueueClosed):
        taking.result()


async def test_the_observer_is_told_of_depth_waiting_and_work(
    clock: FakeClock, queue: WorkQueue[str], seen: _Seen
) -> None:
    queue.add("a")
    queue.add("b")
    queue.add("a")
    await clock.advance(3.0)
    assert await _taken(queue, clock) == "a"
    await clock.advance(2.0)
    queue.add_after("c", 1.0)
    await clock.advance(1.0)
    queue.done("a")
    assert seen.adds == 3
    assert seen.waited == [3.0]
    assert seen.worked == [3.0]
    assert [seen.depths[0], max(seen.depths), seen.depths[-1]] == [0, 2, 2]
