"""Joins what runs with what was scraped into one Observation. No I/O, no judgement.

A replica that has no fresh reading is unknown, with the reason, and stays in the observation: it is
never left out and never counted as idle. Where somebody runs the replicas their word on the phase
holds: one that is ready and whose metrics cannot be read serves all the same, and taking it for one
that starts would offer it up for removal. Where nobody does, the phase is what the scrapes tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from v4operator.model.deployment import Deployment
from v4operator.model.observation import (
    GatewayObservation,
    Observation,
    ReplicaObservation,
    Scrapes,
)
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.observe.window import ReplicaWindow

FRESH_INTERVALS = 3
"""Two polls may be lost, as the scrapes of Prometheus may, before a replica counts as silent."""

RECENT_SECONDS = 60.0
SLOW_SECONDS = 300.0
"""The two windows that `ReplicaObservation` promises."""

_NOT_SCRAPED_YET = "not scraped yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the collector knows of one target. Times in Unix seconds.

    `failure` is why the last scrape gave no reading and `failing_since` when the first of the
    failures in a row came; both `None` after a good one. `scrape_limit_seconds` is the longest that
    one scrape may take on the clock in use; `spacing_seconds` the pace of whoever else scrapes it.
    """

    window: ReplicaWindow
    failure: str | None
    failing_since: float | None
    scrape_limit_seconds: float
    scrapes: Scrapes = field(default_factory=Scrapes)
    spacing_seconds: float | None = None


def gather(
    deployment: Deployment,
    workload: Workload,
    snapshots: Mapping[str, Snapshot],
    *,
    now: float,
    since: float,
    gateway: GatewayObservation | None = None,
) -> Observation:
    """The world of one deployment at `now`; `since` is when the previous observation was made.

    `gateway` is what holds the excess back in front of the replicas, if that is known.
    """
    seen = [(replica, snapshots.get(replica.name)) for replica in workload.replicas]
    interval = deployment.metrics_interval_seconds
    if workload.desired is None:
        seen = [(_by_its_answers(replica, snapshot), snapshot) for replica, snapshot in seen]
    else:
        seen = [
            (_until_first_read(replica, snapshot, interval, now), snapshot)
            for replica, snapshot in seen
        ]
    return Observation(
        now=now,
        deployment=deployment,
        gateway=gateway,
        workload=replace(workload, replicas=tuple(replica for replica, _ in seen)),
        replicas=tuple(
            _unscraped(replica)
            if snapshot is None
            else _observed(replica, snapshot, interval, now=now, since=since)
            for replica, snapshot in seen
        ),
    )


def _by_its_answers(replica: Replica, snapshot: Snapshot | None) -> Replica:
    """The phase of a replica that nobody runs for us: all that is known of it is what it answers.

    One that has answered stays READY when it falls silent: blind is not gone. `created_at` becomes
    `ready_at`, because how long such an engine took to start was not seen.
    """
    up_since = snapshot.window.up_since if snapshot else None
    if up_since is None:
        reason = (snapshot.failure if snapshot else None) or _NOT_SCRAPED_YET
        return replace(replica, phase=Phase.PENDING, reason=reason)
    return replace(replica, phase=Phase.READY, created_at=up_since, ready_at=up_since, reason=None)


def _until_first_read(
    replica: Replica, snapshot: Snapshot | None, interval_seconds: float, now: float
) -> Replica:
    """A replica that has just become ready and was not read since is still a start under way.

    Its silence says nothing yet: taken for that of a loaded replica it would have the fleet grow at
    the end of every start. It counts as silent once as long as any other.
    """
    if replica.phase is not Phase.READY or replica.ready_at is None or snapshot is None:
        return replica
    is_read = snapshot.window.latest_at is not None
    if is_read or abs(now - replica.ready_at) > _fresh_seconds(snapshot, interval_seconds):
        return replica
    return replace(replica, phase=Phase.STARTING, ready_at=None, reason=_NOT_SCRAPED_YET)


def _fresh_seconds(snapshot: Snapshot, interval_seconds: float) -> float:
    """The age up to which a reading is fresh: none is younger than whoever scrapes makes it."""
    pace = max(interval_seconds, snapshot.spacing_seconds or 0.0)
    return FRESH_INTERVALS * pace + snapshot.scrape_limit_seconds


def _unscraped(replica: Replica) -> ReplicaObservation:
    return ReplicaObservation(
        replica=replica,
        fresh=False,
        age_seconds=None,
        unknown=replica.reason or _NOT_SCRAPED_YET,
        reading=None,
        intervals=(),
        recent=None,
        slow=None,
    )


def _observed(
    replica: Replica, snapshot: Snapshot, interval_seconds: float, *, now: float, since: float
) -> ReplicaObservation:
    window = snapshot.window
    age = None if window.latest_at is None else max(0.0, now - window.latest_at)
    fresh = age is not None and age <= _fresh_seconds(snapshot, interval_seconds)
    return ReplicaObservation(
        replica=replica,
        fresh=fresh,
        age_seconds=age,
        unknown=None if fresh else _silence(snapshot, age),
        reading=window.latest,
        intervals=window.intervals_since(since),
        recent=window.over(RECENT_SECONDS, now),
        slow=window.over(SLOW_SECONDS, now),
        newest=window.newest(RECENT_SECONDS),
        scrapes=snapshot.scrapes,
    )


def _silence(snapshot: Snapshot, age: float | None) -> str:
    if snapshot.failure is not None:
        return snapshot.failure
    return _NOT_SCRAPED_YET if age is None else f"last reading is {age:.0f} s old"
