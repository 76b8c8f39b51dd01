from dataclasses import replace

import pytest
from tests.plant import DEPLOYMENT, replica_with

from v4operator.estimate.demand import allowance, demand, reserve
from v4operator.estimate.price import Price
from v4operator.model.forecast import Demand
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


def found(
    gateway: GatewayObservation | None, peak: float = 0.0, recent_peak: float = 0.0
) -> Demand:
    replicas = tuple(replica_with(n, NOW, decode=750.0, first=1.5, prefill=0.0) for n in "ab")
    workload = Workload(desired=2, version="1", replicas=tuple(r.replica for r in replicas))
    seen = Observation(
        now=NOW, deployment=DEPLOYMENT, workload=workload, replicas=replicas, gateway=gateway
    )
    return demand(
        seen,
        (),
        PRICE,
        DEPLOYMENT.objectives,
        batch_limit=50.0,
        trend=0.0,
        horizon_seconds=480.0,
        peak=peak,
        recent_peak=recent_peak,
    )


def test_without_a_gateway_room_is_kept_for_unannounced_growth() -> None:
    kept = reserve(10.0, PRICE, DEPLOYMENT.objectives, None)
    assert kept > 2.3 * 0.25 * 10.0
    strict = replace(DEPLOYMENT.objectives, attainment=0.999)
    assert reserve(10.0, PRICE, strict, None) > kept


def test_with_a_gateway_a_tenth_and_a_quarter_of_a_replica_is_kept() -> None:
    assert reserve(10.0, PRICE, DEPLOYMENT.objectives, QUIET) == pytest.approx(1.25)


def test_a_steady_service_keeps_less_and_a_bursty_one_more() -> None:
    kept = [reserve(10.0, PRICE, DEPLOYMENT.objectives, None, s) for s in (0.05, 0.25, 0.5)]
    assert kept == sorted(kept)
    assert kept[0] < 0.4 * kept[1]
    assert kept[2] == pytest.approx(2.0 * kept[1], rel=0.05)


def test_with_a_gateway_a_bursty_service_keeps_more_and_a_steady_one_the_tenth() -> None:
    kept = [reserve(10.0, PRICE, DEPLOYMENT.objectives, QUIET, s) for s in (0.05, 0.25, 0.5)]
    assert kept == pytest.approx([1.25, 1.25, 2.25])


@pytest.mark.parametrize("gateway", [None, QUIET], ids=["without a gateway", "with one"])
def test_an_idle_service_needs_no_reserve(gateway: GatewayObservation | None) -> None:
    assert reserve(0.0, PRICE, DEPLOYMENT.objectives, gateway) == 0.0


def test_the_horizon_is_the_highest_of_trend_reserve_and_memory() -> None:
    quiet = found(QUIET)
    least = quiet.now_replicas + allowance(quiet.now_replicas, PRICE, DEPLOYMENT.objectives)
    kept = reserve(quiet.now_replicas, PRICE, DEPLOYMENT.objectives, QUIET)
    assert quiet.horizon_replicas == pytest.approx(max(least, quiet.now_replicas + kept))
    assert found(QUIET, peak=10.0).horizon_replicas == pytest.approx(7.0)


def test_what_waits_at_the_gateway_is_cleared_within_five_minutes() -> None:
    waiting = found(GatewayObservation(waiting_requests=300.0, lost_total=0.0))
    assert waiting.waiting_requests == pytest.approx(300.0)
    more = waiting.now_replicas - found(QUIET).now_replicas
    assert more == pytest.approx(300.0 * PRICE.request_seconds / 300.0)


@pytest.mark.parametrize("gateway", [None, QUIET], ids=["without a gateway", "with one"])
def test_the_reserve_stands_on_the_busiest_of_the_last_minutes(
    gateway: GatewayObservation | None,
) -> None:
    now = found(gateway).now_replicas
    kept = 2.0 * now + reserve(2.0 * now, PRICE, DEPLOYMENT.objectives, gateway)
    assert found(gateway, recent_peak=2.0 * now).horizon_replicas == pytest.approx(kept)
    assert found(gateway, recent_peak=0.5 * now) == found(gateway)
