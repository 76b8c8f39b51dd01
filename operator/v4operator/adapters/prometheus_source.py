"""Readings of a whole fleet from a Prometheus that scrapes its engines: few queries, all replicas.

Implements `observe.ports.FleetSource`, and `FigureSource` for a user's own expressions. What cannot
be read is a reason for each replica, never a zero: another cluster's answer has no series of ours,
and a wrong clock is told by its seconds.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from v4operator.adapters.prometheus import PrometheusClient, PrometheusError
from v4operator.adapters.prometheus_entries import PrometheusEntries, PrometheusEntry
from v4operator.model.deployment import Key
from v4operator.model.reading import DeviceMemory
from v4operator.observe.device_memory import device_memory, device_query, with_devices
from v4operator.observe.engines import NotAnEngine, read_samples
from v4operator.observe.ports import Clock, Scrape
from v4operator.observe.promql import (
    PromSeries,
    ReplicaSeries,
    Target,
    by_replica,
    exposition,
    one_count,
    replica_selector,
)

_LOOK_BACK_SECONDS = 150
"""Two scrapes of the slowest usual interval, a minute, and the way of the samples to a store."""

_LOOK_AHEAD_SECONDS = 300
"""Where its clock runs ahead, what is stamped with our now is old: its newest must be looked at."""

_MAX_AHEAD_SECONDS = 5.0
"""A sample from further in the future comes from a clock that is wrong: Prometheus stamps with its
own, and what NTP holds together differs by milliseconds."""


_REPLICAS_PER_QUERY = 25
"""Bounds what one answer may become in memory; one query does for nearly every fleet."""

_DEVICES_SECONDS = 60.0
"""Engines take their memory at the start: what a device holds hardly moves."""


@dataclass(slots=True, kw_only=True)
class _Fleet:
    """What is remembered of one deployment between queries."""

    targets: dict[str, Target] = field(default_factory=dict)
    devices: Mapping[str, DeviceMemory] = field(default_factory=dict)
    devices_at: float = float("-inf")
    asked_of: frozenset[str] = frozenset()


class PrometheusSource:
    """Asks the servers of the settings, each with a client of its own."""

    def __init__(self, entries: PrometheusEntries, clock: Clock) -> None:
        """Raises OSError where an entry's certificates cannot be read."""
        self._entries = entries
        self._clock = clock
        self._clients = {entry.name: PrometheusClient(entry) for entry in entries}
        self._fleets: dict[Key, _Fleet] = {}

    async def aclose(self) -> None:
        """Close the sockets."""
        for client in self._clients.values():
            await client.aclose()

    def problem(self, server: str) -> str | None:
        """Why that entry can never be asked; `None` where it can."""
        found = self._entries.find(server)
        return found if isinstance(found, str) else None

    def forget(self, key: Key) -> None:
        """Nobody asks for this deployment any more."""
        self._fleets.pop(key, None)

    async def read(self, key: Key, server: str, replicas: Mapping[str, str]) -> dict[str, Scrape]:
        """One outcome per replica (name -> base URL); every failure is a value."""
        entry = self._entries.find(server)
        if isinstance(entry, str):
            return {name: self._failed(entry) for name in replicas}
        joined = {name: _joined(entry, name, address) for name, address in replicas.items()}
        fleet = self._fleets.setdefault(key, _Fleet())
        try:
            found, _ = await asyncio.gather(
                self._series(entry, key, joined.values()),
                self._look_at_devices(entry, key, fleet, frozenset(replicas)),
            )
        except PrometheusError as error:
            return {name: self._failed(str(error)) for name in replicas}
        series = by_replica(
            found,
            entry.replica_label,
            entry.ignored_labels,
            kept=fleet.targets,
            now=self._clock.now(),
        )
        fleet.targets = {value: each.target for value, each in series.items()}
        return {
            name: self._one(entry, series.get(value), value, fleet.devices.get(name))
            for name, value in joined.items()
        }

    async def figure(self, server: str, expression: str) -> float | str:
        """The one count that it gives now, or why there is none. The entry's matchers stay out."""
        entry = self._entries.find(server)
        if isinstance(entry, str):
            return entry
        now = self._clock.now()
        try:
            found = await self._clients[entry.name].query_figure(
                expression, at=now, look_back_seconds=_LOOK_BACK_SECONDS
            )
        except PrometheusError as error:
            return str(error)
        count = one_count(found, since=now - _LOOK_BACK_SECONDS, until=now + _MAX_AHEAD_SECONDS)
        return f"Prometheus {entry.name!r} gives {count}" if isinstance(count, str) else count

    async def _series(
        self, entry: PrometheusEntry, key: Key, replicas: Iterable[str]
    ) -> list[PromSeries]:
        """Raw samples of all of them; a part that fails fails the whole."""
        matchers = dict(entry.matchers)
        if entry.namespace_label:
            matchers[entry.namespace_label] = key.namespace
        seconds = _LOOK_BACK_SECONDS + _LOOK_AHEAD_SECONDS
        queries = (
            f"{replica_selector(entry.replica_label, part, matchers)}[{seconds}s]"
            for part in _parts(sorted(set(replicas)))
        )
        return await self._ask(entry, queries, self._clock.now() + _LOOK_AHEAD_SECONDS)

    async def _look_at_devices(
        self, entry: PrometheusEntry, key: Key, fleet: _Fleet, pods: frozenset[str]
    ) -> None:
        """What DCGM tells of the pods' devices, where it does: the readings are good without it."""
        now = self._clock.now()
        if now < fleet.devices_at + _DEVICES_SECONDS and pods <= fleet.asked_of:
            return
        fleet.devices_at, fleet.asked_of = now, pods
        queries = (
            device_query(key.namespace, part, entry.matchers.items())
            for part in _parts(sorted(pods))
        )
        try:
            async with asyncio.timeout(entry.timeout_seconds):
                fleet.devices = device_memory(await self._ask(entry, queries, now))
        except (PrometheusError, TimeoutError):
            fleet.devices = {}

    async def _ask(
        self, entry: PrometheusEntry, queries: Iterable[str], at: float
    ) -> list[PromSeries]:
        client = self._clients[entry.name]
        answers = await asyncio.gather(*(client.query(query, at=at) for query in queries))
        return [series for answer in answers for series in answer]

    def _one(
        self,
        entry: PrometheusEntry,
        series: ReplicaSeries | None,
        value: str,
        devices: DeviceMemory | None,
    ) -> Scrape:
        now = self._clock.now()
        samples = exposition(series.series, now=now) if series else None
        if series is None or samples is None or samples.timestamp is None:
            return self._failed(
                f'Prometheus {entry.name!r} has no engine series with {entry.replica_label}="'
                f'{value}" in the last {_LOOK_BACK_SECONDS} s'
            )
        if samples.timestamp > now + _MAX_AHEAD_SECONDS:
            ahead = samples.timestamp - now
            return self._failed(f"Prometheus {entry.name!r}: samples {ahead:.0f} s ahead of us")
        reading = read_samples(samples)
        if isinstance(reading, NotAnEngine):
            return self._failed(f"Prometheus {entry.name!r}: {reading.reason}")
        return Scrape(
            at=samples.timestamp,
            reading=with_devices(reading, devices),
            failure=None,
            spacing_seconds=series.spacing_seconds,
        )

    def _failed(self, reason: str) -> Scrape:
        return Scrape(at=self._clock.now(), reading=None, failure=reason)


def _joined(entry: PrometheusEntry, name: str, address: str) -> str:
    """What the entry's label says of this replica."""
    return name if entry.replica_by == "Name" else urlsplit(address).netloc.rpartition("@")[2]


def _parts(replicas: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(replicas), _REPLICAS_PER_QUERY):
        yield replicas[first : first + _REPLICAS_PER_QUERY]
