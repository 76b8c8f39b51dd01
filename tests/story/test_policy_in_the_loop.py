"""The operator scales a simulated fleet: shorter days than the benchmark's, the same code."""

from dataclasses import replace

import pytest

from v4operator.simulate.fast.setting import Blind, Overload
from v4operator.simulate.fast.trace import Trace, poisson_like
from v4operator.simulate.fast.truths import TRUTHS
from v4operator.simulate.ground import Ground, Objective, ground_of
from v4operator.simulate.harness import Run, play
from v4operator.simulate.policies.ours import Ours
from v4operator.simulate.policies.registry import POLICIES
from v4operator.simulate.scenarios import own_trace

PROFILE = "flash-fp8-4xh200"
HOUR = 3600.0


def steady(hours: float, rate: float = 6.0) -> Trace:
    return poisson_like(
        rate=rate, variation=1.0, seconds=hours * HOUR, prompt=1000, output=300, seed=3
    )


def ground(trace: Trace, overload: Overload = "gateway", *, hidden: float = 1.0) -> Ground:
    truth = TRUTHS["linear"].with_hidden_factor(hidden)
    return ground_of(
        own_trace(truth, 0.99),
        trace,
        profile=PROFILE,
        objective=Objective(start_up_seconds=240.0),
        overload=overload,
        seed=1,
    )


def ours(of: Ground) -> Ours:
    made = POLICIES["ours"].build(PROFILE, of.briefing)
    assert isinstance(made, Ours)
    return made


def played(of: Ground, *, heir_at: float | None = None) -> tuple[Run, Ours]:
    policy = ours(of)
    heir = None if heir_at is None else ours(of)
    run = play(of.trace, of.setting, policy, heir=heir, heir_at=heir_at or float("inf"))
    return run, policy


def test_at_rest_nothing_is_reversed() -> None:
    run, _ = played(ground(steady(3.0)))
    assert run.reversals == 0
    assert run.result.attainment > 0.999


@pytest.mark.parametrize("overload", ["plain", "engine-limit", "gateway"])
def test_a_step_is_followed_and_the_fleet_comes_down_again(overload: Overload) -> None:
    trace = steady(5.0).amplified(1.0 * HOUR, 1.5 * HOUR, 4)
    run, _ = played(ground(trace, overload))
    grown = int(run.result.series.desired.max())
    assert grown >= 5  # of 0.9 replicas of work, four times
    assert run.result.series.desired[-1] < grown / 2
    assert run.result.misses["cut"] == 0


def test_the_gateways_queue_makes_a_step_seen_that_the_engines_hide() -> None:
    of = ground(steady(2.0).amplified(1.0 * HOUR, 1.5 * HOUR, 6))
    seen, _ = played(of)
    hidden = replace(of, briefing=replace(of.briefing, gateway=False))
    blinkered, _ = played(hidden)
    assert seen.result.misses["timeout"] < blinkered.result.misses["timeout"]


def test_a_peak_is_remembered_for_two_hours() -> None:
    trace = steady(4.0, rate=3.0).amplified(1.0 * HOUR, 1.5 * HOUR, 6)
    run, _ = played(ground(trace))
    series = run.result.series
    before, soon, late = (
        int(series.desired[series.time <= at * HOUR][-1]) for at in (0.9, 2.7, 3.95)
    )
    assert soon >= 2 * before
    assert late < soon


@pytest.mark.parametrize("hidden", [0.5, 2.0], ids=["twice as fast", "half as fast"])
def test_a_wrong_catalogue_is_right_within_the_hour(hidden: float) -> None:
    of = ground(steady(1.0, rate=24.0 / hidden), hidden=hidden)
    _, policy = played(of)
    assert policy.last is not None
    capacity = policy.last[0].capacity
    law = of.setting.profile.step
    each = law.per_sequence_seconds + law.per_prefill_token_seconds * 1000.0 / 300.0
    tokens = (1.0 - law.base_seconds * 30.0) / (each * hidden)
    assert capacity is not None
    assert capacity.decode_tokens_per_second == pytest.approx(tokens, rel=0.12)


def test_blind_nothing_shrinks() -> None:
    trace = steady(3.0).amplified(0.5 * HOUR, 1.0 * HOUR, 4)
    of = ground(trace)
    blind = (Blind(begin=1.2 * HOUR, end=1.8 * HOUR),)
    run, _ = played(replace(of, setting=replace(of.setting, blind=blind)))
    assert run.shrinks_within(1.2 * HOUR + 60.0, 1.8 * HOUR) == 0
    assert run.shrinks_within(1.8 * HOUR, 3.0 * HOUR) > 0


def test_a_new_controller_shrinks_nothing_within_its_first_window() -> None:
    trace = steady(3.0).amplified(0.5 * HOUR, 1.0 * HOUR, 4)
    run, _ = played(ground(trace), heir_at=1.2 * HOUR)
    assert run.shrinks_within(1.2 * HOUR, 1.2 * HOUR + 600.0) == 0
    assert run.shrinks_within(1.2 * HOUR + 600.0, 3.0 * HOUR) > 0
