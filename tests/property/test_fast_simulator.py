"""The fast fleet against the replica of the live emulation, and what no run may lose."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.kernel.layout import CUT, FIGURES, FINISHED, REJECTED, TIMED_OUT
from v4operator.simulate.fast.setting import Overload, Router
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import TRUTHS, Truth
from v4operator.simulate.profiles import PROFILES, ReplicaProfile
from v4operator.simulate.replica import Replica
from v4operator.simulate.request import Ending, Request

FLASH = PROFILES["flash-fp8-4xh200"]
FATES = {
    Ending.FINISHED: FINISHED,
    Ending.TIMED_OUT: TIMED_OUT,
    Ending.REJECTED: REJECTED,
    Ending.CUT: CUT,
}

Row = tuple[float, int, int, int]
rows = st.lists(
    st.tuples(
        st.floats(0.0, 4.0, allow_subnormal=False),  # seconds since the one before
        st.integers(1, 3000),
        st.integers(1, 400),
        st.integers(0, 3500),  # cached tokens
    ),
    min_size=1,
    max_size=25,
)
profiles = st.builds(
    lambda capacity, running, chunk, patience: replace(
        FLASH,
        kv_capacity_tokens=capacity,
        max_running=running,
        chunk_tokens=chunk,
        client_timeout_seconds=patience,
    ),
    st.integers(2000, 8000),
    st.integers(1, 12),
    st.integers(100, 8192),
    st.sampled_from([0.5, 5.0, 120.0]),
)


def trace_of(given_rows: list[Row]) -> Trace:
    arrival = np.cumsum([row[0] for row in given_rows])
    return Trace(
        arrival=arrival,
        prompt=np.array([row[1] for row in given_rows]),
        output=np.array([row[2] for row in given_rows]),
        session=np.full(len(given_rows), -1),
        prefix=np.array([row[3] for row in given_rows]),
    )


def on_one_replica(trace: Trace, profile: ReplicaProfile) -> tuple[Replica, list[Request]]:
    """The same requests on the replica that the live emulation uses."""
    replica = Replica(profile, start=0.0)
    requests = [
        Request(
            arrival=float(trace.arrival[i]),
            prompt_tokens=int(trace.prompt[i]),
            output_tokens=int(trace.output[i]),
            cached_tokens=int(trace.prefix[i]),
        )
        for i in range(len(trace))
    ]
    for request in requests:
        replica.submit(request)
    while replica.next_event_at < math.inf:
        replica.advance(replica.next_event_at)
    return replica, requests


def assert_same(trace: Trace, profile: ReplicaProfile) -> Replica:
    """Run it on both, compare everything, and give back the slow one."""
    slow, requests = on_one_replica(trace, profile)
    fast = FleetSimulation(trace, Setting(profile=profile))

    fast.result()

    told = fast._state.requests
    row, counters = fast._state.replicas[0], slow.snapshot().counters
    assert [FATES[r.ending] for r in requests if r.ending] == told.fate.tolist()
    assert [r.ended_at for r in requests] == told.ended.tolist()
    first = [math.nan if r.first_token_at is None else r.first_token_at for r in requests]
    np.testing.assert_array_equal(first, told.first_token)
    assert (row.steps, row.decode_tokens, row.emitted) == (
        counters.steps,
        counters.decode_tokens,
        counters.prefill_emitted,
    )
    assert (row.prefill_tokens, row.retractions) == (
        counters.prefill_tokens,
        counters.retractions,
    )
    assert row.prompt_tokens == counters.prompt_tokens
    assert math.isclose(row.busy, counters.busy_seconds, rel_tol=1e-9, abs_tol=1e-9)
    return slow


@settings(max_examples=150)
@given(rows, profiles)
def test_one_replica_does_exactly_what_the_live_emulation_does(
    given_rows: list[Row], profile: ReplicaProfile
) -> None:
    assert_same(trace_of(given_rows), profile)


def test_a_half_computed_prompt_is_given_back_first_in_both() -> None:
    """Five answers grow by 210 tokens while a prompt of 2100 takes 42 chunks; 100 are free."""
    profile = replace(FLASH, kv_capacity_tokens=3000, chunk_tokens=50)
    answers: list[Row] = [(0.0, 100, 300, 0)] * 5
    trace = trace_of([*answers, (0.3, 2100, 20, 0)])

    slow = assert_same(trace, profile)

    counters = slow.snapshot().counters
    assert (counters.retractions, counters.retracted_output_tokens) == (1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A setting, and counts that are asked for at some times."""

    setting: Setting
    counts: list[tuple[float, int]]
    routable: bool


OVERLOADS: list[Overload] = ["plain", "engine-limit", "gateway"]
ROUTERS: list[Router] = ["least", "affinity"]
truths = st.builds(
    lambda name, noise: replace(TRUTHS[name], noise=noise),
    st.sampled_from(sorted(TRUTHS)),
    st.sampled_from([0.0, 0.1]),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    truth: Truth = draw(truths)
    setting = Setting(
        profile=draw(profiles),
        truth=truth,
        start_up_seconds=draw(st.sampled_from([0.0, 3.0, 40.0])),
        failed_starts=draw(st.sampled_from([0.0, 0.3])),
        quota=draw(st.sampled_from([None, 2])),
        router=draw(st.sampled_from(ROUTERS)),
        overload=draw(st.sampled_from(OVERLOADS)),
        admission_limit=draw(st.integers(1, 8)),
        initial_replicas=draw(st.integers(0, 2)),
        drain_seconds=1e6,
        seed=draw(st.integers(0, 3)),
    )
    counts = draw(st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(0, 4)), max_size=6))
    return Plan(setting=setting, counts=sorted(counts), routable=draw(st.booleans()))


def played(trace: Trace, plan: Plan) -> FleetSimulation:
    fleet = FleetSimulation(trace, plan.setting)
    for time, count in plan.counts:
        fleet.advance(time)
        fleet.set_desired(count)
        for replica in fleet.metrics():
            fleet.set_routable(replica.name, plan.routable or replica.name.endswith("0"))
    fleet.result()
    return fleet


def in_sessions(trace: Trace) -> Trace:
    return replace(trace, session=np.arange(len(trace)) % 3)


def counted(fleet: FleetSimulation, figure: str) -> float:
    """Summed over every replica that ever served."""
    rows = [*fleet._counted().values(), *(m.figures for m in fleet._gone if m.figures)]
    return sum(row[FIGURES.index(figure)] for row in rows)


@settings(max_examples=150)
@given(rows, plans(), st.booleans())
def test_no_request_and_no_token_is_lost_whatever_happens(
    given_rows: list[Row],
    plan: Plan,
    sessions: bool,  # noqa: FBT001 - drawn
) -> None:
    trace = in_sessions(trace_of(given_rows)) if sessions else trace_of(given_rows)
    fleet = played(trace, plan)
    requests, result = fleet._state.requests, fleet.result()
    finished = requests.fate == FINISHED

    assert set(requests.fate.tolist()) <= {FINISHED, TIMED_OUT, REJECTED}
    assert counted(fleet, "finished") == np.count_nonzero(finished)
    generated = counted(fleet, "decode_tokens") + counted(fleet, "emitted")
    assert generated == requests.output[finished].sum()
    assert counted(fleet, "finished_decode_tokens") == requests.output[finished].sum()
    if counted(fleet, "retractions") == 0:
        computed = (requests.prompt - requests.cached)[finished].sum()
        assert counted(fleet, "prefill_tokens") == computed
    for figure in ("running", "waiting", "held_tokens", "resident_tokens"):
        assert counted(fleet, figure) == 0
    assert sum(result.misses.values()) == np.count_nonzero(result.per_request.missed)


@settings(max_examples=60)
@given(rows, plans())
def test_what_is_billed_is_the_area_under_the_replicas(given_rows: list[Row], plan: Plan) -> None:
    trace = replace(trace_of(given_rows), seconds=100.0)
    result = played(trace, plan).result()
    series = result.series

    area = float(np.sum(series.billed * np.diff([*series.time, 100.0])))

    assert result.replica_hours * 3600 == pytest.approx(area, abs=1e-6)
    assert -1e-9 <= result.idle_hours <= result.gpu_hours + 1e-9
    assert result.loading_hours + result.draining_hours <= result.gpu_hours + 1e-9
    if plan.setting.quota is not None:
        allowed = max(plan.setting.quota, plan.setting.initial_replicas)
        assert series.billed.max() <= allowed


@settings(max_examples=60)
@given(rows, plans())
def test_times_of_a_request_are_in_order_and_never_before_its_arrival(
    given_rows: list[Row], plan: Plan
) -> None:
    requests = played(trace_of(given_rows), plan)._state.requests
    answered = ~np.isnan(requests.first_token)

    assert (requests.first_token[answered] > requests.arrival[answered]).all()
    assert (requests.ended[answered] >= requests.first_token[answered]).all()
    assert (requests.ended >= requests.arrival).all()
    late = requests.ended[requests.fate == TIMED_OUT]
    patience = plan.setting.profile.client_timeout_seconds
    assert late.tolist() == (requests.arrival[requests.fate == TIMED_OUT] + patience).tolist()
