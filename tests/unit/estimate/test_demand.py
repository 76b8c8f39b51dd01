from dataclasses import replace

import pytest
from tests.plant import DEPLOYMENT, FLASH, interval, replica_with

from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.demand import allowance, demand, reserve, sample_of
from v4operator.estimate.growth import spread_of
from v4operator.estimate.price import Price, price_of
from v4operator.estimate.throughput import capacity
from v4operator.estimate.traffic import arriving_replicas
from v4operator.model.forecast import Demand, Mix
from v4operator.model.learned import FleetSample, Growth, Learned
from v4operator.model.observation import Observation, ReplicaObservation, Workload

PRICE = Price(  # a replica works 0.9 of its time; a request of 1000 + 500 tokens takes 0.36 s
    decode_token_seconds=0.6e-3,
    prefill_token_seconds=60e-6,
    request_decode_tokens=500.0,
    request_prefill_tokens=1000.0,
    work_share=0.9,
)
NOW = 10_000.0


def observation(*replicas: ReplicaObservation) -> Observation:
    workload = Workload(
        desired=len(replicas), version="1", replicas=tuple(r.replica for r in replicas)
    )
    return Observation(now=NOW, deployment=DEPLOYMENT, workload=workload, replicas=replicas)


def silent(name: str) -> ReplicaObservation:
    return replace(
        replica_with(name, NOW), fresh=False, recent=None, intervals=(), unknown="refused"
    )


def forecast_demand(
    seen: Observation, history: tuple[FleetSample, ...] = (), trend: float = 0.0
) -> Demand:
    learned = replace(Learned.empty("key"), history=history, trend_replicas_per_second=trend)
    return demand(seen, PRICE, batch_limit=50.0, horizon_seconds=480.0, learned=learned)


def sample(
    decode: float, first: float | None = None, waiting: float = 0.0, time: float = NOW
) -> FleetSample:
    return FleetSample(
        time=time,
        replicas=2,
        decode_tokens_per_second=decode,
        prefill_tokens_per_second=0.0,
        prompt_tokens_per_second=0.0,
        first_tokens_per_second=first,
        finished_requests_per_second=None,
        running=20.0,
        waiting=waiting,
        kv_tokens=None,
    )


@pytest.mark.parametrize(
    ("flow", "replicas"),
    [
        pytest.param(sample(1500.0), 1.0, id="served: 1500 tok/s are 0.9 s of work a second"),
        pytest.param(sample(1500.0, first=1.0), 1.0, id="few arrivals: served still counts"),
        pytest.param(sample(750.0, first=5.0), 2.0, id="arrivals ask more than is served yet"),
        pytest.param(sample(0.0, first=0.0), 0.0, id="idle"),
    ],
)
def test_work_is_what_is_served_or_what_has_arrived(flow: FleetSample, replicas: float) -> None:
    assert arriving_replicas(flow, None, PRICE) == pytest.approx(replicas)


def test_a_growing_queue_counts_as_arrivals() -> None:
    before = sample(1500.0, first=2.0, waiting=0.0, time=NOW - 60.0)
    now = sample(1500.0, first=2.0, waiting=120.0)
    grown = arriving_replicas(now, before, PRICE)
    assert grown == pytest.approx(4.0 * PRICE.request_seconds)
    assert arriving_replicas(before, now, PRICE) == pytest.approx(1.0)


def test_demand_of_a_loaded_fleet_is_in_replicas() -> None:
    seen = observation(*(replica_with(n, NOW, decode=750.0, first=1.5, prefill=0.0) for n in "ab"))
    found = forecast_demand(seen)
    assert found.computable
    assert found.now_replicas == pytest.approx(3.0 * PRICE.request_seconds)
    assert found.decode_tokens_per_second == pytest.approx(1500.0)
    assert found.horizon_replicas == pytest.approx(
        found.now_replicas + reserve(found.now_replicas, PRICE, DEPLOYMENT.objectives)
    )


def test_an_idle_fleet_asks_for_nothing() -> None:
    seen = observation(*(replica_with(n, NOW, decode=0.0, first=0.0, prefill=0.0) for n in "ab"))
    found = forecast_demand(seen)
    assert (found.computable, found.now_replicas, found.horizon_replicas) == (True, 0.0, 0.0)


def test_a_silent_replica_counts_as_fully_loaded() -> None:
    heard = [replica_with(n, NOW, decode=750.0) for n in "abc"]
    without = forecast_demand(observation(*heard))
    found = forecast_demand(observation(*heard, silent("d")))
    assert found.now_replicas == pytest.approx(without.now_replicas + 1.0)


def test_a_replica_that_has_just_become_ready_is_not_taken_for_silent() -> None:
    heard = replica_with("a", NOW, decode=750.0)
    young = replace(replica_with("b", NOW, ready_at=NOW - 10.0), recent=None)
    assert forecast_demand(observation(heard, young)) == forecast_demand(observation(heard))


@pytest.mark.parametrize(
    ("replicas", "reason"),
    [
        pytest.param([], "no replica is ready", id="none ready"),
        pytest.param(
            [replica_with("a", NOW), silent("b")],
            "1 of 2 ready replicas give no fresh decode counts",
            id="half silent",
        ),
        pytest.param(
            [replace(replica_with("a", NOW), recent=None)],
            "no fresh replica has two readings of its decode counts yet",
            id="no window yet",
        ),
    ],
)
def test_demand_that_cannot_be_seen_says_why(
    replicas: list[ReplicaObservation], reason: str
) -> None:
    found = forecast_demand(observation(*replicas))
    assert not found.computable
    assert found.reason == reason


def test_one_that_is_ready_and_not_yet_scraped_is_not_taken_for_silent() -> None:
    newcomer = replace(silent("d"), replica=replace(silent("d").replica, ready_at=NOW - 2.0))
    seen = tuple(replica_with(name, NOW) for name in "abc")

    found = forecast_demand(observation(*seen, newcomer))

    assert found.silent_replicas == 0
    assert found.now_replicas == pytest.approx(forecast_demand(observation(*seen)).now_replicas)


def test_a_blind_fleet_tells_what_is_seen_so_that_it_can_grow_on_that() -> None:
    found = forecast_demand(observation(replica_with("a", NOW), silent("b"), silent("c")))
    alone = forecast_demand(observation(replica_with("a", NOW)))

    assert not found.computable
    assert found.silent_replicas == 2
    assert found.now_replicas == pytest.approx(alone.now_replicas + 2)


def test_waiting_requests_ask_for_replicas_that_clear_them_in_five_minutes() -> None:
    calm = observation(replica_with("a", NOW, decode=750.0))
    queued = observation(replica_with("a", NOW, decode=750.0, waiting=150.0))
    more = forecast_demand(queued).now_replicas - forecast_demand(calm).now_replicas
    assert more == pytest.approx(150.0 * PRICE.request_seconds / 300.0)


def test_a_batch_above_the_objective_is_a_backlog_too() -> None:
    calm = observation(replica_with("a", NOW, decode=1500.0, running=50.0))
    full = observation(replica_with("a", NOW, decode=1500.0, running=200.0))
    more = forecast_demand(full).now_replicas - forecast_demand(calm).now_replicas
    assert more == pytest.approx(150.0 * PRICE.request_seconds / 300.0)


def test_a_backlog_at_most_doubles_the_demand() -> None:
    full = observation(replica_with("a", NOW, decode=3000.0, first=0.0, waiting=1e6))
    assert forecast_demand(full).now_replicas == pytest.approx(2 * PRICE.replicas(3000.0, 1000.0))


def test_a_trend_raises_only_the_horizon_and_at_most_doubles_it() -> None:
    seen = observation(replica_with("a", NOW, decode=1500.0))
    still, gentle, wild = (forecast_demand(seen, trend=t) for t in (0.0, 1e-3, 1.0))
    assert gentle.now_replicas == still.now_replicas
    # 480 s and the minute's age of a growth that fades with 1200 s count as 435 s
    spare = allowance(still.now_replicas + 0.4348, PRICE, DEPLOYMENT.objectives)
    assert gentle.horizon_replicas == pytest.approx(still.now_replicas + 0.4348 + spare, rel=1e-3)
    spare = allowance(2 * still.now_replicas, PRICE, DEPLOYMENT.objectives)
    assert wild.horizon_replicas == pytest.approx(2 * still.now_replicas + spare)


def test_the_level_is_the_mean_of_two_minutes() -> None:
    seen = observation(replica_with("a", NOW, decode=1500.0, first=0.0, prefill=0.0))
    past = (sample(3000.0, time=NOW - 70.0),)
    stale = (sample(3000.0, time=NOW - 500.0),)
    assert forecast_demand(seen, past).now_replicas == pytest.approx(1.5)
    assert forecast_demand(seen, stale).now_replicas == pytest.approx(1.0)


def test_a_small_fleet_gets_relatively_more_allowance() -> None:
    small, large = (allowance(n, PRICE, DEPLOYMENT.objectives) for n in (1.0, 16.0))
    assert large == pytest.approx(4.0 * small)
    assert 0.2 < small < 0.4


def test_prices_follow_the_law_and_the_capacity() -> None:
    mix = Mix(
        prompt_tokens=8192.0, prefill_tokens=8192.0, decode_tokens=1024.0, context_tokens=8704.0
    )
    fit = replace(fit_from_prior(None), scale=FLASH)
    carried = capacity(fit, mix, DEPLOYMENT.objectives, pool=None, max_running=None)
    price = price_of(FLASH, mix, carried)
    at_capacity = price.replicas(
        carried.decode_tokens_per_second, 8.0 * carried.decode_tokens_per_second
    )
    assert at_capacity == pytest.approx(1.0)


def test_figures_no_replica_gives_stay_unknown_in_the_sum() -> None:
    seen = observation(replica_with("a", NOW, first=None))
    found = sample_of(seen)
    assert found is not None
    assert found.first_tokens_per_second is None


def test_prompt_tokens_stand_in_for_computed_ones_that_are_not_told() -> None:
    found = sample_of(observation(replica_with("a", NOW, prefill=None, prompt=700.0)))
    assert found is not None
    assert found.prefill_tokens_per_second == 700.0


def polling(name: str, arrived: float, **figures: float) -> ReplicaObservation:
    """A replica whose last poll shows so many arrivals a second, whatever the minute shows."""
    replica = replica_with(name, NOW, **figures)
    poll = replace(interval(NOW - 5.0, NOW, **figures), arrived_requests_per_second=arrived)
    return replace(replica, newest=(poll,))


def test_a_step_of_the_last_poll_is_the_level_before_the_minute_shows_it() -> None:
    calm = forecast_demand(observation(polling("a", 2.0, decode=750.0, first=2.0)))
    risen = forecast_demand(observation(polling("a", 20.0, decode=750.0, first=2.0)))
    assert (calm.surging, risen.surging) == (False, True)
    begun = forecast_demand(observation(polling("a", 4.0, decode=750.0, first=2.0)))
    assert [d.unsettled for d in (calm, begun, risen)] == [False, True, True]
    assert risen.now_replicas == pytest.approx((20.0 - 2.0) * PRICE.request_seconds)


def test_a_blind_fleet_is_not_looked_at_again() -> None:
    begun = polling("a", 4.0, decode=750.0, first=2.0)
    found = forecast_demand(observation(begun, silent("b")))
    assert (found.computable, found.unsettled) == (False, False)


def test_two_readings_tell_the_demand_of_a_replica_without_a_minute() -> None:
    whole = forecast_demand(observation(polling("a", 2.0)))
    fresh = forecast_demand(observation(replace(polling("a", 2.0), recent=None)))
    assert fresh == whole


def test_a_backlog_takes_of_the_reserve_and_is_not_added_to_it() -> None:
    calm = observation(replica_with("a", NOW, decode=750.0))
    some = observation(replica_with("a", NOW, decode=750.0, waiting=50.0))
    many = observation(replica_with("a", NOW, decode=750.0, waiting=600.0))
    without, little, much = (forecast_demand(seen) for seen in (calm, some, many))
    assert little.now_replicas > without.now_replicas
    assert little.horizon_replicas == without.horizon_replicas
    spare = allowance(without.now_replicas, PRICE, DEPLOYMENT.objectives)
    assert much.horizon_replicas == pytest.approx(much.now_replicas + spare)


def test_the_demand_tells_the_spread_and_how_much_is_known_of_it() -> None:
    known = Growth(seconds=86400.0, square_seconds=0.0)
    seen = observation(replica_with("a", NOW))
    learned = replace(Learned.empty("key"), growth=known)
    found = demand(seen, PRICE, batch_limit=50.0, horizon_seconds=480.0, learned=learned)
    assert found.spread_ratio == spread_of(known)
    assert found.spread_seconds == 86400.0
    assert found.horizon_replicas < forecast_demand(seen).horizon_replicas


def test_a_new_replica_counts_for_the_part_of_the_minute_in_which_it_served() -> None:
    old = replica_with("old", NOW, decode=900.0, first=2.0)
    new = replace(polling("new", 0.0, decode=900.0, first=2.0), recent=None)
    new = replace(new, replica=replace(new.replica, ready_at=NOW - 10.0))
    alone, both = sample_of(observation(old)), sample_of(observation(old, new))
    assert alone is not None
    assert both is not None
    minute = old.recent
    assert minute is not None
    assert both.decode_tokens_per_second == pytest.approx(
        alone.decode_tokens_per_second + 900.0 * 10.0 / minute.seconds
    )
    assert both.first_tokens_per_second == pytest.approx(2.0 + 2.0 * 10.0 / minute.seconds)
