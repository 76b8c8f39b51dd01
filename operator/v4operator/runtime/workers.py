"""A bounded number of workers that take keys from a queue and reconcile them, one key at a time.

A failure belongs to its key: it is told, the key comes again after its backoff, the others go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Protocol, TypeVar

import structlog

from v4operator.runtime.ports import Clock, SourceError, Throttled
from v4operator.runtime.queue import QueueClosed, WorkQueue
from v4operator.runtime.waiting import ended

log = structlog.get_logger()

K = TypeVar("K", bound=Hashable)

Reconcile = Callable[[K], Awaitable[float | None]]
"""Brings the world in line with what one key wants. It must look at the world anew and do nothing
where all is well. Returns the seconds until it wants to be called again, `None` for "when something
changes". Raises `RetryLater` or `SourceError` where something expected stood in the way."""


class RetryLater(Exception):  # noqa: N818 - an expected outcome
    """The key could not be reconciled just now; the message is the reason."""


class ReconcileObserver(Protocol):
    """Who counts reconciliations. Called within the loop: must be quick and not raise."""

    def observe(self, result: str, seconds: float) -> None:
        """One that ended as `success`, `requeue_after` or `error`."""
        ...


class Workers(Generic[K]):
    """The workers of one queue."""

    def __init__(
        self,
        queue: WorkQueue[K],
        reconcile: Reconcile[K],
        *,
        count: int,
        clock: Clock,
        observer: ReconcileObserver,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._count = count
        self._clock = clock
        self._observer = observer

    async def run(self) -> None:
        """Work until the queue is closed and what is under work is done, or until cancelled."""
        tasks = [
            asyncio.create_task(self._work(), name=f"worker-{number}")
            for number in range(self._count)
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                await ended(task)

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.take()
            except QueueClosed:
                return
            try:
                await self._one(key)
            finally:
                self._queue.done(key)

    async def _one(self, key: K) -> None:
        began = self._clock.now()
        result = await self._outcome(key)
        self._observer.observe(result, self._clock.now() - began)

    async def _outcome(self, key: K) -> str:
        try:
            seconds = await self._reconcile(key)
        except (RetryLater, SourceError) as error:
            asked = error.retry_after_seconds if isinstance(error, Throttled) else 0.0
            pause = self._queue.retry(key, at_least_seconds=asked)
            log.warning("reconcile_later", key=str(key), reason=str(error), seconds=pause)
            return "error"
        except Exception:
            # A defect met by one key is told and must not stop the others.
            log.exception("reconcile_failed", key=str(key), seconds=self._queue.retry(key))
            return "error"
        self._queue.forget(key)
        if seconds is None:
            return "success"
        self._queue.add_after(key, seconds)
        return "requeue_after"
