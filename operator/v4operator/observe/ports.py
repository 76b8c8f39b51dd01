"""What `observe` needs from the rim. The adapters implement these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from v4operator.model.deployment import Deployment, Key
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Workload


class Clock(Protocol):
    """Time, so that a test or an emulation can have its own."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """Outcome of one scrape: a reading, or the reason why there is none. Never an exception.

    `at` is the reading's own time where the exposition carries one within bounds, else the middle
    of the request. `spacing_seconds` is the time between two readings where somebody else's pace
    gives it.
    """

    at: float
    reading: EngineReading | None
    failure: str | None
    spacing_seconds: float | None = None


class MetricsSource(Protocol):
    """Where readings come from: one engine at a time, by scraping."""

    async def scrape(self, address: str, path: str) -> Scrape:
        """Read one replica. `address` is its base URL, `path` the metrics path."""
        ...


class FleetSource(Protocol):
    """Where the readings of a whole fleet come from at once: a Prometheus that scrapes it."""

    async def read(self, key: Key, server: str, replicas: Mapping[str, str]) -> dict[str, Scrape]:
        """One outcome per replica (name -> base URL). `server` names an entry, "" the default."""
        ...

    def problem(self, server: str) -> str | None:
        """Why that entry can never be asked; `None` where it can."""
        ...

    def forget(self, key: Key) -> None:
        """Nobody asks for this fleet any more."""
        ...


class FigureSource(Protocol):
    """Where a user's own expression is evaluated: a Prometheus of the settings."""

    async def figure(self, server: str, expression: str) -> float | str:
        """The one count that it gives now, or why there is none. `server` as in `FleetSource`."""
        ...


class WorkloadView(Protocol):
    """What runs for a V4Deployment."""

    async def read(self, deployment: Deployment) -> Workload:
        """The workload and its replicas now.

        Raises:
            WorkloadUnavailable: it could not be read; the message says why.
        """
        ...


class WorkloadUnavailable(Exception):  # noqa: N818 - a state of the world, named as such
    """The workload could not be read just now."""


class Unanswered(WorkloadUnavailable):
    """Whoever knows it gave no good answer just now: nothing is known to be wrong with it."""


class AccessRefused(WorkloadUnavailable):
    """It may not be read; the message names the rule that is missing."""
