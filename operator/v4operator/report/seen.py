"""One deployment as it was last reported, and one of its replicas: what every row is read from."""

from collections.abc import Mapping
from dataclasses import dataclass

from v4operator.model.catalogue import Accelerator, Checkpoint
from v4operator.model.deployment import Key
from v4operator.model.forecast import Forecast, ReplicaForecast
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.published import ApiPrice
from v4operator.model.reading import EngineReading
from v4operator.model.status import Status
from v4operator.model.verdict import Verdict
from v4operator.report.families import label_value
from v4operator.report.replica_totals import ReplicaCount
from v4operator.report.totals import Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the catalogue holds of one deployment; `None` where it holds nothing.

    `device_usd_per_hour` is the user's own figure where there is one.
    """

    accelerator: Accelerator | None = None
    checkpoint: Checkpoint | None = None
    device_usd_per_hour: float | None = None
    api: ApiPrice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenReplica:
    """One replica of it, and what the forecast says of it."""

    name: str
    observed: ReplicaObservation
    forecast: ReplicaForecast | None
    counts: Mapping[ReplicaCount, float]
    now: float
    start_up_seconds: float

    @property
    def reading(self) -> EngineReading | None:
        """The reading while it is fresh: a stale gauge is not exported as if it were current."""
        return self.observed.reading if self.observed.fresh else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One deployment."""

    observation: Observation
    forecast: Forecast
    verdict: Verdict
    status: Status
    totals: Totals
    listed: Listed
    replicas: tuple[SeenReplica, ...]

    @property
    def names(self) -> tuple[str, str]:
        """The labels that name it."""
        key = self.observation.deployment.key
        return label_value(key.namespace), label_value(key.name)

    @property
    def fresh(self) -> tuple[SeenReplica, ...]:
        """Ready replicas whose metrics are fresh."""
        return tuple(
            r for r in self.replicas if r.observed.fresh and r.observed.replica.phase == "ready"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """One deployment that could not be looked at, and the code of the reason."""

    key: Key
    code: str

    @property
    def names(self) -> tuple[str, str]:
        """The labels that name it."""
        return label_value(self.key.namespace), label_value(self.key.name)


def replicas_seen(
    observation: Observation, forecast: Forecast, totals: Totals
) -> tuple[SeenReplica, ...]:
    """The replicas of the observation, in its order."""
    told = {r.name: r for r in forecast.replicas}
    return tuple(
        SeenReplica(
            name=label_value(r.replica.name),
            observed=r,
            forecast=told.get(r.replica.name),
            counts=totals.replicas.get(r.replica.name, {}),
            now=observation.now,
            start_up_seconds=forecast.start_up_seconds,
        )
        for r in observation.replicas
    )
