from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plant import DECODE_PRICE as PRICE

from v4operator.estimate.growth import PRIOR_SPREAD, checked, expected, spread_of
from v4operator.estimate.price import Price
from v4operator.model.learned import Expectation, FleetSample, Growth, Traffic

HORIZON = 480.0
BLOCK = 30.0
DAY = 86400.0


def sample(time: float, replicas: float) -> FleetSample:
    """A minute in which that many replicas' work is served; nobody counts requests."""
    return FleetSample(
        time=time,
        replicas=10,
        decode_tokens_per_second=1000.0 * replicas,
        prefill_tokens_per_second=0.0,
        prompt_tokens_per_second=0.0,
        first_tokens_per_second=None,
        finished_requests_per_second=None,
        running=10.0,
        waiting=0.0,
        kv_tokens=None,
    )


def after(
    came: float,
    *,
    foreseen: float = 2.0,
    ratio: float = 1.0,
    late: float = 0.0,
    price: Price = PRICE,
) -> Growth:
    """What is known after one expectation of `foreseen` replicas has met what came."""
    growth = expected(Growth(), sample(0.0, foreseen), (), PRICE, ratio)
    return checked(
        growth,
        sample(HORIZON + late, came),
        (),
        price,
        horizon_seconds=HORIZON,
        block_seconds=BLOCK,
    )


def lived(seconds: float, error: float) -> Growth:
    """So much time in which every forecast was short by that logarithm."""
    return Growth(seconds=seconds, square_seconds=2.0 * error**2 * seconds)


def test_before_any_evidence_the_published_traces_speak() -> None:
    assert spread_of(Growth()) == PRIOR_SPREAD


def test_a_steady_week_leaves_little_of_the_prior() -> None:
    assert spread_of(lived(DAY, 0.0)) == pytest.approx(PRIOR_SPREAD / 2**0.5)
    assert spread_of(lived(7 * DAY, 0.0)) < 0.36 * PRIOR_SPREAD


def test_a_bursty_week_asks_for_more_than_the_prior() -> None:
    assert spread_of(lived(7 * DAY, 0.4)) > 2.0 * PRIOR_SPREAD


def test_growth_that_was_not_foreseen_counts_twice_squared() -> None:
    found = after(3.0)
    assert found.seconds == BLOCK
    assert found.square_seconds == pytest.approx(2.0 * log(1.5) ** 2 * BLOCK)
    assert found.expectations == ()


@pytest.mark.parametrize(
    ("came", "ratio"),
    [(2.0, 1.0), (1.0, 1.0), (3.0, 1.5)],
    ids=["nothing happens", "it falls", "the growth was foreseen"],
)
def test_no_error_costs_no_reserve(came: float, ratio: float) -> None:
    found = after(came, ratio=ratio)
    assert found.seconds == BLOCK
    assert found.square_seconds == pytest.approx(0.0, abs=1e-12)


def test_a_service_that_is_switched_on_counts_as_a_doubling() -> None:
    assert after(40.0).square_seconds == pytest.approx(2.0 * log(2.0) ** 2 * BLOCK)


@pytest.mark.parametrize(
    ("came", "foreseen", "late"),
    [(2.0, 0.1, 0.0), (0.0, 2.0, 0.0), (4.0, 2.0, 600.0)],
    ids=["next to nothing was asked", "nothing came", "nobody looked at the horizon"],
)
def test_what_cannot_be_compared_teaches_nothing(came: float, foreseen: float, late: float) -> None:
    found = after(came, foreseen=foreseen, late=late)
    assert (found.seconds, found.square_seconds) == (0.0, 0.0)
    assert found.expectations == ()


def test_an_expectation_waits_for_its_horizon() -> None:
    growth = expected(Growth(), sample(0.0, 2.0), (), PRICE, 1.0)
    early = checked(
        growth, sample(450.0, 4.0), (), PRICE, horizon_seconds=HORIZON, block_seconds=BLOCK
    )
    assert early == growth


def test_a_price_that_is_learned_meanwhile_is_no_growth() -> None:
    dearer = Price(
        decode_token_seconds=2e-3,
        prefill_token_seconds=0.0,
        request_decode_tokens=100.0,
        request_prefill_tokens=0.0,
        work_share=1.0,
    )
    assert after(2.0, price=dearer).square_seconds == pytest.approx(0.0, abs=1e-12)


def test_what_is_long_past_is_forgotten() -> None:
    old = lived(30 * DAY, 0.5)
    due = Expectation(
        traffic=Traffic(
            time=0.0,
            requests_per_second=None,
            decode_tokens_per_second=2000.0,
            prefill_tokens_per_second=0.0,
        ),
        foreseen_ratio=1.0,
    )
    growth = Growth(expectations=(due,), seconds=old.seconds, square_seconds=old.square_seconds)
    found = checked(
        growth,
        sample(HORIZON, 2.0),
        (),
        PRICE,
        horizon_seconds=HORIZON,
        block_seconds=7 * DAY,
    )
    assert found.square_seconds == pytest.approx(old.square_seconds / 2)
    assert found.seconds == pytest.approx(old.seconds / 2 + 7 * DAY)


@given(
    came=st.lists(st.floats(0.0, 1e4), min_size=20, max_size=60),
    ratio=st.floats(0.1, 10.0),
)
def test_the_spread_stays_bounded_whatever_comes(came: list[float], ratio: float) -> None:
    growth = Growth()
    history: tuple[FleetSample, ...] = ()
    for step, replicas in enumerate(came):
        present = sample(BLOCK * step, replicas)
        growth = checked(growth, present, history, PRICE, horizon_seconds=60.0, block_seconds=BLOCK)
        growth = expected(growth, present, history, PRICE, ratio)
        history = (*history, present)
    assert 0.0 < spread_of(growth) <= 2**0.5 * log(2.0)
    assert len(growth.expectations) <= 3


def test_a_bursty_service_is_believed_within_hours_and_a_calm_one_after_a_day() -> None:
    hours = 4.0 * 3600.0
    assert spread_of(lived(hours, 0.4)) == pytest.approx(
        ((7200.0 * PRIOR_SPREAD**2 + hours * 0.32) / (7200.0 + hours)) ** 0.5
    )
    assert spread_of(lived(hours, 0.0)) > 0.9 * PRIOR_SPREAD
