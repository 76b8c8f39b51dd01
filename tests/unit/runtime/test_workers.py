from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from v4operator.runtime.ports import SourceError, Throttled
from v4operator.runtime.queue import WorkQueue
from v4operator.runtime.waiting import ended
from v4operator.runtime.workers import RetryLater, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

    from tests.conftest import FakeClock


class _Silent:
    def depth(self, ready: int) -> None: ...
    def added(self) -> None: ...
    def retried(self) -> None: ...
    def started(self, key: Hashable, at: float, waited_seconds: float) -> None: ...
    def finished(self, key: Hashable, worked_seconds: float) -> None: ...


class _Shop:
    """Two workers over a queue; each key takes a second and then ends as it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._start = clock.now()
        self.endings: dict[str, float | Exception] = {}
        self.runs: list[tuple[float, str]] = []
        self.results: list[tuple[str, float]] = []
        self.busy: Counter[str] = Counter()
        self.most_busy = 0
        self.queue: WorkQueue[str] = WorkQueue(clock=clock, chance=lambda: 0.0, observer=_Silent())
        self.workers = Workers(self.queue, self._reconcile, count=2, clock=clock, observer=self)

    def observe(self, result: str, seconds: float) -> None:
        self.results.append((result, seconds))

    async def _reconcile(self, key: str) -> float | None:
        self.runs.append((round(self._clock.now() - self._start, 3), key))
        self.busy[key] += 1
        assert self.busy[key] == 1, "never twice at once"
        self.most_busy = max(self.most_busy, self.busy.total())
        try:
            await self._clock.sleep(1.0)
        finally:
            self.busy[key] -= 1
        ending = self.endings.get(key)
        if isinstance(ending, Exception):
            raise ending
        return ending


@pytest.fixture
async def shop(clock: FakeClock) -> AsyncIterator[_Shop]:
    made = _Shop(clock)
    tasks = [asyncio.create_task(made.queue.run()), asyncio.create_task(made.workers.run())]
    yield made
    for task in tasks:
        await ended(task)


async def test_no_more_keys_are_worked_on_than_there_are_workers(
    clock: FakeClock, shop: _Shop
) -> None:
    for key in "abcde":
        shop.queue.add(key)
    await clock.advance(10.0)
    assert shop.runs == [(0, "a"), (0, "b"), (1, "c"), (1, "d"), (2, "e")]
    assert shop.most_busy == 2
    assert shop.results == [("success", 1.0)] * 5


async def test_a_key_added_again_and_again_is_worked_on_alone_and_as_often_as_needed(
    clock: FakeClock, shop: _Shop
) -> None:
    for _ in range(3):
        shop.queue.add("a")
        await clock.advance(0.25)
    await clock.advance(10.0)
    assert shop.runs == [(0, "a"), (1, "a")]


async def test_a_key_comes_again_when_it_asks_for_it(clock: FakeClock, shop: _Shop) -> None:
    shop.endings["a"] = 15.0
    shop.queue.add("a")
    await clock.advance(33.0)
    assert shop.runs == [(0, "a"), (16, "a"), (32, "a")]
    assert {result for result, _ in shop.results} == {"requeue_after"}


@pytest.mark.parametrize(
    ("error", "second_run"),
    [
        (KeyError("a defect"), 1.2),
        (RetryLater("the workload could not be read"), 1.2),
        (SourceError("connection refused"), 1.2),
        (Throttled("busy", 7.0), 8.0),
    ],
    ids=["defect", "expected", "the other side failed", "the other side is busy"],
)
async def test_a_failure_brings_the_key_back_later_and_harms_no_other(
    clock: FakeClock, shop: _Shop, error: Exception, second_run: float
) -> None:
    shop.endings["a"] = error
    shop.queue.add("a")
    shop.queue.add("b")
    await clock.advance(second_run)
    assert shop.runs == [(0, "a"), (0, "b"), (second_run, "a")]
    assert [result for result, _ in shop.results] == ["error", "success"]


async def test_a_key_that_goes_on_failing_is_not_tried_in_a_tight_loop(
    clock: FakeClock, shop: _Shop
) -> None:
    shop.endings["a"] = RetryLater("no")
    shop.queue.add("a")
    await clock.advance(3600.0)
    assert 60 <= len(shop.runs) <= 70


async def test_closing_the_queue_lets_what_is_under_work_end_and_nothing_begin(
    clock: FakeClock, shop: _Shop
) -> None:
    for key in "abc":
        shop.queue.add(key)
    await clock.advance(0.5)
    shop.queue.close()
    await clock.advance(5.0)
    assert shop.runs == [(0, "a"), (0, "b")]
    assert shop.results == [("success", 1.0)] * 2


async def test_workers_that_are_cancelled_leave_nothing_running(clock: FakeClock) -> None:
    shop = _Shop(clock)
    working = asyncio.create_task(shop.workers.run())
    shop.queue.add("a")
    await clock.advance(0.5)
    assert shop.busy.total() == 1
    await ended(working)
    assert (shop.busy.total(), shop.results) == (0, [])


async def test_a_defect_in_the_counting_ends_the_workers_loudly(clock: FakeClock) -> None:
    shop = _Shop(clock)

    def broken(result: str, seconds: float) -> None:
        raise ZeroDivisionError(result, seconds)

    shop.workers._observer.observe = broken  # type: ignore[method-assign]
    working = asyncio.create_task(shop.workers.run())
    shop.queue.add("a")
    await clock.advance(2.0)
    with pytest.raises(ZeroDivisionError):
        working.result()
