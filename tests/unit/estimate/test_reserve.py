from dataclasses import replace

import pytest
from tests.plant import DEPLOYMENT, replica_with

from v4operator.estimate.demand import demand, reserve
from v4operator.estimate.growth import PRIOR_SPREAD
from v4operator.estimate.outlook import Outlook
from v4operator.estimate.price import Price
from v4operator.model.forecast import Demand
from v4operator.model.learned import Learned, Shortage, Traffic
from v4operator.model.observation import GatewayObservation, Observation, Workload

PRICE = Price(
    decode_token_seconds=0.6e-3,
    prefill_token_seconds=60e-6,
    request_decode_tokens=500.0,
    request_prefill_tokens=1000.0,
    work_share=0.9,
)
NOW = 10_000.0
QUIET = GatewayObservation(waiting_requests=0.0, lost_total=0.0)
NEVER_SHORT = Shortage()


def peak(replicas: float, age_seconds: float) -> Traffic:
    """So much work, served some time ago."""
    return Traffic(
        time=NOW - age_seconds,
        requests_per_second=None,
        decode_tokens_per_second=1500.0 * replicas,
        prefill_tokens_per_second=0.0,
    )


def found(
    gateway: GatewayObservation | None, *peaks: Traffic, shortage: Shortage = NEVER_SHORT
) -> Demand:
    replicas = tuple(replica_with(n, NOW, decode=750.0, first=1.5, prefill=0.0) for n in "ab")
    workload = Workload(desired=2, version="1", replicas=tuple(r.replica for r in replicas))
    seen = Observation(
        now=NOW, deployment=DEPLOYMENT, workload=workload, replicas=replicas, gateway=gateway
    )
    learned = replace(Learned.empty("key"), peaks=peaks, shortage=shortage)
    return demand(seen, PRICE, batch_limit=50.0, horizon_seconds=480.0, learned=learned)


def test_without_a_gateway_room_is_kept_for_unannounced_growth() -> None:
    kept = reserve(10.0, PRICE, DEPLOYMENT.objectives)
    assert kept > 2.3 * 0.25 * 10.0
    strict = replace(DEPLOYMENT.objectives, attainment=0.999)
    assert reserve(10.0, PRICE, strict) > kept


def test_a_steady_service_keeps_less_and_a_bursty_one_more() -> None:
    kept = [reserve(10.0, PRICE, DEPLOYMENT.objectives, s) for s in (0.05, 0.25, 0.5)]
    assert kept == sorted(kept)
    assert kept[0] < 0.4 * kept[1]
    assert kept[2] == pytest.approx(2.0 * kept[1], rel=0.05)


def test_an_idle_service_needs_no_reserve() -> None:
    assert reserve(0.0, PRICE, DEPLOYMENT.objectives) == 0.0


def test_without_a_gateway_the_horizon_is_the_highest_of_reserve_and_memory() -> None:
    calm = found(None)
    kept = reserve(calm.now_replicas, PRICE, DEPLOYMENT.objectives)
    assert calm.horizon_replicas == pytest.approx(calm.now_replicas + kept)
    assert found(None, peak(10.0, 3600.0)).horizon_replicas == pytest.approx(7.0)
    assert calm.least_used_share is None


def test_with_a_gateway_a_replica_is_held_only_as_far_as_it_would_be_used() -> None:
    calm = found(QUIET)
    assert calm.least_used_share == pytest.approx(0.03)
    outlook = Outlook(expected=calm.now_replicas, spread=PRIOR_SPREAD, peaks=())
    assert outlook.used_share(calm.horizon_replicas) == pytest.approx(0.03, rel=0.01)
    assert calm.horizon_replicas < found(None).horizon_replicas


def test_with_a_gateway_a_peak_that_lasted_is_held_and_a_single_one_is_not() -> None:
    calm = found(QUIET).horizon_replicas
    once = [peak(5.0, 3600.0), *(peak(1.0, 300.0 * n) for n in range(1, 24))]
    often = [peak(5.0, 300.0 * n) for n in range(1, 24)]
    assert found(QUIET, *once).horizon_replicas < calm + 0.5
    assert found(QUIET, *often).horizon_replicas > 4.0


def test_a_fleet_that_was_short_is_given_more_room() -> None:
    short = Shortage(short_replica_seconds=2000.0, work_replica_seconds=40_000.0, seconds=40_000.0)
    assert found(QUIET, shortage=short).horizon_replicas > found(QUIET).horizon_replicas


def test_what_waits_at_the_gateway_is_cleared_within_five_minutes() -> None:
    waiting = found(GatewayObservation(waiting_requests=300.0, lost_total=0.0))
    assert waiting.waiting_requests == pytest.approx(300.0)
    more = waiting.now_replicas - found(QUIET).now_replicas
    assert more == pytest.approx(300.0 * PRICE.request_seconds / 300.0)


def test_the_reserve_stands_on_the_busiest_of_the_last_minutes() -> None:
    now = found(None).now_replicas
    kept = 2.0 * now + reserve(2.0 * now, PRICE, DEPLOYMENT.objectives)
    assert found(None, peak(2.0 * now, 60.0)).horizon_replicas == pytest.approx(kept)
    assert found(None, peak(0.5 * now, 60.0)) == found(None)
