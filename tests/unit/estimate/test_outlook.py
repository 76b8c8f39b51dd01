from math import exp

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from v4operator.estimate.outlook import Outlook

replicas = st.floats(0.0, 200.0)
spreads = st.floats(0.0, 1.0)
outlooks = st.builds(
    Outlook, expected=replicas, spread=spreads, peaks=st.lists(replicas, max_size=24)
)


@given(outlooks, replicas, st.floats(0.0, 5.0))
@example(Outlook(expected=5e-324, spread=1.0, peaks=()), 0.0, 1.0)  # the least there is
def test_the_use_of_a_further_replica_is_a_share_and_falls(
    outlook: Outlook, count: float, more: float
) -> None:
    share = outlook.used_share(count)
    assert -1e-9 <= outlook.used_share(count + more) <= share + 1e-9
    assert share <= 1.0 + 1e-9


@given(outlooks, st.floats(0.005, 0.5))
def test_what_is_provided_is_the_least_that_leaves_so_little_use(
    outlook: Outlook, least: float
) -> None:
    enough = outlook.replicas(least)
    assert outlook.used_share(enough) <= least
    if enough > 0.01:
        assert outlook.used_share(enough - 0.01) >= least - 1e-9


def test_a_demand_that_is_certain_takes_what_it_is() -> None:
    assert Outlook(expected=3.0, spread=0.0, peaks=[3.0]).replicas(0.025) == pytest.approx(
        3.0 - 0.025, abs=2e-3
    )


def test_nothing_expected_and_nothing_remembered_provides_nothing() -> None:
    assert Outlook(expected=0.0, spread=0.25, peaks=()).replicas(0.025) == 0.0


def test_the_mean_of_the_growth_is_that_of_its_mixture() -> None:
    """Summed over all replicas the use is the expected demand: 97 % near, 3 % far."""
    outlook = Outlook(expected=10.0, spread=0.2, peaks=())
    whole = sum(outlook.used_share(float(n)) for n in range(200))
    assert whole == pytest.approx(10.0 * (0.97 * exp(0.1**2 / 2) + 0.03 * exp(0.4**2 / 2)))


def test_a_wider_spread_and_a_stricter_share_provide_more() -> None:
    calm, wild = (Outlook(expected=10.0, spread=s, peaks=()) for s in (0.1, 0.4))
    assert calm.replicas(0.025) < wild.replicas(0.025)
    assert wild.replicas(0.1) < wild.replicas(0.01)


def test_clients_that_are_known_to_return_are_provided_for_in_proportion_to_their_time() -> None:
    seldom = Outlook(expected=1.0, spread=0.1, peaks=[6.0] * 2 + [1.0] * 22)
    often = Outlook(expected=1.0, spread=0.1, peaks=[6.0] * 12 + [1.0] * 12)
    assert seldom.replicas(0.025) < 2.0
    assert often.replicas(0.025) > 5.5
