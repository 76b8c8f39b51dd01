"""Puts the parts together: followed resources make keys, workers reconcile them while leading.

Every replica follows, so that a new leader starts with what it needs to know; only the leader
works. On stopping it says so at once (not ready), takes in nothing more, lets what is under work
end, and only then gives the Lease back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from v4operator.runtime.elector import Elector
from v4operator.runtime.ports import Clock, Resource
from v4operator.runtime.queue import QueueObserver, WorkQueue
from v4operator.runtime.reflector import Reflector, ReflectorLimits, ReflectorObserver
from v4operator.runtime.store import Store, Transition
from v4operator.runtime.waiting import ended, within
from v4operator.runtime.workers import Reconcile, ReconcileObserver, Workers

log = structlog.get_logger()

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_DRAIN_SECONDS = 10.0
"""What is under work at the end may take that long: a reconcile is some requests of a second each,
and the grace period of a pod is 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observers:
    """Who counts, for every part; `reflector` makes one for the resource of that name."""

    queue: QueueObserver
    reconciles: ReconcileObserver
    reflector: Callable[[str], ReflectorObserver]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source(Generic[K]):
    """A followed resource, and which keys its whole store stands for."""

    reflector: Reflector[Any]
    all_keys: Callable[[], Iterable[K]]
    required: bool


class Controller(Generic[K]):
    """One kind of work on keys. Call `follow` for each resource, then `run` once."""

    def __init__(
        self,
        reconcile: Reconcile[K],
        elector: Elector,
        *,
        workers: int,
        clock: Clock,
        chance: Callable[[], float],
        observers: Observers,
        beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`beside` runs for as long as this process leads, whatever keys there are.

        `settle` is called when a leader stops, its work done and the Lease still held.
        """
        self._reconcile = reconcile
        self._elector = elector
        self._worker_count = workers
        self._clock = clock
        self._chance = chance
        self._observers = observers
        self._beside = beside
        self._settle = settle
        self._sources: list[_Source[K]] = []
        self._queue: WorkQueue[K] | None = None
        self._stopping = False

    def follow(
        self,
        name: str,
        resource: Resource[V],
        store: Store[V],
        keys_of: Callable[[Transition[V]], Iterable[K]],
        limits: ReflectorLimits | None = None,
        *,
        required: bool = True,
    ) -> Callable[[], str | None]:
        """Keep `store` equal to `resource`; a transition concerns the keys that `keys_of` names.

        `keys_of` is pure, quick and does not raise. Work does not wait for a resource that is not
        `required`; what is returned tells why it has not been listed yet, or `None`.
        """

        def tell(transition: Transition[V]) -> None:
            for key in keys_of(transition):
                self.enqueue(key)

        def all_keys() -> Iterable[K]:
            for key, view in store:
                yield from keys_of(Transition(key=key, before=None, after=view))

        reflector = Reflector(
            name,
            resource,
            store,
            tell,
            clock=self._clock,
            chance=self._chance,
            observer=self._observers.reflector(name),
            limits=limits,
        )
        self._sources.append(_Source(reflector=reflector, all_keys=all_keys, required=required))
        return lambda: reflector.missing

    def enqueue(self, key: K) -> None:
        """Have a key reconciled soon; whoever does not lead lets it pass."""
        if self._queue is not None:
            self._queue.add(key)

    def not_ready(self) -> str | None:
        """Why this replica is not ready, for /readyz; a follower is ready when it knows all."""
        if self._stopping:
            return "stopping"
        missing = self._not_listed()
        return f"not yet listed: {', '.join(missing)}" if missing else None

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow, compete and work until `stopping`; then end in order.

        Raises:
            ExceptionGroup: of `LeaseLost`, or of a defect in one of the parts. The process should
                end with a failure.
        """
        async with asyncio.TaskGroup() as parts:
            following = [
                parts.create_task(source.reflector.run(), name=f"follow-{source.reflector.name}")
                for source in self._sources
            ]
            competing = parts.create_task(
                self._elector.run(lambda: self._lead(stopping)), name="elector"
            )
            stop = parts.create_task(stopping.wait(), name="stopping")
            await asyncio.wait({competing, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping = True
            if self._queue is None:
                competing.cancel()  # it does not lead, so there is nothing to end in order
            await asyncio.wait({competing})
            for task in (*following, stop):
                task.cancel()

    def _not_listed(self) -> tuple[str, ...]:
        reflectors = [source.reflector for source in self._sources if source.required]
        return tuple(each.name for each in reflectors if not each.synced.is_set())

    async def _lead(self, stopping: asyncio.Event) -> None:
        queue: WorkQueue[K] = WorkQueue(
            clock=self._clock, chance=self._chance, observer=self._observers.queue
        )
        self._queue = queue
        timer = asyncio.create_task(queue.run(), name="queue-timer")
        working = asyncio.create_task(self._work(queue), name="workers")
        beside = [asyncio.create_task(self._beside(), name="beside")] if self._beside else []
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({timer, working, stop, *beside}, return_when=asyncio.FIRST_COMPLETED)
            queue.close()
            if not self._not_listed():  # else the workers have not begun
                await self._drain(working)
        finally:
            for task in (stop, working, timer, *beside):
                await ended(task)
        for task in (timer, working, *beside):
            if not task.cancelled():
                task.result()

    async def _work(self, queue: WorkQueue[K]) -> None:
        """Begin with everything there is, once everything is known."""
        for source in self._sources:
            if source.required:
                await source.reflector.synced.wait()
        for source in self._sources:
            for key in source.all_keys():
                queue.add(key)
        workers = Workers(
            queue,
            self._reconcile,
            count=self._worker_count,
            clock=self._clock,
            observer=self._observers.reconciles,
        )
        await workers.run()

    async def _drain(self, working: "asyncio.Task[None]") -> None:
        try:
            await within(self._clock, _DRAIN_SECONDS, self._end(working))
        except TimeoutError:
            log.warning("drain_cut_off", seconds=_DRAIN_SECONDS)

    async def _end(self, working: "asyncio.Task[None]") -> None:
        await asyncio.wait({working})
        if self._settle is not None:
            await self._settle()
