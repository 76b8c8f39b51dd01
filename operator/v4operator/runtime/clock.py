"""Clocks for a running program. Pure code takes `now` as an argument and needs none of these."""

import asyncio
import time


class AcceleratedClock:
    """Time that passes `speed` times as fast as the machine's, from `epoch` on.

    `epoch` is the clock's own time in Unix seconds at `origin`, a value of `time.monotonic()`. The
    monotonic clock is shared by all processes of one machine, so that programs with the same three
    figures agree on the time without talking.
    """

    def __init__(self, epoch: float, origin: float, speed: float) -> None:
        self.epoch = epoch
        self.origin = origin
        self.speed = speed

    def now(self) -> float:
        """Unix seconds on this clock."""
        return self.epoch + (time.monotonic() - self.origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed; 0 or less only yields."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)


class SystemClock(AcceleratedClock):
    """The machine's time, taken once and carried on by the monotonic clock.

    A correction of the wall clock therefore neither ages a sample nor makes it lie in the future.
    """

    def __init__(self) -> None:
        super().__init__(epoch=time.time(), origin=time.monotonic(), speed=1.0)
