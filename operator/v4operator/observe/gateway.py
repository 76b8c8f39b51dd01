"""Asks, on its own clock, what waits at the gateway in front of each deployment's replicas.

It knows expressions and their last answers. What they are asked of is the source's matter, what
follows from a queue that of the estimate.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from v4operator.model.deployment import GatewayQueries, Key
from v4operator.model.hbm import Finding
from v4operator.model.observation import GatewayObservation
from v4operator.observe.gather import FRESH_INTERVALS, RECENT_SECONDS
from v4operator.observe.ports import Clock, FigureSource

_DEADLINE_SECONDS = 10.0
"""Real seconds after which an answer is given up even if the source forgot its own limit, which is
at most nine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is known of the gateway; `gateway` is `None` where there is none, or it is not told."""

    gateway: GatewayObservation | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Count:
    """One expression, its last good answer, and why the newest attempt gave none."""

    expression: str
    value: float | None = None
    at: float = -inf
    failure: str | None = None

    def record(self, answer: float | str, now: float) -> None:
        if isinstance(answer, str):
            self.failure = answer
        else:
            self.value, self.at, self.failure = answer, now, None

    def known(self, since: float) -> float | None:
        """The last good answer, unless it is older."""
        return self.value if self.at >= since else None

    def unknown(self, since: float) -> str | None:
        """Why there is none; before the first answer there is nothing to tell."""
        return self.failure if self.known(since) is None else None


@dataclass(slots=True, kw_only=True)
class _Watched:
    """A deployment's expressions, how often they are asked, and by which task."""

    queries: GatewayQueries
    interval_seconds: float
    waiting: _Count
    lost: _Count | None
    task: asyncio.Task[None] = field(init=False)

    @property
    def counts(self) -> tuple[_Count, ...]:
        return (self.waiting,) if self.lost is None else (self.waiting, self.lost)


class GatewayWatch:
    """Keeps the gateway's counts of each deployment that names them."""

    def __init__(self, source: FigureSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._watched: dict[Key, _Watched] = {}

    def watch(self, key: Key, queries: GatewayQueries | None, interval_seconds: float) -> None:
        """Ask exactly these from now on, or nothing. Call within the loop."""
        old = self._watched.get(key)
        if old is not None and (old.queries, old.interval_seconds) == (queries, interval_seconds):
            return
        if old is not None:
            self._watched.pop(key).task.cancel()
        if queries is not None:
            self._watched[key] = self._begin(key, queries, interval_seconds)

    def seen(self, key: Key) -> Outside:
        """The counts as they were last told, while they are fresh, and what could not be told.

        An answer counts for three intervals, as a replica's reading does, and for at least the
        minute that the replicas' own queues are means of: a fleet is not to grow by its reserve
        because a query has failed.
        """
        watched = self._watched.get(key)
        if watched is None:
            return Outside()
        fresh_seconds = max(RECENT_SECONDS, FRESH_INTERVALS * watched.interval_seconds)
        since = self._clock.now() - fresh_seconds
        return Outside(gateway=_observed(watched, since), findings=tuple(_findings(watched, since)))

    async def aclose(self) -> None:
        """Ask no more, and wait until every task has ended."""
        tasks = [watched.task for watched in self._watched.values()]
        self._watched.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: Key, queries: GatewayQueries, interval_seconds: float) -> _Watched:
        watched = _Watched(
            queries=queries,
            interval_seconds=interval_seconds,
            waiting=_Count(expression=queries.waiting),
            lost=None if queries.lost is None else _Count(expression=queries.lost),
        )
        watched.task = asyncio.create_task(self._poll(watched), name=f"gateway {key}")
        return watched

    async def _poll(self, watched: _Watched) -> None:
        """Ask at once, then once an interval."""
        while True:
            began = self._clock.now()
            server = watched.queries.server
            await asyncio.gather(*(self._ask(server, count) for count in watched.counts))
            due = began + watched.interval_seconds
            await self._clock.sleep(max(0.0, due - self._clock.now()))

    async def _ask(self, server: str, count: _Count) -> None:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await self._source.figure(server, count.expression)
        except TimeoutError:
            answer = f"no answer within {_DEADLINE_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 - whatever went wrong, asking goes on
            answer = f"query failed: {type(error).__name__}: {error}"
        count.record(answer, self._clock.now())


def _observed(watched: _Watched, since: float) -> GatewayObservation | None:
    waiting = watched.waiting.known(since)
    if waiting is None:
        return None
    lost = None if watched.lost is None else watched.lost.known(since)
    return GatewayObservation(waiting_requests=waiting, lost_total=lost)


def _findings(watched: _Watched, since: float) -> Iterator[Finding]:
    queue = watched.waiting.unknown(since)
    loss = None if watched.lost is None else watched.lost.unknown(since)
    if queue is not None:
        yield Finding(
            reason="GatewayQueueUnknown",
            message="spec.demand.query does not tell what waits at the gateway:"
            f" {queue}; the count is sized as without a gateway",
            hint="make it give one count while the gateway is up, and none where nothing is known",
        )
    if loss is not None:
        yield Finding(
            reason="GatewayLossUnknown",
            message="spec.demand.lostQuery does not tell what was lost at the gateway:"
            f" {loss}; requests that were lost are missing in the demand",
            hint="make it give one counter, summed over the gateway's replicas",
        )
