"""What must be true of an emulated replica and fleet for any requests and any way of looking."""

from dataclasses import astuple, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from v4operator.model.deployment import Key
from v4operator.model.reading import Engine
from v4operator.simulate.counters import Snapshot
from v4operator.simulate.decode_run import DecodeRun
from v4operator.simulate.events import CrashEvent, FaultEvent
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.histogram import Histogram
from v4operator.simulate.member import Faults, FleetSpec, StartUp
from v4operator.simulate.profiles import PROFILES
from v4operator.simulate.replica import Replica
from v4operator.simulate.request import Ending, Request
from v4operator.simulate.traffic import Lengths, Rate, Traffic
from v4operator.simulate.truth import Objective

SMALL = replace(
    PROFILES["flash-fp8-4xh200"],
    kv_capacity_tokens=3000,
    max_running=6,
    chunk_tokens=256,
    client_timeout_seconds=3.0,
)
END = 10_000.0

arrivals = st.lists(
    st.tuples(
        st.floats(0, 5, allow_nan=False),
        st.integers(1, 1500),
        st.integers(1, 400),
        st.integers(0, 300),
    ),
    min_size=1,
    max_size=25,
)
changes = st.lists(
    st.tuples(st.floats(0, 8, allow_nan=False), st.sampled_from([0.3, 1.0, 2.0, "stall", "go"])),
    max_size=5,
)
looks = st.lists(st.floats(0, 8, allow_nan=False), max_size=30)
Plan = tuple[list[tuple[float, int, int, int]], list[tuple[float, float | str]], list[float]]


def run(plan: Plan) -> tuple[Replica, list[Request]]:
    """Let the same things happen until 8 s, looking in between as often as asked."""
    asked, altered, looked = plan
    replica = Replica(SMALL, start=0.0)
    requests = []
    steps: list[tuple[float, int, tuple[int, int, int] | float | str | None]] = [
        *((at, 0, (prompt, output, cached)) for at, prompt, output, cached in asked),
        *((at, 1, change) for at, change in altered),
        *((at, 2, None) for at in looked),
    ]
    for at, _, what in sorted(steps, key=lambda step: (step[0], step[1])):
        if isinstance(what, tuple):
            request = Request(at, what[0], what[1], what[2])
            requests.append(request)
            replica.submit(request)
        elif isinstance(what, str):
            replica.set_stalled(at, stalled=what == "stall")
        elif isinstance(what, float):
            replica.set_speed(at, what)
        else:
            replica.advance(at)
            replica.snapshot()
    replica.advance(8.0)
    replica.set_stalled(8.0, stalled=False)
    return replica, requests


def figures(snapshot: Snapshot) -> tuple[object, ...]:
    histograms = snapshot.histograms
    return (
        astuple(snapshot.counters),
        snapshot.load,
        snapshot.logged,
        histograms.itl.counts,
        histograms.itl.total,
        histograms.ttft.counts,
        histograms.latency.total,
    )


@given(asked=arrivals, altered=changes, looked=looks, until=st.floats(8, 30))
def test_looking_more_often_changes_nothing(
    asked: list[tuple[float, int, int, int]],
    altered: list[tuple[float, float | str]],
    looked: list[float],
    until: float,
) -> None:
    watched, seen = run((asked, altered, looked))
    unwatched, unseen = run((asked, altered, []))
    watched.advance(until)
    unwatched.advance(until)
    assert figures(watched.snapshot()) == figures(unwatched.snapshot())
    assert [r.first_token_at for r in seen] == [r.first_token_at for r in unseen]


@given(asked=arrivals, altered=changes)
def test_requests_and_tokens_are_conserved(
    asked: list[tuple[float, int, int, int]], altered: list[tuple[float, float | str]]
) -> None:
    replica, requests = run((asked, altered, []))
    replica.advance(END)
    counters = replica.snapshot().counters
    ended = replica.take_ended()
    assert {id(request) for request in ended} == {id(request) for request in requests}
    assert len(ended) == len(requests)
    finished = [request for request in requests if request.ending is Ending.FINISHED]
    assert counters.finished == len(finished)
    assert counters.finished + counters.timed_out + counters.rejected == len(requests)
    emitted = counters.decode_tokens + counters.prefill_emitted
    assert emitted == sum(request.output_tokens for request in finished)
    assert counters.prompt_tokens == sum(request.prompt_tokens for request in finished)
    uncached = sum(request.prompt_tokens - request.cached_tokens for request in finished)
    assert counters.prefill_tokens >= uncached
    assert (counters.prefill_tokens == uncached) == (counters.retractions == 0)


@given(asked=arrivals, altered=changes)
def test_an_empty_replica_holds_nothing(
    asked: list[tuple[float, int, int, int]], altered: list[tuple[float, float | str]]
) -> None:
    replica, _ = run((asked, altered, []))
    replica.advance(END)
    load = replica.snapshot().load
    assert (load.running, load.waiting, load.held_tokens, load.sequence_tokens) == (0, 0, 0, 0)
    assert replica.outstanding_tokens == 0


@given(asked=arrivals, looked=looks)
def test_slots_and_kv_pool_are_never_exceeded(
    asked: list[tuple[float, int, int, int]], looked: list[float]
) -> None:
    replica = Replica(SMALL, start=0.0)
    for at, prompt, output, cached in sorted(asked):
        replica.submit(Request(at, prompt, output, cached))
    for at in sorted([*looked, 6.0, 7.0, 9.0]):
        replica.advance(at)
        load = replica.snapshot().load
        assert load.running <= SMALL.max_running
        assert 0 <= load.sequence_tokens <= load.held_tokens <= SMALL.kv_capacity_tokens


@given(
    first=st.floats(1e-3, 0.1),
    slope=st.floats(0, 1e-4),
    steps=st.integers(1, 2000),
    time=st.floats(0, 300),
)
def test_steps_of_a_run_are_those_that_have_ended(
    first: float, slope: float, steps: int, time: float
) -> None:
    run = DecodeRun(start=0.0, first=first, slope=slope, sequences=3, steps=steps)
    done = run.steps_by(time)
    assert done == sum(run.end(step) <= time for step in range(1, steps + 1))
    boundary = run.first_boundary(time)
    assert 1 <= boundary <= steps
    assert run.end(boundary) >= min(time, run.end(steps))


@given(
    first=st.floats(1e-4, 2.0),
    slope=st.floats(0, 1e-3),
    count=st.integers(0, 300),
    weight=st.integers(1, 5),
)
def test_a_ramp_falls_into_the_same_buckets_as_its_values(
    first: float, slope: float, count: int, weight: int
) -> None:
    ramp, single = Histogram((0.01, 0.1, 0.15, 0.5, 1.0)), Histogram((0.01, 0.1, 0.15, 0.5, 1.0))
    ramp.add_ramp(first, slope, count, weight)
    for index in range(count):
        single.add(first + index * slope, weight)
    assert ramp.count == single.count == count * weight
    differing = sum(abs(a - b) for a, b in zip(ramp.counts, single.counts, strict=True))
    assert differing <= 2 * weight * len(ramp.edges)  # a value that is an edge, within rounding
    assert abs(ramp.total - single.total) <= 1e-9 * max(1.0, single.total)


@settings(max_examples=15)  # minutes of a whole fleet each
@given(looked=st.lists(st.floats(0, 900), max_size=40), seed=st.integers(0, 5))
def test_a_fleet_does_not_depend_on_who_looks(looked: list[float], seed: int) -> None:
    def fleet_after(looks_at: list[float]) -> tuple[object, ...]:
        fleet = Fleet(
            FleetSpec(
                key=Key("demo", "chat"),
                engine=Engine.SGLANG,
                model="m",
                profile=PROFILES["flash-fp8-4xh200"],
                replicas=3,
                start_up=StartUp(seconds=200, variation=0.2, seed=seed),
                objective=Objective(
                    ttft_seconds=2, inter_token_latency_seconds=0.033, attainment=0.99
                ),
                traffic=Traffic(
                    rate=Rate(points=((0, 1), (600, 4))),
                    prompt=Lengths(mean_tokens=900, variation=0.8),
                    output=Lengths(mean_tokens=120, variation=0.5),
                    seed=seed,
                ),
            ),
            start=1000.0,
            events=(
                FaultEvent(at=150, replica="chat-1", faults=Faults(speed_factor=0.5)),
                CrashEvent(at=300, replica="chat-2", restart_seconds=30),
            ),
        )
        times = sorted(at for at in looks_at if at < 100)
        later = sorted(at for at in looks_at if at >= 100)
        for at in times:
            fleet.advance(1000 + at)
        fleet.set_replicas(1100, count=4, expected=3, version=fleet.version)
        for at in later:
            fleet.advance(1000 + at)
        fleet.advance(1900)
        engines = [member.engine for member in fleet.members if member.engine is not None]
        return (
            fleet.truth.judge(),
            fleet.truth.broken_at(),
            [figures(engine.snapshot()) for engine in engines],
            [member.ready_at for member in fleet.members],
        )

    assert fleet_after(looked) == fleet_after([])
