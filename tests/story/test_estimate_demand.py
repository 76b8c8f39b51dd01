"""Demand over time: a ramp is seen early enough, noise and an idle service ask for nothing more."""

from collections.abc import Callable, Iterator

import pytest
from tests.plant import Fleet, swing

from v4operator.model.forecast import Forecast

RAMP_AT = 1800.0


def work(rate: float) -> float:
    """Replicas for so many requests a second of 1200 prompt and 600 answer tokens.

    A replica works all of the 29.2 ms that a step takes at the objective but its base, 2.8 ms.
    """
    return rate * (600.0 * 0.41e-3 + 1200.0 * 19.3e-6) / (1.0 - 2.8 / 29.2)


def ramp(base: float, seconds: float) -> Callable[[float], float]:
    """Requests a second that triple within so many seconds."""
    return lambda time: base * (1.0 + 2.0 * min(1.0, max(0.0, time - RAMP_AT) / seconds))


def ramped(rate: Callable[[float], float], seed: int) -> Fleet:
    return Fleet(rate=rate, names=tuple(f"flash-{i}" for i in range(6)), seed=seed)


def between(course: list[Forecast], start: float, end: float) -> Iterator[Forecast]:
    return (f for f in course if start <= f.now < end)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("seconds", [900.0, 1200.0], ids=["15 minutes", "20 minutes"])
def test_a_tripling_ramp_is_forecast_before_it_is_there(seconds: float, seed: int) -> None:
    rate = ramp(4.0, seconds)
    course = list(ramped(rate, seed).run(1.0))
    horizon = course[0].demand.horizon_seconds
    # from seven minutes into the ramp on, the forecast covers four fifths at least
    for seen in between(course, RAMP_AT + 420.0, RAMP_AT + seconds):
        assert seen.demand.horizon_replicas > 0.8 * work(rate(seen.now + horizon))


def test_the_forecast_of_a_ramp_never_doubles_twice() -> None:
    for seen in ramped(ramp(4.0, 900.0), 1).run(1.0):
        most = 2.0 * seen.demand.now_replicas
        assert seen.demand.horizon_replicas <= most + 2.0


def test_steady_load_is_forecast_as_steady() -> None:
    course = [f for f in Fleet(rate=lambda _t: 7.0).run(3.0) if f.now > 1800.0]
    trends = sum(1 for f in course if f.demand.trend_replicas_per_second > 0.0)
    assert trends < 0.01 * len(course)
    levels = [f.demand.now_replicas for f in course]
    middle = sum(levels) / len(levels)
    assert all(abs(level - middle) < 0.3 * middle for level in levels)


@pytest.mark.parametrize("rate", [7.0, 11.0])
def test_demand_at_the_objective_is_the_work_that_arrives(rate: float) -> None:
    course = [f for f in Fleet(rate=lambda _t: rate).run(2.0) if f.now > 3600.0]
    mean = sum(f.demand.now_replicas for f in course) / len(course)
    assert mean == pytest.approx(work(rate), rel=0.08)


def test_a_service_that_falls_idle_asks_for_nothing() -> None:
    *_, last = Fleet(rate=lambda t: swing(t) if t < 1800.0 else 0.0).run(1.0)
    assert last.demand.computable
    assert last.demand.now_replicas == pytest.approx(0.0, abs=1e-6)
    assert last.demand.horizon_replicas == pytest.approx(0.0, abs=1e-3)


def test_more_than_a_third_silent_makes_the_demand_unknown() -> None:
    *_, last = Fleet(rate=swing, silent=lambda name, _t: name[-1] in "12").run(0.1)
    assert not last.demand.computable
    assert last.demand.reason == "2 of 4 ready replicas give no fresh decode counts"
