from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4operator.observe.window import ReplicaWindow

if TYPE_CHECKING:
    from tests.conftest import MakeReading

    from v4operator.model.observation import Interval

_STEPS = st.lists(
    st.tuples(
        st.floats(0.1, 100.0),  # seconds
        st.integers(0, 100_000),  # decode tokens, first tokens apart
        st.integers(0, 100),  # first tokens
        st.integers(0, 256),  # running requests
        st.booleans(),  # whether the engine restarts in it
    ),
    min_size=2,
    max_size=60,
)
_Step = tuple[float, int, int, int, bool]


def _filled(make_reading: MakeReading, steps: list[_Step]) -> tuple[ReplicaWindow, list[float]]:
    """A window after these steps, and what each step decoded (0 where it restarted)."""
    window = ReplicaWindow()
    at = 0.0
    decoded, started = 1_000_000, 10_000
    gained: list[float] = []
    for seconds, tokens, first, running, restart in steps:
        at += seconds
        decoded = tokens if restart else decoded + tokens + first
        started = first if restart else started + first
        window.add(
            at,
            make_reading(
                decode_tokens_total=float(decoded),
                decode_includes_first_token=True,
                first_tokens_total=float(started),
                running_requests=float(running),
            ),
        )
        gained.append(float(tokens))
    return window, gained


def _amount(interval: Interval) -> float:
    rate = interval.decode_tokens_per_second
    return 0.0 if rate is None else rate * interval.seconds


@given(steps=_STEPS)
def test_without_a_restart_the_intervals_add_up_to_the_whole_increase(
    make_reading: MakeReading, steps: list[_Step]
) -> None:
    calm = [(*step[:4], False) for step in steps]
    window, gained = _filled(make_reading, calm)
    amounts = [_amount(interval) for interval in window.intervals_since(0.0)]
    kept = gained[-len(amounts) :]
    assert sum(amounts) == pytest.approx(sum(kept), rel=1e-6, abs=1e-3)


@given(steps=_STEPS)
def test_whatever_happens_no_rate_is_negative_or_above_what_was_made(
    make_reading: MakeReading, steps: list[_Step]
) -> None:
    window, _ = _filled(make_reading, steps)
    fastest = max((tokens + first) / seconds for seconds, tokens, first, _, _ in steps)
    for interval in window.intervals_since(0.0):
        rate = interval.decode_tokens_per_second
        assert rate is None or 0.0 <= rate <= fastest * (1 + 1e-6) + 1e-3


@given(steps=_STEPS, span=st.floats(1.0, 2000.0))
def test_a_window_is_the_sum_of_its_intervals(
    make_reading: MakeReading, steps: list[_Step], span: float
) -> None:
    window, _ = _filled(make_reading, [(*step[:4], False) for step in steps])
    now = window.latest_at
    assert now is not None
    whole = window.over(span, now)
    if whole is None:
        return
    parts = [part for part in window.intervals_since(whole.start) if part.end <= whole.end]
    assert whole.seconds == pytest.approx(sum(part.seconds for part in parts))
    assert _amount(whole) == pytest.approx(sum(map(_amount, parts)), rel=1e-6, abs=1e-2)


@given(steps=_STEPS)
def test_intervals_follow_each_other_and_a_mean_lies_between_its_ends(
    make_reading: MakeReading, steps: list[_Step]
) -> None:
    window, _ = _filled(make_reading, [(*step[:4], False) for step in steps])
    intervals = window.intervals_since(0.0)
    assert all(before.end == after.start for before, after in pairwise(intervals))
    for interval, before, after in zip(
        reversed(intervals), reversed(steps[:-1]), reversed(steps), strict=False
    ):
        low, high = sorted((before[3], after[3]))
        assert interval.running_mean is not None
        assert low - 1e-6 <= interval.running_mean <= high + 1e-6
