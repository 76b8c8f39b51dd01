from collections.abc import Iterable

import pytest
from tests.fleets import START, demand, forecast, observation, observed, replica, serving, silent

from v4operator.decide.fleet import Fleet, fleet_of
from v4operator.decide.victim import choose
from v4operator.model.memory import PolicyMemory, ScaleEvent
from v4operator.model.observation import ReplicaObservation
from v4operator.model.replica import Phase


def fleet(
    replicas: Iterable[ReplicaObservation],
    *,
    desired: int | None = -1,
    memory: PolicyMemory | None = None,
    speeds: dict[str, float] | None = None,
) -> Fleet:
    seen = observation(replicas, desired=desired)
    known = memory or PolicyMemory(first_seen=START - 7200, count=seen.workload.desired)
    return fleet_of(seen, forecast(demand(1.0), speeds=speeds), known)


@pytest.mark.parametrize(
    ("phase", "age", "expected"),
    [
        (Phase.PENDING, 60, "starting"),
        (Phase.STARTING, 1440, "starting"),
        (Phase.STARTING, 1441, "stuck"),
        (Phase.PENDING, 1441, "stuck"),
        (Phase.UNSCHEDULABLE, 1, "stuck"),
        (Phase.CRASHED, 1, "stuck"),
        (Phase.DRAINING, 1, "leaving"),
        (Phase.READY, 1, "serving"),
    ],
)
def test_a_replica_is_in_the_class_of_its_phase_and_age(
    phase: Phase, age: float, expected: str
) -> None:
    sorted_ = fleet([observed(replica("a", phase, created_at=START - age))])
    classes = ("serving", "silent", "unrouted", "leaving", "starting", "stuck")
    assert [name for name in classes if getattr(sorted_, name)] == [expected]


def test_a_silent_replica_is_fully_loaded_and_a_sick_one_is_what_it_measures() -> None:
    sorted_ = fleet([*serving(2), silent("s")], speeds={"flash-1": 0.5, "s": 0.0})
    assert sorted(sorted_.capacities()) == [0.5, 1.0, 1.0]


def test_replicas_not_yet_created_are_starts_for_a_minute_after_the_count_changed() -> None:
    changed = ScaleEvent(time=START - 30, before=2, after=4)
    soon = PolicyMemory(first_seen=START - 7200, count=4, events=(changed,))
    sorted_ = fleet(serving(2), desired=4, memory=soon)
    assert (sorted_.starts_under_way, sorted_.blocked, sorted_.shortage()) == (2, 0, None)


def test_replicas_never_created_are_blocked_and_the_shortage_says_so() -> None:
    sorted_ = fleet(serving(2), desired=4)
    assert (sorted_.starts_under_way, sorted_.blocked) == (0, 2)
    assert sorted_.shortage() == "2 not created by the workload's controller"


def test_a_count_that_has_just_changed_gives_the_controller_its_minute() -> None:
    old = PolicyMemory(first_seen=START - 7200, count=2)
    assert fleet(serving(2), desired=4, memory=old).starts_under_way == 2


def test_the_shortage_names_the_replica_that_says_what_it_lacks() -> None:
    late = observed(replica("a", Phase.STARTING))
    short = observed(replica("b", Phase.UNSCHEDULABLE, reason="no nvidia.com/gpu free"))
    assert fleet([late, short]).shortage() == "b is unschedulable: no nvidia.com/gpu free"
    assert fleet([late]).shortage() == "a is overdue: no reason given"


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        ([*serving(2), observed(replica("p", Phase.PENDING, created_at=START))], "p"),
        (
            [
                observed(replica("s", Phase.STARTING, created_at=START)),
                observed(replica("p", Phase.PENDING, created_at=START - 9)),
            ],
            "p",
        ),
        (
            [
                observed(replica("p", Phase.PENDING, created_at=START)),
                observed(replica("c", Phase.CRASHED)),
                observed(replica("u", Phase.UNSCHEDULABLE)),
            ],
            "u",
        ),
        ([silent("a")], None),
        ([*serving(2, reading=None)], "flash-0"),
    ],
    ids=[
        "start before serving",
        "pending before loading",
        "blocked first",
        "silent",
        "unknown load",
    ],
)
def test_the_victim_is_the_one_that_is_missed_least(
    replicas: list[ReplicaObservation], expected: str | None
) -> None:
    victim = choose(fleet(replicas))
    assert (victim.name if victim else None) == expected


def test_of_equally_loaded_replicas_the_youngest_goes() -> None:
    old, young = observed(replica("a")), observed(replica("b", created_at=START - 60))
    victim = choose(fleet([old, young]))
    assert victim is not None
    assert victim.name == "b"


def test_a_replica_that_was_never_created_goes_before_all_others() -> None:
    victim = choose(fleet(serving(1), desired=2))
    assert victim is not None
    assert (victim.name, victim.serves) == (None, False)
    assert victim.label == "a replica that was never created"
