"""What `observe` needs from the rim. The adapters implement these."""

from dataclasses import dataclass
from typing import Protocol

from v4operator.model.deployment import Deployment
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
    of the request.
    """

    at: float
    reading: EngineReading | None
    failure: str | None


class MetricsSource(Protocol):
    """Where readings come from: scraping today, Prometheus as the second one."""

    async def scrape(self, address: str, path: str) -> Scrape:
        """Read one replica. `address` is its base URL, `path` the metrics path."""
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
