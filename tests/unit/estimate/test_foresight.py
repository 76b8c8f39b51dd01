from dataclasses import replace

import pytest
from tests.plant import DECODE_PRICE as PRICE
from tests.plant import DEPLOYMENT

from v4operator.estimate.foresight import foresee, horizon_seconds
from v4operator.estimate.growth import PRIOR_SPREAD, spread_of
from v4operator.model.learned import FleetSample, Learned, StartUps

BLOCK = 30.0


def sample(time: float, replicas: float) -> FleetSample:
    return FleetSample(
        time=time,
        replicas=4,
        decode_tokens_per_second=1000.0 * replicas,
        prefill_tokens_per_second=0.0,
        prompt_tokens_per_second=0.0,
        first_tokens_per_second=None,
        finished_requests_per_second=None,
        running=20.0,
        waiting=0.0,
        kv_tokens=None,
    )


def lived(work: list[float]) -> Learned:
    """What is known after half minutes with that much work each, in replicas."""
    learned = Learned.empty("key")
    for step, replicas in enumerate(work):
        newest = sample(BLOCK * step, replicas)
        learned = replace(learned, history=(*learned.history, newest)[-30:])
        learned = foresee(learned, DEPLOYMENT, PRICE, newest)
    return learned


def test_the_horizon_is_the_learned_start_up_and_one_poll() -> None:
    quick = replace(Learned.empty("key"), start_ups=StartUps(durations_seconds=(120.0,) * 9))
    assert horizon_seconds(quick, DEPLOYMENT) == pytest.approx(125.0)


def test_a_steady_day_narrows_the_spread() -> None:
    steady = lived([3.0] * 2880)
    assert spread_of(steady.growth) == pytest.approx(PRIOR_SPREAD / 2**0.5, rel=0.02)
    assert len(steady.growth.expectations) <= 17  # a horizon of half minutes


def test_steps_that_nothing_announces_widen_it() -> None:
    hourly = ([1.0] * 60 + [3.0] * 60) * 24
    assert spread_of(lived(hourly).growth) > spread_of(lived([3.0] * 2880).growth)


def test_a_peak_that_comes_back_is_foreseen_and_costs_little() -> None:
    """The first rise is an error; later ones return to what is remembered."""
    rare = lived(([1.0] * 60 + [3.0] * 60) * 2).growth
    more = lived(([1.0] * 60 + [3.0] * 60) * 8).growth
    assert more.square_seconds < 4 * rare.square_seconds


def test_unseen_minutes_leave_the_spread_alone() -> None:
    steady = lived([3.0] * 40)
    assert foresee(steady, DEPLOYMENT, PRICE, None).growth == steady.growth
