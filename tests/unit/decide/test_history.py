import pytest

from v4operator.decide import history
from v4operator.model.memory import PolicyMemory, Recommendation, ScaleEvent

WINDOW = 600.0


def recommended(*values: tuple[float, int]) -> tuple[Recommendation, ...]:
    known: tuple[Recommendation, ...] = ()
    for at, need in values:
        known = history.with_recommendation(known, now=at, replicas=need, window_seconds=WINDOW)
    return known


def test_four_still_dominates_until_it_scrolls_out() -> None:
    known = recommended((0, 4), (300, 3), (590, 2))
    assert history.highest(known, 590, WINDOW) == 4
    assert history.highest(known, 601, WINDOW) == 3
    assert history.highest(known, 1300, WINDOW) == 0


def test_cycles_of_one_slot_share_an_entry_that_keeps_their_highest() -> None:
    known = recommended((0, 2), (5, 4), (9, 3), (10, 1))
    assert [(r.time, r.until, r.replicas) for r in known] == [(0, 9, 4), (10, 10, 1)]


def test_memory_is_bounded_for_any_number_of_cycles() -> None:
    known = recommended(*((float(second), 2) for second in range(3000)))
    assert len(known) <= 61


@pytest.mark.parametrize(
    ("cycles", "hole"),
    [
        ([(0, 1), (100, 1), (600, 1)], 500),
        ([(0, 1), (100, 1)], 500),
        ([(400, 1), (600, 1)], 400),
        ([], 600),
    ],
    ids=["between", "until now", "since the start", "nothing"],
)
def test_the_longest_hole_is_found(cycles: list[tuple[float, int]], hole: float) -> None:
    known = recommended(*cycles)
    assert history.longest_hole_seconds(known, since=0, now=600) == hole


def test_a_change_of_the_count_is_an_event_whoever_made_it() -> None:
    memory = PolicyMemory(count=3)
    assert history.with_count(memory, 3, 10) == ()
    assert history.with_count(memory, None, 10) == ()
    assert history.with_count(memory, 5, 10) == (ScaleEvent(time=10, before=3, after=5),)


def test_the_last_shrink_is_the_last_fall_of_the_count() -> None:
    events = (
        ScaleEvent(time=1, before=5, after=4),
        ScaleEvent(time=2, before=4, after=3),
        ScaleEvent(time=3, before=3, after=6),
    )
    assert history.last_shrink(events) == 2
    assert history.last_shrink(()) is None
    assert history.within(events, 602, WINDOW) == events[2:]
