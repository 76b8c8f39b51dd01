"""A loop in a thread of its own, beside a test that waits for what the API server says."""

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """Runs `work` from `start` until `stop`; what it meets belongs to the test, which stops it."""

    def __init__(self, name: str) -> None:
        self._error: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    @abstractmethod
    async def work(self) -> None:
        """What is done, until `self._stopping` is set."""

    def start(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, and wait for it.

        Raises:
            BaseException: what the thread met.
        """
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self.work())
        except BaseException as error:  # noqa: BLE001 - it belongs to the test, which asks at the end
            self._error = error
