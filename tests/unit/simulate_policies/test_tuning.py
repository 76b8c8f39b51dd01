from collections.abc import Mapping

import pytest

from v4operator.simulate.policies.registry import POLICIES, Entry, Knob
from v4operator.simulate.tuning import Trial, tuned


def _entry(*knobs: Knob) -> Entry:
    return Entry(name="made-up", make=POLICIES["constant"].make, knobs=knobs)


TARGET = Knob(name="target", default=1.0, low=1.0, high=100.0)
WINDOW = Knob(name="window", default=5.0, low=0.0, high=10.0, ratio=False, safe_is_high=True)


def _edge(at: float, seen: list[Mapping[str, float]]) -> object:
    """Meets the target up to a value; the cost falls as the value rises."""

    def judge(knobs: Mapping[str, float]) -> Trial:
        seen.append(knobs)
        return Trial(meets=knobs["target"] <= at, cost=1.0 / knobs["target"])

    return judge


@pytest.mark.parametrize("at", [2.0, 30.0, 90.0])
def test_the_safety_knob_is_driven_to_the_edge_of_the_target(at: float) -> None:
    seen: list[Mapping[str, float]] = []
    found = tuned(_entry(TARGET), 13, _edge(at, seen))  # type: ignore[arg-type] # a judge
    assert found is not None
    assert 0.99 * at < found["target"] <= at
    assert len(seen) == 13
    assert seen[0] == {"target": 1.0}


def test_other_knobs_are_tried_at_three_values() -> None:
    seen: list[Mapping[str, float]] = []
    tuned(_entry(TARGET, WINDOW), 13, _edge(10.0, seen))  # type: ignore[arg-type] # a judge
    assert len({knobs["window"] for knobs in seen}) == 3
    assert len(seen) == 13


def test_a_knob_that_is_safe_when_high_is_driven_down() -> None:
    def judge(knobs: Mapping[str, float]) -> Trial:
        return Trial(meets=knobs["window"] >= 2.0, cost=knobs["window"])

    found = tuned(_entry(WINDOW), 12, judge)
    assert found is not None
    assert 2.0 <= found["window"] < 2.02


def test_where_nothing_meets_the_target_nothing_is_found() -> None:
    assert tuned(_entry(TARGET), 5, lambda _: Trial(meets=False, cost=1.0)) is None


@pytest.mark.parametrize("name", POLICIES)
def test_every_knob_has_its_default_within_bounds(name: str) -> None:
    for knob in POLICIES[name].knobs:
        assert knob.low <= knob.default <= knob.high
        assert not knob.ratio or knob.low > 0.0
