"""Tells whether the event loop still turns, to a thread that asks from outside of it."""

import asyncio
import time

_BEAT_SECONDS = 1.0
"""Fine enough against a liveness limit of tens of seconds, and nothing in cost."""


class Heartbeat:
    """The time at which the event loop last ran this; safe to read from any thread."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """Note that the loop turns."""
        self._last = time.monotonic()

    def age_seconds(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(_BEAT_SECONDS)
