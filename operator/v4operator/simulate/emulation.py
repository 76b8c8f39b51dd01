"""Live emulation: fleets on an accelerated clock, an HTTP engine for every replica."""

import asyncio

from v4operator.model.deployment import Key
from v4operator.runtime.clock import AcceleratedClock
from v4operator.simulate.engine_server import EngineServer
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.member import Member
from v4operator.simulate.scenario import Scenario

# Real seconds between two looks at what is due. At 40-fold speed this is 2 emulated seconds: less
# than SGLang's warm-up window, and a start-up of minutes is met within a per cent.
_TICK_SECONDS = 0.05


class Emulation:
    """All fleets of a scenario. State is brought up to the clock whenever somebody looks."""

    def __init__(self, scenario: Scenario, clock: AcceleratedClock) -> None:
        self.clock = clock
        start = clock.now()
        self.fleets: dict[Key, Fleet] = {
            fleet.spec.key: Fleet(fleet.spec, start=start, events=fleet.events)
            for fleet in scenario.fleets
        }
        self._engines: dict[Member, EngineServer] = {}
        self._following = asyncio.Lock()

    def fleet(self, key: Key) -> Fleet | None:
        """The fleet of that name, brought up to now."""
        fleet = self.fleets.get(key)
        if fleet is not None:
            fleet.advance(self.clock.now())
        return fleet

    def address(self, fleet: Fleet, member: Member) -> str:
        """Base URL of a replica; it has one from its creation on."""
        engine = self._engines.get(member)
        if engine is None:
            engine = self._engines[member] = EngineServer(fleet, member, self.clock)
        return engine.address

    async def run(self) -> None:
        """Keep fleets and ports up to the clock until cancelled."""
        try:
            while True:
                await self.follow()
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            await asyncio.gather(*(engine.end() for engine in self._engines.values()))

    async def follow(self) -> None:
        """Bring every fleet up to now, and the ports of its replicas with it."""
        async with self._following:
            await self._follow()

    async def _follow(self) -> None:
        present: set[Member] = set()
        for fleet in self.fleets.values():
            fleet.advance(self.clock.now())
            for member in fleet.members:
                self.address(fleet, member)
                present.add(member)
        for member in [m for m in self._engines if m not in present]:
            await self._engines.pop(member).end()
        for engine in tuple(self._engines.values()):
            await engine.follow()
