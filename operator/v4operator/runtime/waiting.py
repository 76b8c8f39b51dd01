"""Waiting for one of two things on a clock of our own. asyncio's timeouts know only the machine's.

Whatever is started here is over when the call returns, however it returns.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from v4operator.runtime.ports import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, if it does so in time.

    Raises:
        TimeoutError: it did not, and has been cancelled.
        Exception: whatever `work` raises.
    """
    working = asyncio.create_task(work)
    sleeping = asyncio.create_task(clock.sleep(seconds))
    try:
        await asyncio.wait({working, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise TimeoutError
    finally:
        await ended(sleeping)
        await ended(working)


async def sleep_or(clock: Clock, seconds: float | None, event: asyncio.Event) -> None:
    """Wait until `event` is set, at most `seconds`; `None` waits for the event alone."""
    if seconds is None:
        await event.wait()
        return
    waits = [asyncio.create_task(clock.sleep(seconds)), asyncio.create_task(event.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            await ended(wait)


async def ended(task: "asyncio.Task[Any]") -> None:
    """Cancel `task` if it still runs and wait until it is over; its outcome stays with it.

    A coroutine that has not begun is ended all the same. The caller asks the task how it ended.
    """
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # asked for, or asyncio would log it as forgotten
