"""What a device costs, what the hosted API takes, and who holds devices."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.fleets import deployment, replica

from v4operator.catalogue import load
from v4operator.estimate.cost import api_price, device_usd_per_hour, devices_held
from v4operator.model.deployment import Cost, Deployment
from v4operator.model.replica import Phase

KNOWN = load()


def on(accelerator: str) -> Deployment:
    return deployment(memory=replace(deployment().memory, accelerator=accelerator))


def test_the_users_price_goes_before_the_catalogues() -> None:
    assert device_usd_per_hour(deployment(), KNOWN) == 3.5
    own = deployment(cost=Cost(device_usd_per_hour=1.25))
    assert device_usd_per_hour(own, KNOWN) == 1.25


@pytest.mark.parametrize("accelerator", ["gb200", "no-such-device"])
def test_what_has_no_price_is_unknown(accelerator: str) -> None:
    assert device_usd_per_hour(on(accelerator), KNOWN) is None


@pytest.mark.parametrize(
    ("day", "hour", "answer_usd"),
    [
        pytest.param("2026-05-01", 2, 0.28, id="one price for all hours"),
        pytest.param("2026-08-20", 7, 1.32, id="a peak hour of a Thursday"),
        pytest.param("2026-08-20", 5, 0.66, id="between the peaks"),
        pytest.param("2026-08-22", 7, 0.66, id="no peak on a Saturday"),
        pytest.param("2026-09-10", 7, 1.20, id="the first day of a new price"),
        pytest.param("2026-04-01", 7, None, id="before the first price"),
    ],
)
def test_the_api_price_is_the_one_of_that_hour(
    day: str, hour: int, answer_usd: float | None
) -> None:
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC, hour=hour).timestamp()
    price = api_price(deployment(), KNOWN, moment)
    assert (price.answer_usd if price else None) == answer_usd


def test_promotions_are_not_list_prices() -> None:
    pro = replace(deployment().memory, checkpoint="deepseek-ai/DeepSeek-V4-Pro")
    moment = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    price = api_price(deployment(memory=pro), KNOWN, moment)
    assert price is not None
    assert price.answer_usd == 3.48


def test_a_model_that_the_catalogue_does_not_know_has_no_api_price() -> None:
    other = replace(deployment().memory, checkpoint="somebody/else")
    assert api_price(deployment(memory=other), KNOWN, 1_800_000_000.0) is None


def test_whoever_was_placed_holds_devices() -> None:
    replicas = tuple(replica(phase.value, phase) for phase in Phase)
    assert devices_held(replicas, 4) == 4 * (len(Phase) - 2)
    assert devices_held((), 4) == 0
