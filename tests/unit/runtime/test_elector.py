from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from v4operator.runtime.elector import Elector, LeaseLost, LeaseTiming
from v4operator.runtime.ports import (
    Absent,
    Conflict,
    Lease,
    LeaseRecord,
    SourceError,
)
from v4operator.runtime.waiting import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import FakeClock


class _Server:
    """One Lease as an API server keeps it, with the troubles a network has."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.lease: Lease | None = None
        self.refuses = False
        self.hangs = False
        self.loses_answers = 0
        self.is_restless = False
        self.slow_seconds = 0.0
        self.requests: list[str] = []
        self.writes: list[LeaseRecord] = []
        self._count = 0

    async def read(self) -> Lease | None:
        await self._reach("read")
        return self.lease

    async def create(self, record: LeaseRecord) -> Lease:
        await self._reach("create")
        if self.lease is not None:
            raise Conflict("it exists")
        return await self._store(record)

    async def update(self, record: LeaseRecord, version: str) -> Lease:
        await self._reach("update")
        if self.is_restless:
            self.write_as(self.lease.record.holder if self.lease else None)
        if self.lease is None:
            raise Absent("no such lease")
        if self.lease.version != version:
            raise Conflict("somebody wrote in between")
        return await self._store(record)

    def write_as(self, holder: str | None, *, transitions: int = 0) -> None:
        """What another client writes, whatever the troubles."""
        self._put(
            LeaseRecord(
                holder=holder,
                duration_seconds=10,
                acquired_at=0.0,
                renewed_at=0.0,
                transitions=transitions,
            )
        )

    async def _store(self, record: LeaseRecord) -> Lease:
        lease = self._put(record)
        self.writes.append(record)
        if self.loses_answers:
            self.loses_answers -= 1
            await self._clock.sleep(1e9)
        return lease

    def _put(self, record: LeaseRecord) -> Lease:
        self._count += 1
        self.lease = Lease(record=record, version=str(self._count))
        return self.lease

    async def _reach(self, what: str) -> None:
        self.requests.append(what)
        if self.refuses:
            raise SourceError("connection refused")
        if self.hangs:
            await self._clock.sleep(1e9)
        await self._clock.sleep(self.slow_seconds)


class _Operator:
    """A process that competes; its work notes when it began and ended."""

    def __init__(self, name: str, server: _Server, clock: FakeClock) -> None:
        self._clock = clock
        self.told: list[bool] = []
        self.log: list[str] = []
        self.finish = asyncio.Event()
        self.crash: Exception | None = None
        self.holder_at_end: str | None = None
        self._server = server
        self.elector = Elector(server, name, clock=clock, chance=lambda: 0.0, observer=self)
        self.running = asyncio.create_task(self.elector.run(self._work))

    def leading(self, leads: bool) -> None:  # noqa: FBT001 - the port has it so
        self.told.append(leads)

    async def _work(self) -> None:
        self.log.append("began")
        try:
            await self.finish.wait()
            if self.crash is not None:
                raise self.crash
        finally:
            await self._clock.sleep(0.0)  # an end that takes a moment
            self.holder_at_end = self._server.lease.record.holder if self._server.lease else None
            self.log.append("ended")


@pytest.fixture
def server(clock: FakeClock) -> _Server:
    return _Server(clock)


@pytest.fixture
async def first(server: _Server, clock: FakeClock) -> AsyncIterator[_Operator]:
    """An operator that leads."""
    operator = _Operator("one", server, clock)
    await clock.advance(0.0)
    assert operator.elector.is_leading()
    yield operator
    server.hangs = server.refuses = False
    operator.running.cancel()
    await clock.advance(60.0)
    assert operator.running.done()


@pytest.fixture
async def second(first: _Operator, server: _Server, clock: FakeClock) -> AsyncIterator[_Operator]:
    """An operator that waits behind the first."""
    assert first.elector.is_leading()
    operator = _Operator("two", server, clock)
    await clock.advance(0.0)
    assert not operator.elector.is_leading()
    yield operator
    server.hangs = server.refuses = False
    operator.running.cancel()
    await clock.advance(60.0)
    assert operator.running.done()


async def test_the_first_operator_makes_the_lease_and_keeps_it(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    await clock.advance(60.0)
    assert first.elector.is_leading()
    assert first.elector.leader == "one"
    assert (first.told, first.log) == ([True], ["began"])
    records = server.writes
    assert {(r.holder, r.transitions, r.duration_seconds) for r in records} == {("one", 0, 10)}
    assert {r.acquired_at for r in records} == {1_000_000.0}
    assert [r.renewed_at for r in records] == [1_000_000.0 + 2.0 * n for n in range(31)]
    assert server.requests.count("read") == 1


async def test_a_second_operator_waits_as_long_as_the_first_renews(
    clock: FakeClock, first: _Operator, second: _Operator
) -> None:
    await clock.advance(300.0)
    assert (first.elector.is_leading(), second.elector.is_leading()) == (True, False)
    assert (second.log, second.elector.leader) == ([], "one")


async def test_a_lease_that_is_given_back_is_taken_at_the_next_try(
    clock: FakeClock, server: _Server, first: _Operator, second: _Operator
) -> None:
    first.finish.set()
    await clock.advance(0.0)
    assert first.running.result() is None
    assert first.holder_at_end == "one"
    assert (first.elector.is_leading(), first.told) == (False, [True, False])
    await clock.advance(2.0)
    assert second.elector.is_leading()
    assert [(r.holder, r.transitions) for r in server.writes[-2:]] == [(None, 0), ("two", 1)]


async def test_the_lease_of_an_operator_that_died_is_taken_when_it_has_not_moved_for_its_duration(
    clock: FakeClock, server: _Server
) -> None:
    server.write_as("dead", transitions=4)
    operator = _Operator("one", server, clock)
    await clock.advance(9.9)
    assert not operator.elector.is_leading()
    await clock.advance(0.2)
    assert operator.elector.is_leading()
    assert server.writes[0].transitions == 5
    await ended_on(clock, operator)


async def test_a_lease_that_moves_for_any_reason_is_not_taken(
    clock: FakeClock, server: _Server
) -> None:
    operator = _Operator("one", server, clock)
    server.write_as("other")
    for _ in range(10):
        await clock.advance(5.0)
        server.write_as("other")
    assert not operator.elector.is_leading()
    await ended_on(clock, operator)


@pytest.mark.parametrize("trouble", ["refuses", "hangs"])
async def test_a_leader_without_an_api_server_stops_before_another_may_start(
    clock: FakeClock, server: _Server, first: _Operator, second: _Operator, trouble: str
) -> None:
    setattr(server, trouble, True)
    await clock.advance(6.9)
    assert first.elector.is_leading()
    assert not first.running.done()
    await clock.advance(0.1)
    assert not first.elector.is_leading()
    assert (first.log, first.told) == (["began", "ended"], [True, False])
    with pytest.raises(LeaseLost, match="not renewed for 7 s"):
        first.running.result()
    assert not second.elector.is_leading()
    setattr(server, trouble, False)
    await clock.advance(10.0)
    assert second.elector.is_leading()


@pytest.mark.parametrize("trouble", ["refuses", "hangs"])
async def test_a_short_trouble_costs_no_leadership(
    clock: FakeClock, server: _Server, first: _Operator, trouble: str
) -> None:
    await clock.advance(1.0)
    setattr(server, trouble, True)
    await clock.advance(4.5)
    setattr(server, trouble, False)
    await clock.advance(30.0)
    assert first.elector.is_leading()
    assert first.log == ["began"]


async def test_an_answer_that_is_lost_after_the_write_costs_no_leadership(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    await clock.advance(1.0)
    server.loses_answers = 1
    await clock.advance(60.0)
    assert first.elector.is_leading()
    assert {r.transitions for r in server.writes} == {0}


async def test_time_is_counted_from_the_start_of_the_request(
    clock: FakeClock, server: _Server
) -> None:
    server.slow_seconds = 0.9
    operator = _Operator("one", server, clock)
    await clock.advance(1.8)
    assert operator.elector.is_leading()
    server.hangs = True
    await clock.advance(6.0)
    assert operator.elector.is_leading(), "7 s from 0.9 s on, when the write began"
    await clock.advance(0.1)
    assert not operator.elector.is_leading()
    await clock.advance(60.0)
    assert operator.running.done()
    operator.running.exception()


async def test_a_leader_that_was_stopped_finds_out_before_its_next_write(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    clock._now += 11.0  # nothing ran meanwhile: the process was stopped
    server.write_as("two", transitions=1)
    assert not first.elector.is_leading()
    writes = len(server.writes)
    await clock.advance(0.0)
    with pytest.raises(LeaseLost):
        first.running.result()
    assert len(server.writes) == writes
    assert server.lease is not None
    assert server.lease.record.holder == "two"


async def test_a_leader_that_was_stopped_past_its_time_ends_even_if_nobody_took_over(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    clock._now += 8.0
    await clock.advance(0.0)
    with pytest.raises(LeaseLost):
        first.running.result()
    assert len(server.writes) == 1


async def test_a_leader_that_sees_another_in_the_lease_stops_at_once(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    server.write_as("two")
    await clock.advance(2.0)
    assert not first.elector.is_leading()
    with pytest.raises(LeaseLost, match="two holds the lease"):
        first.running.result()


async def test_a_lease_that_somebody_deleted_is_made_again(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    server.lease = None
    await clock.advance(30.0)
    assert first.elector.is_leading()
    assert server.writes[-1].holder == "one"


async def test_a_lease_that_somebody_always_writes_first_is_given_up_in_time(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    server.is_restless = True
    await clock.advance(7.0)
    assert not first.elector.is_leading()
    with pytest.raises(LeaseLost):
        first.running.result()
    assert server.requests.count("update") == 6, "two writes in each of three attempts"


async def test_of_two_that_take_at_once_one_wins(clock: FakeClock, server: _Server) -> None:
    server.slow_seconds = 0.1
    operators = [_Operator(name, server, clock) for name in ("one", "two")]
    await clock.advance(1.0)
    assert [each.elector.is_leading() for each in operators] == [True, False]
    for each in operators:
        await ended_on(clock, each)


async def test_work_that_crashes_gives_the_lease_back_and_raises(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    first.crash = KeyError("defect")
    first.finish.set()
    await clock.advance(0.0)
    with pytest.raises(KeyError, match="defect"):
        first.running.result()
    assert server.writes[-1].holder is None


async def test_an_operator_that_is_cancelled_ends_its_work_before_it_gives_the_lease_back(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    first.running.cancel()
    await clock.advance(0.0)
    assert (first.log, first.holder_at_end) == (["began", "ended"], "one")
    assert server.writes[-1].holder is None


async def test_an_operator_that_is_cancelled_while_it_waits_writes_nothing(
    clock: FakeClock, server: _Server, first: _Operator, second: _Operator
) -> None:
    second.running.cancel()
    await clock.advance(0.0)
    assert second.running.cancelled()
    assert {r.holder for r in server.writes} == {"one"}
    assert first.elector.is_leading()


async def test_a_lease_that_cannot_be_given_back_does_not_hold_up_the_end(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    server.hangs = True
    first.finish.set()
    await clock.advance(2.0)
    assert first.running.result() is None


async def test_a_renewal_cut_off_by_the_end_does_not_keep_the_lease_from_being_given_back(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    server.loses_answers = 1
    await clock.advance(2.5)
    first.finish.set()
    await clock.advance(0.5)
    assert first.running.result() is None
    assert server.writes[-1].holder is None


async def test_the_lease_of_another_is_not_given_back(
    clock: FakeClock, server: _Server, first: _Operator
) -> None:
    server.write_as("two")
    first.finish.set()
    await clock.advance(0.0)
    assert first.running.result() is None
    assert server.lease is not None
    assert server.lease.record.holder == "two"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request": 3.0}, "a request may take 3 s"),
        ({"retry": 5.0}, "a try every 5 s"),
    ],
    ids=["a request outlives the lease", "no second try"],
)
def test_timings_that_do_not_fit_each_other_are_refused(
    change: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LeaseTiming(), **change)  # type: ignore[arg-type]


async def ended_on(clock: FakeClock, operator: _Operator) -> None:
    """End an operator that sleeps on the fake clock."""
    ending = asyncio.create_task(ended(operator.running))
    await clock.advance(60.0)
    assert ending.done()
