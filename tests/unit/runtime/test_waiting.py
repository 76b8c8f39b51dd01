from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from v4operator.runtime.waiting import ended, sleep_or, within

if TYPE_CHECKING:
    from tests.conftest import FakeClock


async def _never(gone: list[str]) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        gone.append("ended")


async def test_work_that_ends_in_time_gives_its_result(clock: FakeClock) -> None:
    async def work() -> int:
        await clock.sleep(2.0)
        return 7

    waiting = asyncio.create_task(within(clock, 3.0, work()))
    await clock.advance(2.0)
    assert waiting.result() == 7


async def test_work_that_fails_raises_its_own_error(clock: FakeClock) -> None:
    async def work() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await within(clock, 3.0, work())


async def test_work_that_takes_too_long_is_ended(clock: FakeClock) -> None:
    gone: list[str] = []
    waiting = asyncio.create_task(within(clock, 3.0, _never(gone)))
    await clock.advance(2.9)
    assert (waiting.done(), gone) == (False, [])
    await clock.advance(0.1)
    assert gone == ["ended"]
    with pytest.raises(TimeoutError):
        waiting.result()


async def test_whoever_is_cancelled_while_waiting_takes_the_work_along(clock: FakeClock) -> None:
    gone: list[str] = []
    waiting = asyncio.create_task(within(clock, 3.0, _never(gone)))
    await clock.advance(1.0)
    await ended(waiting)
    assert gone == ["ended"]


async def test_a_task_that_failed_is_over_and_not_raised_again(clock: FakeClock) -> None:
    async def work() -> None:
        raise KeyError("x")

    task = asyncio.create_task(work())
    await clock.advance(0.0)
    await ended(task)
    assert isinstance(task.exception(), KeyError)


@pytest.mark.parametrize(
    ("seconds", "set_at", "woken_at"),
    [(5.0, 9.0, 5.0), (5.0, 3.0, 3.0), (None, 9.0, 9.0)],
    ids=["time passes", "event comes first", "event alone"],
)
async def test_a_sleeper_wakes_at_the_event_or_at_its_time(
    clock: FakeClock, seconds: float | None, set_at: float, woken_at: float
) -> None:
    event = asyncio.Event()
    start = clock.now()
    woken: list[float] = []

    async def sleeper() -> None:
        await sleep_or(clock, seconds, event)
        woken.append(clock.now() - start)

    task = asyncio.create_task(sleeper())
    await clock.advance(set_at)
    event.set()
    await clock.advance(0.0)
    assert woken == [woken_at]
    await ended(task)
