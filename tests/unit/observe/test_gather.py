from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from v4operator.model.replica import Phase, Replica, Workload
from v4operator.observe.gather import Snapshot, gather
from v4operator.observe.window import ReplicaWindow

if TYPE_CHECKING:
    from tests.conftest import MakeDeployment, MakeReading

_NOW = 1000.0


def _replica(name: str = "a", phase: Phase = Phase.READY, reason: str | None = None) -> Replica:
    return Replica(
        name=name, address=f"http://{name}:30000", phase=phase, created_at=0.0, reason=reason
    )


def _workload(*replicas: Replica, desired: int | None = 1) -> Workload:
    return Workload(desired=desired, version="1", replicas=replicas)


def _snapshot(window: ReplicaWindow, failure: str | None = None) -> Snapshot:
    return Snapshot(
        window=window,
        failure=failure,
        failing_since=None if failure is None else _NOW - 7.0,
        scrape_limit_seconds=2.0,
    )


def _window(make_reading: MakeReading, *times: float) -> ReplicaWindow:
    window = ReplicaWindow()
    for at in times:
        window.add(at, make_reading(running_requests=3.0, decode_tokens_total=at * 10.0))
    return window


@pytest.mark.parametrize(
    ("age", "fresh"),
    [(0.0, True), (17.0, True), (17.1, False), (600.0, False)],
    ids=["now", "three intervals and a scrape", "a little more", "long ago"],
)
def test_a_reading_is_fresh_for_three_intervals_and_one_scrape(
    make_deployment: MakeDeployment, make_reading: MakeReading, *, age: float, fresh: bool
) -> None:
    snapshots = {"a": _snapshot(_window(make_reading, _NOW - age))}
    observation = gather(
        make_deployment(), _workload(_replica()), snapshots, now=_NOW, since=_NOW - 5.0
    )
    (seen,) = observation.replicas
    assert seen.fresh is fresh
    assert seen.age_seconds == pytest.approx(age)
    assert seen.unknown == (None if fresh else f"last reading is {age:.0f} s old")
    assert seen.reading is not None


@pytest.mark.parametrize(
    ("spacing", "age", "fresh"),
    [(30.0, 92.0, True), (30.0, 92.1, False), (1.0, 17.0, True), (1.0, 17.1, False)],
    ids=["slow server", "too old for it", "fast server", "too old for ours"],
)
def test_a_slower_pace_than_ours_keeps_a_reading_fresh_for_longer(
    make_deployment: MakeDeployment,
    make_reading: MakeReading,
    *,
    spacing: float,
    age: float,
    fresh: bool,
) -> None:
    snapshot = replace(_snapshot(_window(make_reading, _NOW - age)), spacing_seconds=spacing)
    observation = gather(
        make_deployment(), _workload(_replica()), {"a": snapshot}, now=_NOW, since=_NOW - 5.0
    )
    assert observation.replicas[0].fresh is fresh


def test_a_lost_scrape_says_nothing_while_the_last_reading_is_fresh(
    make_deployment: MakeDeployment, make_reading: MakeReading
) -> None:
    snapshots = {"a": _snapshot(_window(make_reading, _NOW - 6.0), "connection refused")}
    observation = gather(make_deployment(), _workload(_replica()), snapshots, now=_NOW, since=0.0)
    assert observation.replicas[0].fresh
    assert observation.replicas[0].unknown is None


def test_a_silent_replica_stays_ready_and_says_why_it_is_unknown(
    make_deployment: MakeDeployment, make_reading: MakeReading
) -> None:
    snapshots = {"a": _snapshot(_window(make_reading, _NOW - 60.0), "connection refused")}
    observation = gather(make_deployment(), _workload(_replica()), snapshots, now=_NOW, since=0.0)
    (seen,) = observation.replicas
    assert (seen.replica.phase, seen.fresh, seen.unknown) == (
        Phase.READY,
        False,
        "connection refused",
    )
    assert observation.ready == (seen,)
    assert observation.fresh == ()


@pytest.mark.parametrize(
    ("phase", "reason", "unknown"),
    [
        (Phase.STARTING, None, "connection refused"),
        (Phase.READY, None, "connection refused"),
        (Phase.UNSCHEDULABLE, "no nvidia.com/gpu free", "connection refused"),
    ],
    ids=["starting", "ready", "unschedulable"],
)
def test_the_word_of_who_runs_the_replicas_holds(
    make_deployment: MakeDeployment, phase: Phase, reason: str | None, unknown: str
) -> None:
    replica = _replica(phase=phase, reason=reason)
    snapshots = {"a": _snapshot(ReplicaWindow(), "connection refused")}
    observation = gather(make_deployment(), _workload(replica), snapshots, now=_NOW, since=0.0)
    (seen,) = observation.replicas
    assert seen.replica == replica
    assert (seen.unknown, seen.age_seconds, seen.fresh) == (unknown, None, False)


@pytest.mark.parametrize(
    ("ready_at", "read", "phase"),
    [
        (_NOW - 1.0, False, Phase.STARTING),
        (_NOW - 1.0, True, Phase.READY),
        (_NOW - 17.1, False, Phase.READY),
        (None, False, Phase.READY),
        (_NOW + 600.0, False, Phase.READY),
    ],
    ids=["not read since", "read", "silent for too long", "nobody knows when", "clocks apart"],
)
def test_a_replica_that_has_just_become_ready_starts_until_it_is_read(
    make_deployment: MakeDeployment,
    make_reading: MakeReading,
    *,
    ready_at: float | None,
    read: bool,
    phase: Phase,
) -> None:
    made = replace(_replica(), ready_at=ready_at)
    snapshots = {"a": _snapshot(_window(make_reading, *([_NOW] if read else [])))}
    observation = gather(make_deployment(), _workload(made), snapshots, now=_NOW, since=0.0)
    (seen,) = observation.replicas
    assert seen.replica.phase is phase
    assert seen.replica.ready_at == (None if phase is Phase.STARTING else ready_at)


@pytest.mark.parametrize(
    ("reason", "unknown"),
    [("no nvidia.com/gpu free", "no nvidia.com/gpu free"), (None, "not scraped yet")],
    ids=["with its own reason", "without"],
)
def test_a_replica_without_a_target_is_in_the_observation_all_the_same(
    make_deployment: MakeDeployment, reason: str | None, unknown: str
) -> None:
    workload = _workload(_replica(phase=Phase.PENDING, reason=reason))
    observation = gather(make_deployment(), workload, {}, now=_NOW, since=0.0)
    (seen,) = observation.replicas
    assert (seen.unknown, seen.reading, seen.fresh) == (unknown, None, False)
    assert (seen.intervals, seen.recent, seen.slow) == ((), None, None)


def test_windows_and_new_intervals_come_along(
    make_deployment: MakeDeployment, make_reading: MakeReading
) -> None:
    times = tuple(_NOW - 400.0 + 5.0 * turn for turn in range(81))
    snapshots = {"a": _snapshot(_window(make_reading, *times))}
    observation = gather(
        make_deployment(), _workload(_replica()), snapshots, now=_NOW, since=_NOW - 10.0
    )
    (seen,) = observation.replicas
    assert [interval.end for interval in seen.intervals] == [_NOW - 5.0, _NOW]
    assert seen.recent is not None
    assert seen.slow is not None
    assert (seen.recent.seconds, seen.slow.seconds) == (60.0, 300.0)
    assert seen.slow.decode_tokens_per_second == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (None, "not scraped yet"),
        (_snapshot(ReplicaWindow()), "not scraped yet"),
        (_snapshot(ReplicaWindow(), "connection refused"), "connection refused"),
    ],
    ids=["no target", "not yet", "refused"],
)
def test_an_endpoint_that_never_answered_is_pending_with_the_reason(
    make_deployment: MakeDeployment, snapshot: Snapshot | None, reason: str
) -> None:
    snapshots = {} if snapshot is None else {"a": snapshot}
    workload = _workload(_replica(phase=Phase.PENDING), desired=None)
    observation = gather(make_deployment(), workload, snapshots, now=_NOW, since=0.0)
    (seen,) = observation.replicas
    assert (seen.replica.phase, seen.replica.reason) == (Phase.PENDING, reason)
    assert (seen.unknown, seen.fresh) == (reason, False)
    assert observation.workload.replicas == (seen.replica,)


@pytest.mark.parametrize(
    ("failure", "age", "fresh"),
    [(None, 1.0, True), ("connection refused", 60.0, False)],
    ids=["answers", "fell silent"],
)
def test_an_endpoint_that_has_answered_is_ready_since_then(
    make_deployment: MakeDeployment,
    make_reading: MakeReading,
    *,
    failure: str | None,
    age: float,
    fresh: bool,
) -> None:
    window = _window(make_reading, _NOW - age - 20.0, _NOW - age)
    workload = _workload(_replica(phase=Phase.PENDING), desired=None)
    observation = gather(
        make_deployment(), workload, {"a": _snapshot(window, failure)}, now=_NOW, since=0.0
    )
    (seen,) = observation.replicas
    assert seen.replica.phase is Phase.READY
    assert seen.replica.ready_at == seen.replica.created_at == _NOW - age - 20.0
    assert (seen.fresh, seen.unknown) == (fresh, failure)


def test_an_endpoint_that_restarted_is_ready_since_the_restart(
    make_deployment: MakeDeployment, make_reading: MakeReading
) -> None:
    window = ReplicaWindow()
    for at, decode in ((_NOW - 100.0, 900.0), (_NOW - 50.0, 1.0), (_NOW, 500.0)):
        window.add(at, make_reading(decode_tokens_total=decode))
    workload = _workload(_replica(phase=Phase.PENDING), desired=None)
    observation = gather(make_deployment(), workload, {"a": _snapshot(window)}, now=_NOW, since=0.0)
    assert observation.replicas[0].replica.ready_at == _NOW - 50.0
