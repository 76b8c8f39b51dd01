"""Replicas that somebody runs by hand, named by the addresses in the manifest.

Nobody can set their number, and nobody tells their state: they are PENDING here until `gather` has
seen what they answer.
"""

from urllib.parse import urlsplit

from v4operator.model.deployment import Deployment, Key
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.observe.ports import Clock


class EndpointsView:
    """Implements `observe.ports.WorkloadView` over `Deployment.endpoints`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first_seen: dict[Key, dict[str, float]] = {}

    async def read(self, deployment: Deployment) -> Workload:
        """One replica per endpoint; an endpoint that is listed twice is one replica."""
        now = self._clock.now()
        addresses = {_name(endpoint): endpoint for endpoint in deployment.endpoints}
        known = self._first_seen.get(deployment.key, {})
        seen = {name: known.get(name, now) for name in addresses}
        self._first_seen[deployment.key] = seen
        return Workload(
            desired=None,
            version=str(deployment.generation),
            replicas=tuple(
                Replica(name=name, address=address, phase=Phase.PENDING, created_at=seen[name])
                for name, address in addresses.items()
            ),
        )


def _name(endpoint: str) -> str:
    """host:port, with the path where there is one, and without user and password."""
    parts = urlsplit(endpoint)
    return parts.netloc.rpartition("@")[2] + parts.path.rstrip("/")
