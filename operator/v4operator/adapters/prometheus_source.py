"""Readings of a whole fleet from a Prometheus that scrapes its engines: one query, all replicas.

Implements `observe.ports.FleetSource`. What cannot be read is a reason for each replica, never a
zero: another cluster's answer has no series of ours, and a wrong clock is told by its seconds.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from v4operator.adapters.prometheus import PrometheusClient, PrometheusError
from v4operator.adapters.prometheus_entries import PrometheusEntries, PrometheusEntry
from v4operator.model.deployment import Key
from v4operator.observe.engines import NotAnEngine, read_samples
from v4operator.observe.ports import Clock, Scrape
from v4operator.observe.promql import PromSeries, by_replica, exposition, replica_selector

_LOOK_BACK_SECONDS = 150
"""Two scrapes of the slowest usual interval, a minute, and the way of the samples to a store."""

_LOOK_AHEAD_SECONDS = 300
"""Where its clock runs ahead, what is stamped with our now is old: its newest must be looked at."""

_MAX_AHEAD_SECONDS = 5.0
"""A sample from further in the future comes from a clock that is wrong: Prometheus stamps with its
own, and what NTP holds together differs by milliseconds."""


class PrometheusSource:
    """Asks the servers of the settings, each with a client of its own."""

    def __init__(self, entries: PrometheusEntries, clock: Clock) -> None:
        """Raises OSError where an entry's certificates cannot be read."""
        self._entries = entries
        self._clock = clock
        self._clients = {entry.name: PrometheusClient(entry) for entry in entries}

    async def aclose(self) -> None:
        """Close the sockets."""
        for client in self._clients.values():
            await client.aclose()

    async def read(self, key: Key, server: str, replicas: Mapping[str, str]) -> dict[str, Scrape]:
        """One outcome per replica (name -> base URL); every failure is a value."""
        entry = self._entries.find(server)
        if isinstance(entry, str):
            return {name: self._failed(entry) for name in replicas}
        joined = {name: _joined(entry, name, address) for name, address in replicas.items()}
        matchers = dict(entry.matchers)
        if entry.namespace_label:
            matchers[entry.namespace_label] = key.namespace
        selector = replica_selector(entry.replica_label, joined.values(), matchers)
        try:
            found = await self._clients[entry.name].query(
                f"{selector}[{_LOOK_BACK_SECONDS + _LOOK_AHEAD_SECONDS}s]",
                at=self._clock.now() + _LOOK_AHEAD_SECONDS,
            )
        except PrometheusError as error:
            return {name: self._failed(str(error)) for name in replicas}
        series = by_replica(found, entry.replica_label, entry.ignored_labels)
        return {name: self._one(entry, series.get(value), value) for name, value in joined.items()}

    def _one(self, entry: PrometheusEntry, series: list[PromSeries] | None, value: str) -> Scrape:
        now = self._clock.now()
        samples = exposition(series or (), now=now)
        if samples is None or samples.timestamp is None:
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
        return Scrape(at=samples.timestamp, reading=reading, failure=None)

    def _failed(self, reason: str) -> Scrape:
        return Scrape(at=self._clock.now(), reading=None, failure=reason)


def _joined(entry: PrometheusEntry, name: str, address: str) -> str:
    """What the entry's label says of this replica."""
    return name if entry.replica_by == "Name" else urlsplit(address).netloc.rpartition("@")[2]
