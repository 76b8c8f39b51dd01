from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4operator.estimate.price import Price
from v4operator.estimate.traffic import highest, remembered, traffic_of, work_of
from v4operator.model.learned import FleetSample, Traffic

PRICE = Price(  # a request of 1000 + 500 tokens takes 0.4 s of a replica
    decode_token_seconds=0.6e-3,
    prefill_token_seconds=60e-6,
    request_decode_tokens=500.0,
    request_prefill_tokens=1000.0,
    work_share=0.9,
)
NOW = 10_000.0
WINDOW = 600.0


def sample(time: float = NOW, *, first: float | None = 2.0, **changes: float | None) -> FleetSample:
    values = FleetSample(
        time=time,
        replicas=2,
        decode_tokens_per_second=900.0,
        prefill_tokens_per_second=0.0,
        prompt_tokens_per_second=0.0,
        first_tokens_per_second=first,
        finished_requests_per_second=None,
        running=20.0,
        waiting=0.0,
        kv_tokens=None,
    )
    return replace(values, **changes)  # type: ignore[arg-type] # figures of the sample


def course(count: int, **changes: float | None) -> tuple[FleetSample, ...]:
    """Samples half a minute apart, the newest at NOW."""
    return tuple(sample(NOW - 30.0 * i, **changes) for i in reversed(range(count)))


def test_arrivals_are_a_mean_over_five_minutes_while_nothing_waits() -> None:
    history = (*course(20, first=1.0)[:-5], *course(5, first=3.0))
    found = traffic_of(history[-1], history[:-1])
    assert found.requests_per_second == pytest.approx(2.0)  # five of ten samples


def test_arrivals_are_a_mean_over_two_minutes_once_requests_wait() -> None:
    history = (*course(20, first=1.0)[:-5], *course(5, first=3.0, waiting=30.0))
    found = traffic_of(history[-1], history[:-1])
    assert found.requests_per_second == pytest.approx(3.0)


def test_what_is_held_back_counts_as_arrived() -> None:
    before = sample(NOW - 60.0, waiting=0.0, lost_total=100.0)
    now = sample(waiting=60.0, lost_total=160.0)
    assert traffic_of(now, (before,)).requests_per_second == pytest.approx(4.0)


def test_a_counter_of_losses_that_starts_anew_takes_nothing_away() -> None:
    before = sample(NOW - 60.0, lost_total=100.0)
    assert traffic_of(sample(lost_total=0.0), (before,)).requests_per_second == pytest.approx(2.0)


def test_what_is_served_is_a_mean_of_two_minutes_that_share_nothing() -> None:
    history = (
        sample(NOW - 60.0, decode_tokens_per_second=300.0),
        sample(NOW - 30.0, decode_tokens_per_second=9000.0),
    )
    found = traffic_of(sample(), history)
    assert found.decode_tokens_per_second == pytest.approx(600.0)


def test_an_old_minute_is_no_neighbour() -> None:
    history = (sample(NOW - 200.0, decode_tokens_per_second=300.0),)
    assert traffic_of(sample(), history).decode_tokens_per_second == pytest.approx(900.0)


def test_without_counts_of_begun_requests_only_what_is_served_is_known() -> None:
    found = traffic_of(sample(first=None), ())
    assert found.requests_per_second is None
    assert work_of(found, PRICE) == pytest.approx(0.6)


def test_a_peak_is_remembered_for_twelve_windows() -> None:
    peak = Traffic(
        time=NOW - 12.0 * WINDOW + 1.0,
        requests_per_second=20.0,
        decode_tokens_per_second=0.0,
        prefill_tokens_per_second=0.0,
    )
    kept = remembered((peak,), course(20), PRICE, WINDOW)
    assert highest(kept, PRICE) == pytest.approx(20.0 * PRICE.request_seconds)
    older = replace(peak, time=peak.time - 2.0)
    assert highest(remembered((older,), course(20), PRICE, WINDOW), PRICE) < 1.0


def test_a_stretch_keeps_its_busiest_moment_and_its_begin() -> None:
    first = remembered((), (sample(first=5.0),), PRICE, WINDOW)
    same = remembered(first, (sample(NOW + 60.0, first=3.0),), PRICE, WINDOW)
    assert same == first
    busier = remembered(first, (sample(NOW + 60.0, first=8.0),), PRICE, WINDOW)
    assert [(p.time, p.requests_per_second) for p in busier] == [(NOW, 8.0)]
    later = remembered(busier, (sample(NOW + 300.0, first=1.0),), PRICE, WINDOW)
    assert [p.time for p in later] == [NOW, NOW + 300.0]


def test_a_service_without_work_for_a_whole_window_is_forgotten() -> None:
    busy = remembered((), (sample(first=5.0),), PRICE, WINDOW)
    idle = {"first": 0.0, "decode_tokens_per_second": 0.0, "running": 0.2}
    assert remembered(busy, course(10, **idle), PRICE, WINDOW) == busy
    assert remembered(busy, course(22, **idle), PRICE, WINDOW) == ()


def test_no_peak_is_no_work() -> None:
    assert highest(remembered((), (), PRICE, WINDOW), PRICE) == 0.0


@given(st.lists(st.floats(0.1, 50.0), min_size=1, max_size=60))
def test_the_memory_is_bounded_and_never_below_the_newest_stretch(rates: list[float]) -> None:
    peaks: tuple[Traffic, ...] = ()
    for index, rate in enumerate(rates):
        newest = sample(NOW + 450.0 * index, first=rate)
        peaks = remembered(peaks, (newest,), PRICE, WINDOW)
    assert len(peaks) <= 24
    assert highest(peaks, PRICE) >= work_of(traffic_of(newest, ()), PRICE)


def test_what_new_replicas_work_off_is_not_taken_for_demand() -> None:
    before = sample(NOW - 60.0, running=320.0, waiting=30.0)
    now = sample(running=20.0, waiting=0.0, decode_tokens_per_second=6000.0)
    cleared = traffic_of(now, (before,))
    assert cleared.cleared_requests_per_second == pytest.approx((30.0 + 300.0 / 2.0) / 60.0)
    level = replace(cleared, cleared_requests_per_second=0.0)
    assert work_of(cleared, PRICE) == pytest.approx(
        work_of(level, PRICE) - 3.0 * PRICE.request_seconds
    )


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((), id="no minute before"),
        pytest.param((sample(NOW - 60.0, running=5.0),), id="it fills up"),
    ],
)
def test_where_nothing_is_worked_off_all_that_is_served_is_demand(
    history: tuple[FleetSample, ...],
) -> None:
    assert traffic_of(sample(), history).cleared_requests_per_second == 0.0


def test_only_stretches_begun_since_a_time_count_where_one_is_given() -> None:
    peaks = tuple(traffic_of(sample(t, first=r), ()) for t, r in ((100.0, 9.0), (700.0, 5.0)))
    assert highest(peaks, PRICE) == pytest.approx(9.0 * PRICE.request_seconds)
    assert highest(peaks, PRICE, since=100.0) == pytest.approx(5.0 * PRICE.request_seconds)
    assert highest(peaks, PRICE, since=700.0) == 0.0
