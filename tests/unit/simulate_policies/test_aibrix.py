import pytest
from tests.unit.simulate_policies.worlds import briefing, fleet, seen, starting

from v4operator.simulate.policies.aibrix import AibrixKv, recommended


@pytest.mark.parametrize(
    ("as_coded", "expected"),
    [
        pytest.param(
            True, 3, id="as coded the lowest of the window wins, below its own limit of 4"
        ),
        pytest.param(False, 8, id="as documented the highest does"),
    ],
)
def test_the_down_window_selects_the_lowest_as_coded_and_the_highest_as_documented(
    *, as_coded: bool, expected: int
) -> None:
    policy = AibrixKv(briefing(), as_coded=as_coded)
    policy.stabilised(3, 3, 0.0)
    policy.stabilised(8, 8, 180.0)
    assert policy.stabilised(7, 8, 240.0) == expected


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        pytest.param(0.52, 4, id="within tolerance"),
        pytest.param(0.75, 6, id="half above the target"),
        pytest.param(5.00, 8, id="at most a doubling"),
        pytest.param(0.30, 3, id="below the target"),
        pytest.param(0.01, 2, id="at most a halving"),
    ],
)
def test_the_recommendation_follows_the_ratio_within_a_doubling(mean: float, expected: int) -> None:
    assert recommended(mean, 0.5, 4) == expected


def test_growth_takes_effect_at_once() -> None:
    assert AibrixKv(briefing()).decide(seen(fleet(2, kv_usage_ratio=0.9))).desired == 4


def test_a_missing_metric_changes_nothing() -> None:
    assert AibrixKv(briefing()).decide(seen(starting(3), desired=3)).desired == 3
