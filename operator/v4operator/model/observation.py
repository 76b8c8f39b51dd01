"""observe -> estimate: the world as it was seen, with the age of everything and every gap named."""

from dataclasses import dataclass

from v4operator.model.deployment import Deployment
from v4operator.model.hbm import Finding
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Replica, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What one replica did between two polls (or over a window of them).

    Rates come from running counters with resets taken out; `None` where a counter was absent or
    reset at both ends. Means of gauges are taken over time, not over samples. `kv_tokens_mean` is
    the sum of the context lengths of the running requests; `prefill_tokens_per_second` counts
    computed prompt tokens only, `prompt_tokens_per_second` the cached ones too.
    `decode_tokens_per_second` leaves first tokens out where that can be told.
    `arrived_requests_per_second` counts those that were begun and those that came to wait.
    """

    start: float
    end: float
    running_mean: float | None
    waiting_mean: float | None
    kv_usage_mean_ratio: float | None
    kv_tokens_mean: float | None
    decode_tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    prefill_tokens_per_second: float | None
    first_tokens_per_second: float | None
    finished_requests_per_second: float | None
    preemptions_per_second: float | None
    accept_length: float | None
    arrived_requests_per_second: float | None = None

    @property
    def seconds(self) -> float:
        """Length of the interval."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapes:
    """How often a replica was read since it stands at its address, by outcome."""

    good: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaObservation:
    """One replica: its state, its last reading and its recent past.

    `age_seconds` is the age of the last good reading, `None` if there never was one; `unknown` says
    why there is no fresh one ("connection refused", "answer above 16 MiB", "not an engine").
    `intervals` are the poll-to-poll intervals that ended since the previous observation, oldest
    first; `recent` covers the last minute and `slow` the last five, where there is enough of them,
    `newest` the last one, two and four polls, as far as they are there and within a minute.
    `scrapes` is `None` where nobody scrapes the replica.
    """

    replica: Replica
    fresh: bool
    age_seconds: float | None
    unknown: str | None
    reading: EngineReading | None
    intervals: tuple[Interval, ...]
    recent: Interval | None
    slow: Interval | None
    newest: tuple[Interval, ...] = ()
    scrapes: Scrapes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayObservation:
    """Requests outside every replica, where a gateway holds back what they have no room for.

    `lost_total` counts those that were turned away or gave up there, since any time; `None` where
    nobody tells.
    """

    waiting_requests: float
    lost_total: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that the later stages may know about one V4Deployment at `now` (Unix seconds).

    `gateway` is `None` where none is known to be in front of the replicas, or its queue is not
    known. `metrics_problem` says why the metrics' source can never be asked, whatever becomes of
    the replicas; `findings` what else could not be seen.
    """

    now: float
    deployment: Deployment
    workload: Workload
    replicas: tuple[ReplicaObservation, ...]
    gateway: GatewayObservation | None = None
    metrics_problem: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def ready(self) -> tuple[ReplicaObservation, ...]:
        """Replicas that serve."""
        return tuple(r for r in self.replicas if r.replica.phase == "ready")

    @property
    def fresh(self) -> tuple[ReplicaObservation, ...]:
        """Ready replicas whose last reading is fresh."""
        return tuple(r for r in self.ready if r.fresh)


__all__ = [
    "GatewayObservation",
    "Interval",
    "Observation",
    "Replica",
    "ReplicaObservation",
    "Scrapes",
    "Workload",
]
