from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plant import DEPLOYMENT, interval, replica_with

from v4operator.estimate.surge import dispersion_of, surge_of
from v4operator.model.learned import FleetSample
from v4operator.model.observation import Observation, ReplicaObservation, Workload

NOW = 10_000.0
POLL = 5.0
SPANS = (1, 2, 4)


def polled(name: str, *rates: float | None) -> ReplicaObservation:
    """A replica whose newest one, two and four polls show these arrivals a second."""
    newest = tuple(
        replace(interval(NOW - polls * POLL, NOW), arrived_requests_per_second=rate)
        for polls, rate in zip(SPANS, rates, strict=False)
    )
    return replace(replica_with(name, NOW), newest=newest)


def seen(*replicas: ReplicaObservation) -> Observation:
    workload = Workload(
        desired=len(replicas), version="1", replicas=tuple(r.replica for r in replicas)
    )
    return Observation(now=NOW, deployment=DEPLOYMENT, workload=workload, replicas=replicas)


def past(*rates: float | None) -> tuple[FleetSample, ...]:
    return tuple(
        FleetSample(
            time=NOW - 30.0 * (len(rates) - i),
            replicas=1,
            decode_tokens_per_second=1000.0,
            prefill_tokens_per_second=0.0,
            prompt_tokens_per_second=0.0,
            first_tokens_per_second=rate,
            finished_requests_per_second=None,
            running=10.0,
            waiting=0.0,
            kv_tokens=None,
        )
        for i, rate in enumerate(rates)
    )


CALM = past(*(2.0,) * 10)


@pytest.mark.parametrize(
    ("rates", "certain"),
    [
        pytest.param((2.0, 2.0, 2.0), None, id="as usual"),
        pytest.param((4.0, 3.0, 2.5), None, id="chance: 20 in a poll where 10 are usual"),
        pytest.param((24.0, 13.0, 7.5), 24.0 - (24.0 / 5.0) ** 0.5, id="the first whole poll"),
        pytest.param((9.0, 5.5, 3.75), 9.0 - (9.0 / 5.0) ** 0.5, id="it came within the poll"),
        pytest.param((24.0,), 24.0 - (24.0 / 5.0) ** 0.5, id="only two readings yet"),
        pytest.param((2.0, 2.0, 6.0), 6.0 - (6.0 / 20.0) ** 0.5, id="told by four polls alone"),
        pytest.param((0.0, 0.0, 0.0), None, id="a fall"),
    ],
)
def test_a_step_is_told_by_counts_that_chance_does_not_explain(
    rates: tuple[float, ...], certain: float | None
) -> None:
    assert surge_of(seen(polled("a", *rates)), CALM, 2.0).certain_requests_per_second == (
        None if certain is None else pytest.approx(certain)
    )


@pytest.mark.parametrize(
    ("rates", "history", "hinted"),
    [
        pytest.param((2.0, 2.0, 2.0), CALM, False, id="as usual"),
        pytest.param((3.4, 2.7, 2.3), CALM, False, id="17 where 10 are usual are chance"),
        pytest.param((3.8, 2.9, 2.4), CALM, True, id="19 may be the begin of a step"),
        pytest.param((24.0, 13.0, 7.5), CALM, True, id="what is certain is hinted at too"),
        pytest.param(
            (3.8, 2.9, 2.4), past(1.0, 4.0, 1.0, 2.0, 1.5), False, id="where counts scatter"
        ),
        pytest.param((0.0, 0.0, 0.0), CALM, False, id="a fall"),
        pytest.param((), CALM, False, id="without polls"),
    ],
)
def test_a_count_that_chance_seldom_explains_is_worth_another_look(
    rates: tuple[float, ...], history: tuple[FleetSample, ...], *, hinted: bool
) -> None:
    assert surge_of(seen(polled("a", *rates)), history, 2.0).hinted is hinted


def test_from_idle_five_requests_are_chance_and_seven_are_not() -> None:
    assert surge_of(seen(polled("a", 5.0 / POLL)), (), 0.0).certain_requests_per_second is None
    assert surge_of(
        seen(polled("a", 7.0 / POLL)), (), 0.0
    ).certain_requests_per_second == pytest.approx(1.4 - (1.4 / 5.0) ** 0.5)


def test_counts_of_all_replicas_are_one_count() -> None:
    each = polled("a", 5.0), polled("b", 5.0)
    assert surge_of(seen(each[0]), CALM, 2.0).certain_requests_per_second is None
    assert surge_of(seen(*each), CALM, 2.0).certain_requests_per_second == pytest.approx(
        10.0 - 2.0**0.5
    )


@pytest.mark.parametrize(
    ("seconds", "hinted"),
    [
        # 5 a second more than 8: their deviation is the root of 4 / 1 + 4 / 5, or of 4 / 5 + 4 / 5
        pytest.param(1.0, False, id="one was looked at again"),
        pytest.param(POLL, True, id="both over a whole poll"),
    ],
)
def test_a_count_over_a_short_time_scatters_more(seconds: float, *, hinted: bool) -> None:
    replicas = (
        replace(
            replica_with(name, NOW),
            newest=(replace(interval(NOW - span, NOW), arrived_requests_per_second=per_second),),
        )
        for name, span, per_second in (("a", seconds, 10.0), ("b", POLL, 3.0))
    )
    assert surge_of(seen(*replicas), (), 8.0).hinted is hinted


def test_work_that_a_new_replica_takes_over_is_no_step() -> None:
    assert (
        surge_of(seen(polled("a", 1.0), polled("b", 1.0)), CALM, 2.0).certain_requests_per_second
        is None
    )


def test_where_bursts_are_usual_one_more_is_no_news() -> None:
    bursty = past(0.5, 6.0, 0.5, 2.0, 0.2, 3.0, 0.5, 5.0)
    assert surge_of(seen(polled("a", 12.0)), CALM, 2.0).certain_requests_per_second is not None
    assert surge_of(seen(polled("a", 12.0)), bursty, 2.0).certain_requests_per_second is None


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param((), id="nothing seen"),
        pytest.param((1.0, 50.0, 1.0), id="three samples are chance"),
        pytest.param((None,) * 10, id="nobody counts"),
        pytest.param((0.0,) * 10, id="idle"),
        pytest.param((2.0,) * 10, id="more regular than chance"),
    ],
)
def test_arrivals_count_as_independent_until_they_are_seen_not_to_be(
    rates: tuple[float | None, ...],
) -> None:
    assert dispersion_of(past(*rates)) == 1.0


def test_the_scatter_is_variance_over_mean_of_a_minutes_counts() -> None:
    # 60 and 180 in turn: mean 120, variance 3600 * 8 / 7
    assert dispersion_of(past(*(1.0, 3.0) * 4)) == pytest.approx(3600.0 * 8.0 / 7.0 / 120.0)


def test_without_polls_nothing_surges() -> None:
    assert surge_of(seen(replica_with("a", NOW)), CALM, 2.0).certain_requests_per_second is None
    assert surge_of(seen(polled("a", None, None)), CALM, 2.0).certain_requests_per_second is None


@given(rate=st.floats(0.0, 1e4), usual=st.floats(0.0, 1e4))
def test_what_is_certain_lies_between_the_usual_and_the_counted(rate: float, usual: float) -> None:
    found = surge_of(seen(polled("a", rate)), CALM, usual).certain_requests_per_second
    assert found is None or usual < found <= rate


def test_what_a_new_replica_takes_over_from_others_is_no_step() -> None:
    old, new = polled("old", 24.0, 24.0, 24.0), polled("new", 24.0, 12.0, 6.0)
    young = replace(new, replica=replace(new.replica, ready_at=NOW - 5.0))
    assert surge_of(seen(old, young), CALM, 24.0).certain_requests_per_second is None
    assert surge_of(seen(old, new), CALM, 24.0).certain_requests_per_second is not None
