"""The operator's own `v4_*` metrics: a collector over what was last reported of each deployment.

Series exist as long as their deployment, or their replica, does. `record` is called by the loop,
`collect` by the server's thread: what they share is a table of frozen values, held only to be
copied, so that a scrape of a large fleet never makes the loop wait for it.
"""

from collections.abc import Iterable, Iterator
from threading import Lock

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

import v4operator
from v4operator.catalogue.resolve import find_accelerator, find_checkpoint
from v4operator.estimate.cost import api_price, device_usd_per_hour
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import Key
from v4operator.model.forecast import Forecast
from v4operator.model.observation import Observation
from v4operator.model.status import Status
from v4operator.model.verdict import Verdict
from v4operator.report.seen import Listed, Seen, Unseen, replicas_seen
from v4operator.report.series import (
    CATALOGUED,
    DEPLOYMENT,
    DEPLOYMENT_LABELS,
    PROBLEMS,
    REPLICA,
    REPLICA_LABELS,
    built,
)
from v4operator.report.totals import Ledger


class FleetMetrics(Collector):
    """Collector of all deployments. Register it once; feed it after every cycle."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = Lock()
        self._ledgers: dict[Key, Ledger] = {}
        self._seen: dict[Key, Seen] = {}
        self._unseen: dict[Key, Unseen] = {}

    def record(
        self, observation: Observation, forecast: Forecast, verdict: Verdict, status: Status
    ) -> None:
        """Take over one cycle's outcome of one deployment."""
        listed = self._listed(observation)
        ledger = self._ledgers.setdefault(status.key, Ledger())
        totals = ledger.add(observation, forecast, verdict.decision, listed.device_usd_per_hour)
        seen = Seen(
            observation=observation,
            forecast=forecast,
            verdict=verdict,
            status=status,
            totals=totals,
            listed=listed,
            replicas=replicas_seen(observation, forecast, totals),
        )
        with self._lock:
            self._seen[status.key] = seen
            self._unseen.pop(status.key, None)

    def withhold(self, key: Key, code: str) -> None:
        """It could not be looked at: all that is exported is why; its counters go on afterwards."""
        with self._lock:
            self._seen.pop(key, None)
            self._unseen[key] = Unseen(key=key, code=code)

    def keys(self) -> frozenset[Key]:
        """Every deployment that has series."""
        return frozenset(self._seen.keys() | self._unseen.keys())

    def forget(self, key: Key) -> None:
        """The deployment is gone, and its series with it."""
        self._ledgers.pop(key, None)
        with self._lock:
            self._seen.pop(key, None)
            self._unseen.pop(key, None)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration then does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family with the series known now; a family without series is still described."""
        with self._lock:
            known, unseen = dict(self._seen), dict(self._unseen)
        seen = [known[key] for key in sorted(known)]
        yield built(v4operator.__version__).metric((), [((), None)])
        yield CATALOGUED.metric((), [((), seen)])
        deployments = [(each.names, each) for each in seen]
        for of_deployment in DEPLOYMENT:
            yield of_deployment.metric(DEPLOYMENT_LABELS, deployments)
        looked_at: dict[Key, Seen | Unseen] = {**known, **unseen}
        problems = [(looked_at[key].names, looked_at[key]) for key in sorted(looked_at)]
        yield PROBLEMS.metric(DEPLOYMENT_LABELS, problems)
        replicas = [
            ((*names, replica.name), replica)
            for names, each in deployments
            for replica in each.replicas
        ]
        for of_replica in REPLICA:
            yield of_replica.metric(REPLICA_LABELS, replicas)

    def _listed(self, observation: Observation) -> Listed:
        deployment, catalogue = observation.deployment, self._catalogue
        return Listed(
            accelerator=find_accelerator(catalogue, deployment.memory.accelerator),
            checkpoint=find_checkpoint(catalogue, deployment.memory.checkpoint),
            device_usd_per_hour=device_usd_per_hour(deployment, catalogue),
            api=api_price(deployment, catalogue, observation.now),
        )
