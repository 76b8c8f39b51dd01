"""Lease election: of several operators one works, and one that was stopped knows that it is late.

Nobody's wall clock is compared with anybody else's. A candidate measures on its own clock how long
the Lease has looked the same; a leader counts its time from the *start* of the last request that
renewed it, which no candidate can have seen earlier. So a leader steps down before another may
start, by the difference of the two limits below, as long as both clocks run at about one speed.

Election alone does not fence a write that is already under way: writes must carry the version of
what they were decided on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from v4operator.runtime.ports import (
    Absent,
    Clock,
    Conflict,
    Lease,
    LeaseClient,
    LeaseRecord,
    SourceError,
)
from v4operator.runtime.waiting import ended, within

log = structlog.get_logger()

_RELEASED_SECONDS = 1
"""Duration in a released Lease: the least that the API allows, as client-go does."""


_WRITES = 2
"""Writes in one attempt: the first may meet what an earlier one left whose answer was lost."""


class LeaseLost(Exception):  # noqa: N818 - a state of the world, named as such
    """This process led and does not any more; the message says why. It should end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """Seconds; checked against each other when made.

    Raises:
        ValueError: a request could outlive the lease, or there is no time for a second try.
    """

    # A failover within some 12 s is below one start-up of an engine; a longer one gains nothing.
    lease: int = 10
    # After that long without a renewal the leader stops: two tries that hang fit in, or three
    # that fail at once.
    renew_deadline: float = 7.0
    retry: float = 2.0
    # A request begun at the deadline is over before the lease is.
    request: float = 2.0

    def __post_init__(self) -> None:
        if not self.request < self.lease - self.renew_deadline:
            raise ValueError(
                f"a request may take {self.request:g} s, but the lease outlives the renew "
                f"deadline by {self.lease - self.renew_deadline:g} s only"
            )
        if not self.retry + self.request < self.renew_deadline:
            raise ValueError(
                f"a try every {self.retry:g} s of {self.request:g} s leaves no second one within "
                f"{self.renew_deadline:g} s"
            )


class ElectorObserver(Protocol):
    """Who is told of leadership. Called within the loop: must be quick and not raise."""

    def leading(self, leads: bool) -> None:  # noqa: FBT001 - the one thing that is told
        """This process leads from now on, or does not any more."""
        ...


class Elector:
    """Competes for one Lease under `identity`, which no other process may ever have."""

    def __init__(
        self,
        lease: LeaseClient,
        identity: str,
        *,
        clock: Clock,
        chance: Callable[[], float],
        observer: ElectorObserver,
        timing: LeaseTiming | None = None,
    ) -> None:
        self.identity = identity
        self._lease = lease
        self._clock = clock
        self._chance = chance
        self._observer = observer
        self._timing = timing or LeaseTiming()
        self._seen: Lease | None = None
        self._seen_at = float("-inf")
        self._leads_until = float("-inf")

    def is_leading(self) -> bool:
        """Whether this process leads at this very moment, by the clock. Ask before every write."""
        return self._clock.now() < self._leads_until

    @property
    def leader(self) -> str | None:
        """Who held the Lease when it was last seen, maybe this process; `None` for nobody."""
        return self._seen.record.holder if self._seen else None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait to lead, do `work` while leading, give the Lease back when it is over.

        Cancelling this, a crash of the work and the loss of the Lease each end all of it.

        Raises:
            LeaseLost: another holds the Lease, or it could not be renewed in time.
            Exception: whatever `work` raises.
        """
        await self._acquire()
        self._observer.leading(True)
        log.info("leading", identity=self.identity)
        working = asyncio.create_task(_awaited(work), name="leading")
        renewing = asyncio.create_task(self._renew_until_lost(), name="lease-renewal")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The Lease is renewed until the work is over, and given back only then.
            await ended(working)
            await ended(renewing)
            self._observer.leading(False)
            await self._release()
        if not working.cancelled():
            working.result()
        if not renewing.cancelled():
            raise LeaseLost(renewing.result())

    async def _acquire(self) -> None:
        while not await self._try():
            # A little later each, so that candidates do not ask all at once.
            await self._clock.sleep(self._timing.retry * (1.0 + self._chance() / 5.0))

    async def _renew_until_lost(self) -> str:
        """Renew until that is no longer possible; returns why."""
        while self.is_leading():
            await self._clock.sleep(min(self._timing.retry, self._left()))
            # Whoever was stopped past the deadline is late, even if nobody took over meanwhile.
            if self.is_leading() and not await self._try() and self._is_held_by_another():
                self._leads_until = float("-inf")
                return f"{self.leader} holds the lease"
        return f"not renewed for {self._timing.renew_deadline:g} s"

    async def _try(self) -> bool:
        """One attempt to get or keep the Lease, bounded in time. Any failure is just a failure."""
        limit = self._timing.request
        if self.is_leading():
            limit = min(limit, self._left())
        try:
            return await within(self._clock, limit, self._get_or_keep())
        except TimeoutError:
            reason = f"no answer within {limit:g} s"
        except SourceError as error:
            reason = str(error)
        log.warning("lease_attempt_failed", identity=self.identity, reason=reason)
        return False

    async def _get_or_keep(self) -> bool:
        if not self.is_leading():
            self._see(await self._lease.read())
        for _ in range(_WRITES):
            if self._is_taken():
                return False
            began = self._clock.now()
            try:
                self._see(await self._write(self._claim()))
            except (Conflict, Absent):
                self._see(await self._lease.read())
            else:
                self._leads_until = began + self._timing.renew_deadline
                return True
        return False

    async def _write(self, record: LeaseRecord) -> Lease:
        if self._seen is None:
            return await self._lease.create(record)
        return await self._lease.update(record, self._seen.version)

    def _claim(self) -> LeaseRecord:
        """The record that says that this process holds the Lease."""
        now = self._clock.now()
        claim = LeaseRecord(
            holder=self.identity,
            duration_seconds=self._timing.lease,
            acquired_at=now,
            renewed_at=now,
            transitions=0,
        )
        if self._seen is None:
            return claim
        before = self._seen.record
        if before.holder == self.identity:
            return replace(claim, acquired_at=before.acquired_at, transitions=before.transitions)
        return replace(claim, transitions=before.transitions + 1)

    async def _release(self) -> None:
        """Give the Lease back, so that the next one need not wait. Nothing depends on it."""
        if not self.is_leading():
            return
        # No one is to see this process lead once the request is under way.
        self._leads_until = float("-inf")
        try:
            await within(self._clock, self._timing.request, self._give_back())
        except (SourceError, TimeoutError) as error:
            log.warning("lease_not_released", identity=self.identity, reason=repr(error))
        else:
            log.info("lease_released", identity=self.identity)

    async def _give_back(self) -> None:
        """Read first: a renewal that was cut off may have been written all the same."""
        lease = await self._lease.read()
        if lease is None or lease.record.holder != self.identity:
            return
        record = replace(
            lease.record,
            holder=None,
            duration_seconds=_RELEASED_SECONDS,
            renewed_at=self._clock.now(),
        )
        self._see(await self._lease.update(record, lease.version))

    def _see(self, lease: Lease | None) -> None:
        """Note the Lease, and the time if it is not the one already known."""
        if lease is None or self._seen is None or lease.version != self._seen.version:
            self._seen_at = self._clock.now()
        self._seen = lease

    def _is_held_by_another(self) -> bool:
        return self.leader not in {None, self.identity}

    def _is_taken(self) -> bool:
        """Whether another holds the Lease and it has moved within the time it says it lasts."""
        if self._seen is None or not self._is_held_by_another():
            return False
        return self._clock.now() < self._seen_at + self._seen.record.duration_seconds

    def _left(self) -> float:
        """Seconds of leadership that are left."""
        return self._leads_until - self._clock.now()


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
