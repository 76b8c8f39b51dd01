"""A policy on a fleet: when it looks, what it is told, and what becomes of what it says."""

from itertools import pairwise

import pytest

from v4operator.simulate.fast.setting import Setting
from v4operator.simulate.fast.trace import poisson_like
from v4operator.simulate.harness import Change, Run, play
from v4operator.simulate.policies.constant import Constant
from v4operator.simulate.policies.policy import Seen, Step
from v4operator.simulate.profiles import PROFILES

TRACE = poisson_like(rate=2.0, variation=1.0, seconds=600.0, prompt=500, output=100)
SETTING = Setting(profile=PROFILES["flash-fp8-4xh200"], initial_replicas=2, start_up_seconds=60.0)


class Scripted:
    """Asks for the counts of a script, one a decision, and keeps what it saw."""

    def __init__(self, *counts: int) -> None:
        self.period_seconds, self.scrape_seconds = 30.0, 15.0
        self._counts = list(counts)
        self.seen: list[tuple[float, int, float]] = []

    def decide(self, seen: Seen) -> Step:
        newest = seen.telemetry.newest
        self.seen.append((seen.now, len(seen.ready), newest.at if newest else -1.0))
        count = self._counts.pop(0) if self._counts else seen.desired
        unrouted = (("replica-0", False),) if len(self.seen) == 3 else ()
        return Step(desired=count, routable=unrouted)


def test_decisions_come_at_the_policys_pace_on_scrapes_no_older_than_its_interval() -> None:
    policy = Scripted()
    run = play(TRACE, SETTING, policy)
    times = [now for now, _, _ in policy.seen]
    assert run.decisions == len(times) == 20
    assert all(b - a == pytest.approx(30.0) for a, b in pairwise(times))
    assert all(now - at < 15.0 for now, _, at in policy.seen if at >= 0.0)


def test_what_is_asked_for_is_done() -> None:
    policy = Scripted(2, 4, 4, 3)
    run = play(TRACE, SETTING, policy)
    assert [(c.before, c.after) for c in run.changes] == [(2, 4), (4, 3)]
    assert max(ready for _, ready, _ in policy.seen) >= 3
    assert run.result.series.desired[-1] == 3


def test_the_phase_of_the_loops_depends_on_the_seed_alone() -> None:
    def begin(seed: int) -> float:
        policy = Scripted()
        play(TRACE, Setting(profile=SETTING.profile, seed=seed), policy)
        return policy.seen[0][0]

    assert begin(1) == begin(1)
    assert begin(1) != begin(2)


def test_the_heir_begins_without_scrapes_or_memory() -> None:
    first, heir = Scripted(), Scripted()
    play(TRACE, SETTING, first, heir=heir, heir_at=300.0)
    assert first.seen[-1][0] < 300.0 <= heir.seen[0][0]
    assert heir.seen[0][2] == -1.0


def test_a_constant_fleet_bills_its_count() -> None:
    run = play(TRACE, SETTING, Constant(2))
    assert run.changes == ()
    assert run.result.replica_hours == pytest.approx(2 * 600.0 / 3600.0)


class Limiting:
    """Tells the gateway one limit, and keeps how many ran at the last scrape."""

    period_seconds = scrape_seconds = 15.0

    def __init__(self, limit: int) -> None:
        self._limit, self.most = limit, 0.0

    def decide(self, seen: Seen) -> Step:
        newest = seen.telemetry.newest
        if newest is not None and newest.at > 60.0:
            running = (each.running for each in newest.replicas.values())
            self.most = max(self.most, *running)
        return Step(desired=seen.desired, admission_limit=self._limit)


@pytest.mark.parametrize(
    ("own_limit", "expected"),
    [
        pytest.param(True, 3, id="where the run is about it"),
        pytest.param(False, 5, id="else the setting's holds for everyone"),
    ],
)
def test_the_gateway_heeds_the_policys_limit(*, own_limit: bool, expected: int) -> None:
    policy = Limiting(3)
    crowd = poisson_like(rate=20.0, variation=1.0, seconds=300.0, prompt=500, output=200)
    gateway = Setting(profile=SETTING.profile, overload="gateway", admission_limit=5)
    play(crowd, gateway, policy, own_limit=own_limit)
    assert policy.most == expected


def _run(*changes: tuple[float, int, int]) -> Run:
    result = play(TRACE, SETTING, Constant(2)).result
    made = tuple(Change(time=t, before=b, after=a) for t, b, a in changes)
    return Run(result=result, changes=made, decisions=1, decision_seconds=0.0)


@pytest.mark.parametrize(
    ("changes", "reversals"),
    [
        pytest.param([(0.0, 2, 3), (500.0, 3, 2)], 1, id="taken back within ten minutes"),
        pytest.param([(0.0, 2, 3), (700.0, 3, 2)], 0, id="later is no reversal"),
        pytest.param([(0.0, 2, 3), (60.0, 3, 4)], 0, id="the same way twice"),
        pytest.param([(0.0, 2, 3), (60.0, 3, 2), (120.0, 2, 3)], 2, id="to and fro"),
    ],
)
def test_a_reversal_is_a_change_back_within_ten_minutes(
    changes: list[tuple[float, int, int]], reversals: int
) -> None:
    assert _run(*changes).reversals == reversals


def test_shrinks_are_counted_within_a_span() -> None:
    run = _run((0.0, 3, 2), (10.0, 2, 3), (20.0, 3, 1), (30.0, 1, 0))
    assert run.shrinks_within(5.0, 30.0) == 1
