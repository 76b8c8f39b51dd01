from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from v4operator.model.reading import Engine, RankReading
from v4operator.observe.window import MAX_READINGS, SPAN_SECONDS, ReplicaWindow, restarted

if TYPE_CHECKING:
    from tests.conftest import MakeReading


def _rank(number: int, *, decode: float | None = None, prompt: float | None = None) -> RankReading:
    return RankReading(
        rank=number,
        running_requests=None,
        waiting_requests=None,
        kv_usage_ratio=None,
        decode_tokens_total=decode,
        prompt_tokens_total=prompt,
        kv_capacity_tokens=None,
    )


def test_counters_become_rates_between_two_readings(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    window.add(
        100.0,
        make_reading(
            decode_tokens_total=1000.0,
            prompt_tokens_total=5000.0,
            prefill_tokens_total=4000.0,
            first_tokens_total=10.0,
            finished_requests_total=8.0,
            preemptions_total=0.0,
        ),
    )
    window.add(
        105.0,
        make_reading(
            decode_tokens_total=1500.0,
            prompt_tokens_total=6000.0,
            prefill_tokens_total=4050.0,
            first_tokens_total=12.0,
            finished_requests_total=9.0,
            preemptions_total=5.0,
        ),
    )
    (interval,) = window.intervals_since(0.0)
    assert (interval.start, interval.end, interval.seconds) == (100.0, 105.0, 5.0)
    assert interval.decode_tokens_per_second == 100.0
    assert interval.prompt_tokens_per_second == 200.0
    assert interval.prefill_tokens_per_second == 10.0
    assert interval.first_tokens_per_second == 0.4
    assert interval.finished_requests_per_second == 0.2
    assert interval.preemptions_per_second == 1.0


def test_gauges_are_means_over_time_and_not_over_samples(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at, running in ((0.0, 10.0), (1.0, 10.0), (2.0, 10.0), (10.0, 0.0)):
        window.add(at, make_reading(running_requests=running, waiting_requests=running * 2))
    interval = window.over(10.0, 10.0)
    assert interval is not None
    assert interval.running_mean == pytest.approx(6.0)  # (2 s of 10 + 8 s of 5) / 10 s
    assert interval.waiting_mean == pytest.approx(12.0)


def test_a_figure_absent_at_one_end_is_unknown_and_not_zero(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    window.add(0.0, make_reading())
    window.add(5.0, make_reading(running_requests=3.0, decode_tokens_total=900.0))
    (interval,) = window.intervals_since(0.0)
    assert interval.running_mean is None
    assert interval.decode_tokens_per_second is None
    assert interval.accept_length is None


def test_first_tokens_are_left_out_where_they_are_counted(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at, decode, first in ((0.0, 0.0, 0.0), (10.0, 1000.0, 50.0)):
        window.add(
            at,
            make_reading(
                engine=Engine.VLLM,
                decode_includes_first_token=True,
                decode_tokens_total=decode,
                first_tokens_total=first,
            ),
        )
    (interval,) = window.intervals_since(0.0)
    assert interval.decode_tokens_per_second == 95.0


@pytest.mark.parametrize(
    ("first", "expected"),
    [((None, None), 100.0), ((0.0, 2000.0), 0.0)],
    ids=["first tokens unknown: all are taken", "read a moment apart: never negative"],
)
def test_decode_rate_with_odd_first_tokens(
    make_reading: MakeReading, first: tuple[float | None, float | None], expected: float
) -> None:
    window = ReplicaWindow()
    for at, decode, started in ((0.0, 0.0, first[0]), (10.0, 1000.0, first[1])):
        window.add(
            at,
            make_reading(
                decode_includes_first_token=True,
                decode_tokens_total=decode,
                first_tokens_total=started,
            ),
        )
    assert window.intervals_since(0.0)[0].decode_tokens_per_second == expected


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"resident_tokens": 7000.0, "kv_usage_ratio": 0.9, "kv_capacity_tokens": 1.0}, 7000.0),
        ({"kv_usage_ratio": 0.5, "kv_capacity_tokens": 4000.0}, 2000.0),
        ({"kv_usage_ratio": 0.5}, None),
        ({"kv_capacity_tokens": 4000.0}, None),
    ],
    ids=["as told", "share of the pool", "no capacity", "no share"],
)
def test_resident_context_comes_from_the_best_figure_there_is(
    make_reading: MakeReading, figures: dict[str, Any], expected: float | None
) -> None:
    window = ReplicaWindow()
    window.add(0.0, make_reading(**figures))
    window.add(1.0, make_reading(**figures))
    assert window.intervals_since(0.0)[0].kv_tokens_mean == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {"drafts_total": 100.0, "accepted_tokens_total": 50.0},
            {"drafts_total": 200.0, "accepted_tokens_total": 120.0},
            1.7,
        ),
        (
            {"drafts_total": 100.0, "accepted_tokens_total": 50.0},
            {"drafts_total": 100.0, "accepted_tokens_total": 50.0},
            None,
        ),
        ({"accept_length": 2.0}, {"accept_length": 3.0}, 2.5),
        ({"accept_length": 0.0}, {"accept_length": 0.0}, None),
    ],
    ids=["vLLM counters", "no draft made", "SGLang gauge", "SGLang without speculation"],
)
def test_accepted_length(
    make_reading: MakeReading,
    before: dict[str, float],
    after: dict[str, float],
    expected: float | None,
) -> None:
    window = ReplicaWindow()
    window.add(0.0, make_reading(**before))
    window.add(4.0, make_reading(**after))
    assert window.intervals_since(0.0)[0].accept_length == expected


def test_accepted_length_of_a_window_weighs_each_draft_alike(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at, drafts, accepted in ((0.0, 0.0, 0.0), (5.0, 10.0, 20.0), (10.0, 100.0, 20.0)):
        window.add(at, make_reading(drafts_total=drafts, accepted_tokens_total=accepted))
    interval = window.over(10.0, 10.0)
    assert interval is not None
    assert interval.accept_length == pytest.approx(1.2)


def test_nothing_is_known_of_the_interval_in_which_the_engine_restarted(
    make_reading: MakeReading,
) -> None:
    window = ReplicaWindow()
    for at, decode, prompt in (
        (0.0, 1e6, 100.0),
        (5.0, 1e6 + 500.0, 200.0),
        (10.0, 40.0, 300.0),
        (15.0, 540.0, 400.0),
    ):
        window.add(
            at,
            make_reading(
                decode_tokens_total=decode, prompt_tokens_total=prompt, running_requests=4.0
            ),
        )
    before, across, after = window.intervals_since(0.0)
    assert before.decode_tokens_per_second == after.decode_tokens_per_second == 100.0
    assert across.decode_tokens_per_second is None
    assert across.prompt_tokens_per_second is None  # it grew, but it is another counter
    assert across.running_mean is None
    assert window.up_since == 10.0
    whole = window.over(15.0, 15.0)
    assert whole is not None
    assert whole.decode_tokens_per_second == pytest.approx(100.0)


def test_a_derived_counter_that_dips_is_unknown_alone(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at, prefill in ((0.0, 100.0), (5.0, 98.0)):
        window.add(at, make_reading(prefill_tokens_total=prefill, decode_tokens_total=at))
    (interval,) = window.intervals_since(0.0)
    assert interval.prefill_tokens_per_second is None
    assert interval.decode_tokens_per_second == 1.0
    assert window.up_since == 0.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"decode_tokens_total": 10.0}, {"decode_tokens_total": 9.0}),
        ({"finished_requests_total": 10.0}, {"finished_requests_total": 0.0}),
        ({"engine": Engine.VLLM}, {"engine": Engine.SGLANG}),
        (
            {"decode_tokens_total": 30.0, "ranks": (_rank(0, decode=10.0), _rank(1, decode=20.0))},
            {"decode_tokens_total": 50.0, "ranks": (_rank(0, decode=49.0), _rank(1, decode=1.0))},
        ),
        ({"ranks": (_rank(0, prompt=5.0),)}, {"ranks": (_rank(0, prompt=4.0),)}),
    ],
    ids=[
        "decode fell",
        "finished fell",
        "another engine",
        "one rank fell in a growing sum",
        "rank",
    ],
)
def test_a_restart_is_seen(
    make_reading: MakeReading, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert restarted(make_reading(**before), make_reading(**after))
    assert not restarted(make_reading(**before), make_reading(**before))


def test_a_rank_that_vanishes_and_returns_makes_no_spike(make_reading: MakeReading) -> None:
    both = (_rank(0, decode=1000.0), _rank(1, decode=1e9))
    window = ReplicaWindow()
    window.add(0.0, make_reading(decode_tokens_total=None, ranks=both[:1]))
    window.add(5.0, make_reading(decode_tokens_total=1000.0, ranks=both[:1]))
    window.add(10.0, make_reading(decode_tokens_total=1e9 + 1000.0, ranks=both))
    assert [i.decode_tokens_per_second for i in window.intervals_since(0.0)] == [None, None]
    assert window.up_since == 0.0


@pytest.mark.parametrize("at", [5.0, 4.0], ids=["same time", "earlier"])
def test_a_reading_that_is_not_newer_is_ignored(make_reading: MakeReading, at: float) -> None:
    window = ReplicaWindow()
    assert window.add(5.0, make_reading(decode_tokens_total=1.0))
    assert not window.add(at, make_reading(decode_tokens_total=99.0))
    assert window.latest == make_reading(decode_tokens_total=1.0)
    assert window.latest_at == 5.0


def test_gauges_are_not_drawn_through_a_long_silence(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at in (0.0, 300.0):
        window.add(at, make_reading(running_requests=8.0, decode_tokens_total=at * 10))
    (interval,) = window.intervals_since(0.0)
    assert interval.running_mean is None
    assert interval.decode_tokens_per_second == 10.0


def test_a_figure_known_for_less_than_half_of_a_window_is_unknown(
    make_reading: MakeReading,
) -> None:
    window = ReplicaWindow()
    for at, waiting in ((0.0, None), (30.0, None), (40.0, 5.0), (60.0, 5.0)):
        window.add(at, make_reading(running_requests=1.0, waiting_requests=waiting))
    interval = window.over(60.0, 60.0)
    assert interval is not None
    assert interval.running_mean == 1.0
    assert interval.waiting_mean is None


@pytest.mark.parametrize(
    ("times", "now", "covered"),
    [
        ((), 60.0, None),
        ((55.0,), 60.0, None),
        ((40.0, 60.0), 60.0, None),
        ((30.0, 60.0), 60.0, (30.0, 60.0)),
        ((-5.0, 5.0, 50.0), 60.0, (5.0, 50.0)),
        ((0.0, 30.0, 60.0, 90.0), 60.0, (0.0, 60.0)),
    ],
    ids=["empty", "one reading", "a third", "half", "old one left out", "later one left out"],
)
def test_a_window_covers_what_was_seen_of_it(
    make_reading: MakeReading,
    times: tuple[float, ...],
    now: float,
    covered: tuple[float, float] | None,
) -> None:
    window = ReplicaWindow()
    for at in times:
        window.add(at, make_reading())
    interval = window.over(60.0, now)
    assert (None if interval is None else (interval.start, interval.end)) == covered


def test_intervals_since_gives_each_interval_once(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at in (0.0, 5.0, 10.0, 15.0):
        window.add(at, make_reading())
    assert [i.end for i in window.intervals_since(5.0)] == [10.0, 15.0]
    assert [i.end for i in window.intervals_since(7.0)] == [10.0, 15.0]
    assert window.intervals_since(15.0) == ()
    assert ReplicaWindow().intervals_since(0.0) == ()


def test_a_reading_on_its_way_while_somebody_looks_is_not_lost(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for at in (0.0, 5.0):
        window.add(at, make_reading(), seen_at=at + 0.5)
    looked = 10.2
    assert [i.end for i in window.intervals_since(looked)] == []
    window.add(10.0, make_reading(), seen_at=10.5)
    assert [i.end for i in window.intervals_since(looked)] == [10.0]


def test_an_empty_window_knows_nothing() -> None:
    window = ReplicaWindow()
    assert (window.latest, window.latest_at, window.up_since) == (None, None, None)


@pytest.mark.parametrize("step", [0.1, 5.0], ids=["many a second", "every five seconds"])
def test_the_window_is_bounded_in_count_and_time(make_reading: MakeReading, step: float) -> None:
    window = ReplicaWindow()
    reading = make_reading()
    for turn in range(3 * MAX_READINGS):
        window.add(turn * step, reading)
    intervals = window.intervals_since(float("-inf"))
    assert len(intervals) < MAX_READINGS
    assert intervals[-1].end - intervals[0].start <= SPAN_SECONDS


def test_a_counter_that_moves_at_finish_has_no_rate_from_poll_to_poll(
    make_reading: MakeReading,
) -> None:
    window = ReplicaWindow()
    for second in range(0, 65, 5):
        window.add(
            100.0 + second,
            make_reading(
                running_requests=2.0,
                decode_tokens_total=600.0 * (second // 30),
                prompt_tokens_total=10.0 * second,
                counted_at_finish=("decode_tokens_total",),
            ),
        )
    intervals = window.intervals_since(0.0)
    assert {interval.decode_tokens_per_second for interval in intervals} == {None}
    assert {interval.prompt_tokens_per_second for interval in intervals} == {10.0}
    minute = window.over(60.0, 160.0)
    assert minute is not None
    assert minute.decode_tokens_per_second == 1200.0 / 60.0


def test_the_newest_polls_are_joined_by_one_two_and_four(make_reading: MakeReading) -> None:
    window = ReplicaWindow()
    for poll in range(6):
        window.add(5.0 * poll, make_reading(first_tokens_total=2.0 * poll**2))
    spans = window.newest(60.0)
    assert [(i.start, i.end) for i in spans] == [(20.0, 25.0), (15.0, 25.0), (5.0, 25.0)]
    assert [i.first_tokens_per_second for i in spans] == [3.6, 3.2, 2.4]


def test_polls_longer_than_asked_for_and_single_readings_tell_nothing_new(
    make_reading: MakeReading,
) -> None:
    window = ReplicaWindow()
    assert window.newest(60.0) == ()
    window.add(0.0, make_reading())
    assert window.newest(60.0) == ()
    window.add(40.0, make_reading())
    window.add(80.0, make_reading())
    assert [i.seconds for i in window.newest(60.0)] == [40.0]


@pytest.mark.parametrize(
    ("before", "after", "arrived"),
    [
        pytest.param({"first_tokens_total": 0.0}, {"first_tokens_total": 10.0}, 2.0, id="begun"),
        pytest.param(
            {"first_tokens_total": 0.0, "waiting_requests": 1.0},
            {"first_tokens_total": 10.0, "waiting_requests": 6.0},
            3.0,
            id="begun, and more wait",
        ),
        pytest.param(
            {"first_tokens_total": 0.0, "waiting_requests": 20.0},
            {"first_tokens_total": 10.0, "waiting_requests": 0.0},
            0.0,
            id="a queue that empties: nobody came",
        ),
        pytest.param(
            {"running_requests": 1.0, "waiting_requests": 0.0},
            {"running_requests": 6.0, "waiting_requests": 5.0},
            2.0,
            id="nobody counts those begun: both gauges",
        ),
        pytest.param({}, {}, None, id="nothing told"),
    ],
)
def test_arrivals_are_those_begun_and_those_that_came_to_wait(
    make_reading: MakeReading,
    before: dict[str, float],
    after: dict[str, float],
    arrived: float | None,
) -> None:
    window = ReplicaWindow()
    nothing = {"running_requests": None, "waiting_requests": None, "first_tokens_total": None}
    window.add(0.0, make_reading(**(nothing | before)))
    window.add(5.0, make_reading(**(nothing | after)))
    (interval,) = window.intervals_since(0.0)
    assert interval.arrived_requests_per_second == arrived
