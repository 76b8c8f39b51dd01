from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate_policies.worlds import briefing, drive, fleet, seen, starting

from v4operator.simulate.policies.hpa import HpaConcurrency, HpaKvUsage
from v4operator.simulate.policies.hpa_core import Behavior, from_pods, from_total
from v4operator.simulate.policies.keda import KedaWaiting
from v4operator.simulate.policies.telemetry import Telemetry


@pytest.mark.parametrize(
    ("total", "target", "desired", "expected"),
    [
        pytest.param(13.0, 1.0, 12, 12, id="one more than twelve is within the tolerance"),
        pytest.param(12.0, 1.0, 10, 12, id="two more than ten are not"),
        pytest.param(0.0, 5.0, 3, 0, id="no load asks for none"),
        pytest.param(5.0, 5.0, 0, 1, id="a load without a replica asks for one"),
        pytest.param(10.0, 5.0, 2, 2, id="on target nothing changes"),
    ],
)
def test_an_average_value_is_the_total_over_the_target_beyond_the_tolerance(
    total: float, target: float, desired: int, expected: int
) -> None:
    assert from_total(total, target, desired) == expected


@pytest.mark.parametrize(
    ("values", "desired", "missing", "expected"),
    [
        pytest.param([0.9, 0.9], 2, 0, 3, id="above target grows"),
        pytest.param([0.2, 0.2, 0.2], 3, 0, 1, id="below target shrinks"),
        pytest.param([0.72, 0.72], 2, 0, 2, id="within tolerance stays"),
        pytest.param([0.9, 0.9], 4, 2, 4, id="pods that start count as idle on growth"),
        pytest.param([0.1, 0.1], 3, 1, 2, id="a silent pod counts as on target on a shrink"),
        pytest.param([], 3, 3, 3, id="no metric at all changes nothing"),
        pytest.param([2.1, 2.1], 3, 1, 6, id="a large ratio grows in spite of a missing pod"),
    ],
)
def test_a_pods_metric_refills_those_that_gave_none(
    values: list[float], desired: int, missing: int, expected: int
) -> None:
    assert from_pods(values, 0.7, desired, missing=missing) == expected


def test_the_highest_recommendation_of_the_window_holds_a_shrink() -> None:
    behavior = Behavior()
    assert [behavior.apply(raw, 9, now) for raw, now in ((4, 0.0), (9, 100.0), (3, 200.0))] == [
        4,
        9,
        9,
    ]


def test_a_shrink_follows_once_the_window_has_passed() -> None:
    behavior = Behavior()
    behavior.apply(9, 9, 0.0)
    assert behavior.apply(3, 9, 299.0) == 9
    assert behavior.apply(3, 9, 301.0) == 3


def test_growth_is_at_most_four_or_a_doubling_in_fifteen_seconds() -> None:
    behavior, count, counts = Behavior(), 1, []
    for index in range(3):
        count = behavior.apply(20, count, 15.0 * index)
        counts.append(count)
    assert counts == [5, 10, 20]


def test_growth_within_one_period_is_counted_from_its_start() -> None:
    behavior = Behavior()
    assert behavior.apply(20, 1, 0.0) == 5
    assert behavior.apply(20, 5, 5.0) == 5


@given(st.lists(st.integers(0, 50), min_size=2, max_size=40))
def test_counts_never_fall_below_the_window_and_never_more_than_double(raws: list[int]) -> None:
    behavior, counts = Behavior(), [4]
    for index, raw in enumerate(raws):
        counts.append(behavior.apply(raw, counts[-1], 15.0 * index))
    for index, (before, after) in enumerate(pairwise(counts)):
        assert after <= max(before + 4, 2 * before)
        assert after >= min(before, max(raws[max(0, index - 19) : index + 1]))


def test_concurrency_counts_its_share_of_what_waits_at_the_gateway() -> None:
    policy = HpaConcurrency(briefing(), target=10.0, queue_share=0.5)
    assert policy.decide(seen(fleet(2, running=10.0), queued=20.0)).desired == 3


def test_concurrency_without_metrics_keeps_the_count() -> None:
    policy = HpaConcurrency(briefing())
    assert policy.decide(seen(starting(3), desired=3)).desired == 3


def test_concurrency_stays_within_quota() -> None:
    policy = HpaConcurrency(briefing(quota=3), target=1.0)
    assert policy.decide(seen(fleet(2, running=50.0))).desired == 3


def test_kv_use_treats_starting_pods_as_idle() -> None:
    policy = HpaKvUsage(briefing(), target=0.5)
    replicas = (*fleet(2, kv_usage_ratio=0.7), *starting(2))
    assert policy.decide(seen(replicas, desired=4)).desired == 4


def test_keda_takes_a_vanished_series_for_no_demand_and_shrinks_after_the_window() -> None:
    policy = KedaWaiting(briefing())
    busy, silent = fleet(4, waiting=5.0), starting(4)
    counts = drive(policy, [busy, *[silent] * 22], desired=4)
    assert counts[:20] == [4] * 20
    assert counts[-1] == 1


def test_a_scrape_older_than_five_minutes_is_stale() -> None:
    telemetry = Telemetry()
    seen(fleet(1, running=4.0), telemetry=telemetry)
    assert telemetry.total(lambda r: r.running, 299.0) == 4.0
    assert telemetry.total(lambda r: r.running, 301.0) is None
    assert telemetry.queued(301.0) == 0.0
