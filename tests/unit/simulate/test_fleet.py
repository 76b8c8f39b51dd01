from dataclasses import replace

import pytest

from v4operator.model.deployment import Key
from v4operator.model.reading import Engine
from v4operator.model.replica import Phase
from v4operator.simulate.events import CrashEvent, FaultEvent, QuotaEvent
from v4operator.simulate.fleet import Conflict, Fleet, Unacceptable
from v4operator.simulate.member import Faults, FleetSpec, StartUp
from v4operator.simulate.profiles import PROFILES
from v4operator.simulate.request import Ending, Request
from v4operator.simulate.traffic import Lengths, Rate, Traffic
from v4operator.simulate.truth import Objective

START = 1_000_000.0
QUIET = FleetSpec(
    key=Key("demo", "chat"),
    engine=Engine.SGLANG,
    model="deepseek-ai/DeepSeek-V4-Flash",
    profile=PROFILES["flash-fp8-4xh200"],
    replicas=2,
    start_up=StartUp(seconds=480),
    objective=Objective(ttft_seconds=2, inter_token_latency_seconds=0.0333, attainment=0.99),
)


def busy(rate: float, *, replicas: int = 2) -> FleetSpec:
    traffic = Traffic(
        rate=Rate(points=((0, rate),)),
        prompt=Lengths(mean_tokens=1200, variation=0.8),
        output=Lengths(mean_tokens=300, variation=0.6),
    )
    return replace(QUIET, traffic=traffic, replicas=replicas)


def phases(fleet: Fleet) -> list[tuple[str, Phase]]:
    return [(member.name, member.phase) for member in fleet.members]


def running(fleet: Fleet) -> list[int]:
    return [m.engine.snapshot().load.running for m in fleet.members if m.engine is not None]


def test_a_scenario_begins_with_replicas_that_have_served_a_while() -> None:
    fleet = Fleet(QUIET, start=START)
    assert phases(fleet) == [("chat-0", Phase.READY), ("chat-1", Phase.READY)]
    first = fleet.members[0]
    assert (first.ready_at, first.created_at) == (START - 600, START - 600 - 480)
    assert first.loading_seconds == 480


def test_growth_goes_from_pending_through_starting_to_ready() -> None:
    fleet = Fleet(QUIET, start=START)
    fleet.set_replicas(START + 10, count=3, expected=2, version=fleet.version)
    seen = []
    for elapsed in (10, 14, 15, 487, 488, 489.9, 490):
        fleet.advance(START + elapsed)
        member = fleet.members[2]
        seen.append((member.phase, member.warming_up(fleet.now)))
    assert seen == [
        (Phase.PENDING, False),
        (Phase.PENDING, False),
        (Phase.STARTING, False),
        (Phase.STARTING, False),
        (Phase.STARTING, True),
        (Phase.STARTING, True),
        (Phase.READY, False),
    ]
    assert fleet.members[2].ready_at == START + 490
    assert fleet.members[2].loading_seconds == 475


def test_start_up_times_scatter_around_their_mean_and_repeat_with_the_seed() -> None:
    def times(seed: int) -> list[float]:
        start_up = StartUp(seconds=480, variation=0.2, seed=seed)
        fleet = Fleet(replace(QUIET, replicas=0, start_up=start_up), start=START)
        fleet.set_replicas(START, count=200, expected=0, version="1")
        fleet.advance(START + 5000)
        return [(member.ready_at or 0.0) - START for member in fleet.members]

    assert times(1) == times(1)
    assert times(1) != times(2)
    assert sum(times(1)) / 200 == pytest.approx(480, rel=0.05)


def test_a_write_on_old_knowledge_conflicts_and_changes_nothing() -> None:
    fleet = Fleet(QUIET, start=START)
    before = fleet.version
    fleet.set_replicas(START, count=3, expected=2, version=before)
    for expected, version in ((3, before), (2, fleet.version)):
        with pytest.raises(Conflict, match="holds 3 at version 2"):
            fleet.set_replicas(START, count=4, expected=expected, version=version)
    assert len(fleet.members) == fleet.desired == 3


@pytest.mark.parametrize(
    ("count", "victim", "message"),
    [
        pytest.param(-1, None, "found -1", id="negative"),
        pytest.param(1, "chat-9", "found 'chat-9'", id="unknown victim"),
    ],
)
def test_a_write_that_makes_no_sense_is_refused(
    count: int, victim: str | None, message: str
) -> None:
    fleet = Fleet(QUIET, start=START)
    with pytest.raises(Unacceptable, match=message):
        fleet.set_replicas(START, count=count, expected=2, version="1", victim=victim)
    assert (fleet.desired, fleet.version) == (2, "1")


def test_a_shrink_takes_the_victim_else_what_does_not_serve_else_the_youngest() -> None:
    fleet = Fleet(replace(QUIET, replicas=3), start=START)
    fleet.set_replicas(START, count=4, expected=3, version="1")
    fleet.set_replicas(START + 1, count=3, expected=4, version="2")
    assert [member.name for member in fleet.members] == ["chat-0", "chat-1", "chat-2"]
    fleet.set_replicas(START + 2, count=2, expected=3, version="3", victim="chat-0")
    assert [member.name for member in fleet.members] == ["chat-1", "chat-2"]
    fleet.set_replicas(START + 3, count=1, expected=2, version="4")
    assert [member.name for member in fleet.members] == ["chat-1"]


def test_requests_are_spread_by_outstanding_work() -> None:
    fleet = Fleet(busy(12, replicas=4), start=START)
    fleet.advance(START + 300)
    loads = running(fleet)
    assert min(loads) > 0
    assert max(loads) <= min(loads) + 6
    assert fleet.demand() == 12


def test_a_drained_replica_finishes_its_requests_and_can_go_without_a_cut() -> None:
    fleet = Fleet(busy(6), start=START)
    fleet.advance(START + 100)
    assert fleet.set_routable(START + 100, "chat-0", routable=False)
    assert phases(fleet)[0] == ("chat-0", Phase.READY)
    fleet.advance(START + 160)
    assert running(fleet)[0] == 0
    fleet.set_replicas(START + 160, count=1, expected=2, version="1", victim="chat-0")
    fleet.advance(START + 300)
    assert fleet.truth.cut_streams == 0


def test_a_replica_removed_under_load_cuts_its_streams() -> None:
    fleet = Fleet(busy(6), start=START)
    fleet.advance(START + 100)
    there = running(fleet)[1]
    fleet.set_replicas(START + 100, count=1, expected=2, version="1", victim="chat-1")
    assert fleet.truth.cut_streams >= there > 0


def test_where_nothing_is_routable_requests_wait_and_time_out() -> None:
    fleet = Fleet(busy(2), start=START)
    for name in ("chat-0", "chat-1"):
        fleet.set_routable(START, name, routable=False)
    fleet.advance(START + 60)
    assert fleet.truth.judge().requests == 0
    fleet.advance(START + 150)
    timed_out = fleet.truth.judge()
    assert timed_out.missed == timed_out.requests > 20
    fleet.set_routable(START + 150, "chat-1", routable=True)
    fleet.advance(START + 151)
    engine = fleet.members[1].engine
    assert engine is not None
    load = engine.snapshot().load
    assert load.running + load.waiting == pytest.approx(240, abs=40)
    assert running(fleet)[0] == 0


def test_a_slow_replica_is_slower_at_the_same_batch() -> None:
    events = (FaultEvent(at=60, replica="chat-1", faults=Faults(speed_factor=0.5)),)
    fleet = Fleet(busy(6), start=START, events=events)
    fleet.advance(START + 300)
    engines = [member.engine for member in fleet.members]
    snapshots = [engine.snapshot() for engine in engines if engine is not None]
    sound, sick = (s.histograms.itl.total / s.histograms.itl.count for s in snapshots)
    assert sick > 1.3 * sound
    assert fleet.member("chat-1") is fleet.members[1]


def test_a_crash_cuts_and_a_restart_comes_back_with_counters_at_zero() -> None:
    events = (CrashEvent(at=100, replica="chat-1", restart_seconds=20),)
    fleet = Fleet(busy(4), start=START, events=events)
    fleet.advance(START + 101)
    crashed = fleet.members[1]
    assert phases(fleet)[1] == ("chat-1", Phase.CRASHED)
    assert crashed.reason == "exited with 137"
    assert fleet.truth.cut_streams > 0
    fleet.advance(START + 121)
    assert phases(fleet)[1] == ("chat-1", Phase.STARTING)
    fleet.advance(START + 120 + 475 + 2)
    assert phases(fleet)[1] == ("chat-1", Phase.READY)
    assert crashed.engine is not None
    assert crashed.engine.snapshot().counters.finished < 10
    assert crashed.process_started_at == START + 120


def test_a_crash_without_restart_stays() -> None:
    fleet = Fleet(QUIET, start=START, events=(CrashEvent(at=1, replica="chat-0"),))
    fleet.advance(START + 5000)
    assert phases(fleet)[0] == ("chat-0", Phase.CRASHED)


def test_a_crash_of_a_replica_that_is_loading_does_not_let_it_become_ready() -> None:
    fleet = Fleet(QUIET, start=START, events=(CrashEvent(at=100, replica="chat-2"),))
    fleet.set_replicas(START + 1, count=3, expected=2, version="1")
    fleet.advance(START + 5000)
    assert phases(fleet)[2] == ("chat-2", Phase.CRASHED)


def test_beyond_the_quota_replicas_are_unschedulable_until_devices_are_free() -> None:
    events = (QuotaEvent(at=500, quota=4),)
    fleet = Fleet(replace(QUIET, quota=3), start=START, events=events)
    fleet.set_replicas(START, count=5, expected=2, version="1")
    assert [phase for _, phase in phases(fleet)] == [
        Phase.READY,
        Phase.READY,
        Phase.PENDING,
        Phase.UNSCHEDULABLE,
        Phase.UNSCHEDULABLE,
    ]
    assert fleet.members[3].reason == "insufficient nvidia.com/gpu: no node has 4 free"
    fleet.advance(START + 500)
    assert [member.phase for member in fleet.members[3:]] == [Phase.PENDING, Phase.UNSCHEDULABLE]
    fleet.set_replicas(START + 600, count=4, expected=5, version="2", victim="chat-0")
    assert fleet.members[3].phase is Phase.PENDING


def test_a_request_from_outside_goes_to_the_replica_it_was_sent_to() -> None:
    fleet = Fleet(QUIET, start=START)
    request = Request(START + 1, 100, 20)
    assert fleet.submit(request, fleet.members[1])
    fleet.advance(START + 10)
    assert request.ending is Ending.FINISHED
    assert fleet.truth.judge().requests == 1
    fleet.crash(START + 11, "chat-1")
    assert not fleet.submit(Request(START + 12, 100, 20), fleet.members[1])


def test_a_name_that_is_not_there_is_told() -> None:
    fleet = Fleet(QUIET, start=START)
    assert not fleet.set_routable(START, "chat-7", routable=True)
    assert not fleet.set_faults(START, "chat-7", Faults())
    assert not fleet.crash(START, "chat-7")
    assert fleet.member("chat-7") is None


def test_a_fleet_without_traffic_has_no_demand() -> None:
    fleet = Fleet(QUIET, start=START)
    fleet.advance(START + 1000)
    assert fleet.demand() == 0
    assert running(fleet) == [0, 0]


def test_a_fast_start_has_no_loading_left() -> None:
    fleet = Fleet(replace(QUIET, start_up=StartUp(seconds=2, variation=0.5)), start=START)
    fleet.set_replicas(START, count=3, expected=2, version="1")
    fleet.advance(START + 5)
    assert fleet.members[2].phase is Phase.READY
