"""Operators that compete for one Lease while processes stop and the network fails."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import FakeClock

from v4operator.runtime.elector import Elector, LeaseLost, LeaseTiming
from v4operator.runtime.ports import Conflict, Lease, LeaseRecord, SourceError

_OPERATORS = 3
_STEP_SECONDS = 0.5
_STEPS = (1, 3, 8, 16, 30)
"""How long a move is left to work: from less than a try to more than a lease."""

_NEAR_SECONDS, _FAR_SECONDS = 0.3, 0.9
"""One way to the server: near, a request is often under way; far, it just fits its time."""

_MOVES = ("stop", "go on", "cut off", "connect", "slow down", "speed up", "lose an answer")


class _Server:
    """The Lease that all of them see."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.holders: list[tuple[str | None, int]] = []

    def write(self, record: LeaseRecord, version: str | None) -> Lease:
        if (self.lease.version if self.lease else None) != version:
            raise Conflict("somebody wrote in between")
        self.lease = Lease(record=record, version=str(len(self.holders)))
        self.holders.append((record.holder, record.transitions))
        return self.lease


class _Process:
    """A machine of its own: it can be stopped and cut off, and time passes all the same."""

    def __init__(self, clock: FakeClock, server: _Server) -> None:
        self._clock = clock
        self._server = server
        self.runs = asyncio.Event()
        self.runs.set()
        self.is_cut_off = False
        self.loses_answers = 0
        self.seconds_away = _NEAR_SECONDS

    def now(self) -> float:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self.runs.wait()

    async def read(self) -> Lease | None:
        await self._travel()
        lease = self._server.lease
        await self._return()
        return lease

    async def create(self, record: LeaseRecord) -> Lease:
        return await self._write(record, None)

    async def update(self, record: LeaseRecord, version: str) -> Lease:
        return await self._write(record, version)

    async def _write(self, record: LeaseRecord, version: str | None) -> Lease:
        await self._travel()
        lease = self._server.write(record, version)
        await self._return()
        return lease

    async def _travel(self) -> None:
        """A request that is on its way arrives even if its sender is stopped meanwhile."""
        if self.is_cut_off:
            raise SourceError("connection refused")
        await self._clock.sleep(self.seconds_away)

    async def _return(self) -> None:
        if self.loses_answers:
            self.loses_answers -= 1
            await self._clock.sleep(1e9)
        await self._clock.sleep(self.seconds_away)
        await self.runs.wait()

    def move(self, move: str) -> None:
        match move:
            case "stop":
                self.runs.clear()
            case "go on":
                self.runs.set()
            case "cut off" | "connect":
                self.is_cut_off = move == "cut off"
            case "slow down" | "speed up":
                self.seconds_away = _FAR_SECONDS if move == "slow down" else _NEAR_SECONDS
            case _:
                self.loses_answers += 1


class _Operator:
    """A process that competes, and starts anew after it lost."""

    def __init__(
        self, name: str, chance: float, clock: FakeClock, server: _Server, fleet: list[_Operator]
    ) -> None:
        fleet.append(self)
        self._fleet = fleet
        self.led_beside_another = False
        self.process = _Process(clock, server)
        self._name = name
        self._chance = chance
        self._lives = 0
        self.begin()

    def begin(self) -> None:
        self._lives += 1
        self.elector = Elector(
            self.process,
            f"{self._name}-{self._lives}",
            clock=self.process,
            chance=lambda: self._chance,
            observer=self,
        )
        self.running = asyncio.create_task(self.elector.run(self._work))

    def leading(self, leads: bool) -> None:  # noqa: FBT001 - the port has it so
        if leads:
            self.led_beside_another |= _leaders(self._fleet) > 1

    def look_after(self) -> None:
        """The restart that a kubelet would give."""
        if self.running.done():
            assert isinstance(self.running.exception(), LeaseLost)
            self.begin()

    async def _work(self) -> None:
        await asyncio.get_running_loop().create_future()


async def _play(script: list[tuple[int, str, int]], chances: tuple[float, ...]) -> None:
    clock, server = FakeClock(), _Server()
    operators: list[_Operator] = []
    for name, chance in zip("abc", chances, strict=True):
        _Operator(name, chance, clock, server, operators)
    try:
        await _follow_script(script, clock, operators)
        _make_well(operators)
        await _has_leader_soon(clock, operators)
        assert not any(each.led_beside_another for each in operators)
        _check_transitions(server)
    finally:
        _make_well(operators)
        for each in operators:
            each.running.cancel()
        await clock.advance(60.0)


async def _follow_script(
    script: list[tuple[int, str, int]], clock: FakeClock, operators: list[_Operator]
) -> None:
    for number, move, steps in script:
        operators[number].process.move(move)
        for _ in range(steps):
            await clock.advance(_STEP_SECONDS)
            assert _leaders(operators) <= 1
            for each in operators:
                each.look_after()


def _make_well(operators: list[_Operator]) -> None:
    for each in operators:
        for move in ("go on", "connect", "speed up"):
            each.process.move(move)
        each.process.loses_answers = 0


async def _has_leader_soon(clock: FakeClock, operators: list[_Operator]) -> None:
    """Once all is well again, somebody leads after the lease and two tries have passed."""
    timing = LeaseTiming()
    for _ in range(int((timing.lease + 4 * timing.retry) / _STEP_SECONDS)):
        await clock.advance(_STEP_SECONDS)
        for each in operators:
            each.look_after()
    assert _leaders(operators) == 1


def _leaders(operators: list[_Operator]) -> int:
    return sum(each.elector.is_leading() for each in operators)


def _check_transitions(server: _Server) -> None:
    """The count goes up by one whenever another takes over, and at no other time."""
    before: tuple[str | None, int] | None = None
    for holder, transitions in server.holders:
        if before is None:
            assert transitions == 0
        else:
            took_over = holder not in {None, before[0]}
            assert transitions == before[1] + took_over
        before = (holder, transitions)


@settings(max_examples=25)
@given(
    chances=st.tuples(*[st.floats(0.0, 1.0)] * _OPERATORS),
    script=st.lists(
        st.tuples(st.integers(0, _OPERATORS - 1), st.sampled_from(_MOVES), st.sampled_from(_STEPS)),
        min_size=4,
        max_size=12,
    ),
)
def test_two_never_lead_at_once_and_somebody_leads_when_all_is_well(
    script: list[tuple[int, str, int]], chances: tuple[float, ...]
) -> None:
    asyncio.run(_play(script, chances))
