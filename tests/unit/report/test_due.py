"""A forecast comes back when it falls due."""

from tests.fleets import START, demand, forecast

from v4operator.report.due import DueForecasts


def made(due: DueForecasts, at: float, horizon: float, replicas: float, **changes: object) -> None:
    asked = demand(1.0, replicas, horizon_seconds=horizon, **changes)
    due.add(forecast(asked, now=START + at))


def test_nothing_is_due_before_the_first_horizon_has_passed() -> None:
    due = DueForecasts()
    made(due, 0.0, 100.0, 3.0)
    assert due.at(START + 99.0) is None
    assert due.at(START + 100.0) == 3.0


def test_the_latest_that_fell_due_is_told() -> None:
    due = DueForecasts()
    for second in range(20):
        made(due, float(second), 10.0, float(second))
    assert due.at(START + 14.5) == 4.0
    assert due.at(START + 15.0) == 5.0


def test_what_fell_due_long_ago_is_not_a_forecast_for_now() -> None:
    due = DueForecasts()
    made(due, 0.0, 10.0, 3.0)
    assert due.at(START + 70.0) == 3.0
    assert due.at(START + 70.1) is None


def test_a_shorter_look_ahead_replaces_a_longer_one_for_the_same_time() -> None:
    due = DueForecasts()
    made(due, 0.0, 100.0, 9.0)
    made(due, 50.0, 20.0, 2.0)
    assert due.at(START + 70.0) == 2.0
    assert due.at(START + 101.0) == 2.0


def test_a_demand_that_could_not_be_computed_was_no_forecast() -> None:
    due = DueForecasts()
    made(due, 0.0, 10.0, 3.0, computable=False)
    assert due.at(START + 10.0) is None


def test_what_waits_is_bounded() -> None:
    due = DueForecasts()
    for second in range(5000):
        made(due, float(second), 86_400.0, 1.0)
    assert len(due._waiting) == 2000
