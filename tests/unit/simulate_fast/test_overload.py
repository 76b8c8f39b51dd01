"""What becomes of requests that the fleet cannot serve in time, in each overload mode."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate_fast.worlds import FLASH, holding, steady, trace_of

from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.kernel.layout import FINISHED, REJECTED, TIMED_OUT
from v4operator.simulate.fast.setting import Overload

LIMIT = 40
# Half as much again as one replica does in time: 1 / (200 b + 500 d) = 11 a second, less a's share.
CROWD = steady(15.0, 600.0, prompt=500, output=200)


def run(overload: Overload) -> FleetSimulation:
    fleet = FleetSimulation(CROWD, Setting(profile=FLASH, overload=overload, admission_limit=LIMIT))
    fleet.result()
    return fleet


def test_in_plain_overload_nearly_everyone_misses() -> None:
    assert run("plain").result().attainment < 0.2


def test_a_gateway_lets_only_the_excess_miss() -> None:
    plain, gateway = run("plain").result(), run("gateway").result()

    assert gateway.attainment > plain.attainment + 0.5
    assert gateway.tpot.p99 <= 1 / 30
    assert gateway.misses["timeout"] > 0


def test_a_gateway_never_lets_more_run_than_the_limit() -> None:
    fleet = FleetSimulation(CROWD, Setting(profile=FLASH, overload="gateway", admission_limit=7))
    inside = []
    for second in range(10, 600, 10):
        fleet.advance(float(second))
        seen = fleet.metrics()[0]
        inside.append(seen.running + seen.waiting)

    assert max(inside) == 7
    assert fleet.gateway().queued > 0


def test_a_gateway_follows_a_limit_that_moves_up_to_the_settings() -> None:
    fleet = FleetSimulation(CROWD, Setting(profile=FLASH, overload="gateway", admission_limit=20))
    running = []
    for limit in (7, 12, 99):
        fleet.set_admission_limit(limit)
        fleet.advance(fleet.now + 100.0)
        running.append(fleet.metrics()[0].running)

    assert running == [7, 12, 20]


def test_an_engines_own_limit_cannot_be_moved() -> None:
    fleet = run("engine-limit")

    with pytest.raises(ValueError, match="found 'engine-limit', allowed: 'gateway'"):
        fleet.set_admission_limit(7)


def test_a_gateway_serves_the_newest_first() -> None:
    trace = trace_of([0.0, 1.0, 1.1, 1.2], output=400, seconds=60.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH, overload="gateway", admission_limit=1))
    fleet.result()

    first = fleet._state.requests.first_token

    assert np.argsort(first).tolist() == [0, 3, 2, 1]


def test_whoever_waits_outside_for_120_seconds_gives_up() -> None:
    trace = trace_of([0.0, 1.0], output=60_000, seconds=300.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH, overload="gateway", admission_limit=1))
    fleet.result()
    rows = fleet._state.requests

    assert rows.fate.tolist() == [FINISHED, TIMED_OUT]
    assert rows.ended[1] == 121.0
    assert fleet.gateway().rejected_total == 1


def test_an_engine_limit_turns_away_what_its_queue_does_not_hold() -> None:
    trace = trace_of([0.0, 0.1, 0.2, 0.3, 0.4], output=3000, seconds=60.0)
    fleet = FleetSimulation(
        trace, Setting(profile=FLASH, overload="engine-limit", admission_limit=2, queue_cap=1)
    )
    fleet.result()

    assert fleet._state.requests.fate.tolist() == [FINISHED] * 3 + [REJECTED] * 2
    assert fleet.gateway().rejected_total == 2
    assert fleet.result().misses["queue"] >= 2


def test_an_engine_limit_serves_first_come_inside() -> None:
    trace = trace_of([0.0, 0.1, 0.2, 0.3], output=300, seconds=60.0)
    fleet = FleetSimulation(
        trace, Setting(profile=FLASH, overload="engine-limit", admission_limit=1, queue_cap=9)
    )
    fleet.result()

    assert np.argsort(fleet._state.requests.first_token).tolist() == [0, 1, 2, 3]


def test_a_rejected_request_goes_to_another_replica_where_there_is_room() -> None:
    trace = trace_of([0.0, 0.1, 0.2, 0.3], output=3000, seconds=60.0)
    setting = Setting(profile=FLASH, overload="engine-limit", admission_limit=1, queue_cap=1)

    two = FleetSimulation(trace, replace(setting, initial_replicas=2)).result()

    assert two.misses["queue"] == 2  # those that waited for a whole answer, but none was lost
    assert np.isfinite(two.per_request.ttft).all()


def test_the_default_queue_holds_what_reaches_a_slot_in_time() -> None:
    setting = Setting(profile=FLASH, overload="engine-limit", admission_limit=71)

    assert setting.room(1200.0) == 71 + 4


def test_in_a_queue_inside_clients_give_up_too() -> None:
    trace = trace_of([0.0, 0.1, 0.2], output=5000, seconds=60.0)
    fleet = FleetSimulation(trace, Setting(profile=holding(40_000, running=1, patience=3.0)))
    fleet.result()

    assert fleet._state.requests.fate.tolist() == [FINISHED, TIMED_OUT, TIMED_OUT]
    assert fleet._state.requests.ended[1:].tolist() == pytest.approx([3.1, 3.2])


def test_a_prompt_that_never_fits_is_turned_away_at_once() -> None:
    trace = trace_of([0.0, 1.0], prompt=[50_000, 100], seconds=60.0)
    fleet = FleetSimulation(trace, Setting(profile=holding(40_000)))
    fleet.result()

    assert fleet._state.requests.fate.tolist() == [REJECTED, FINISHED]


@pytest.mark.parametrize("overload", ["engine-limit", "gateway"])
def test_a_limited_mode_without_a_limit_is_refused(overload: Overload) -> None:
    with pytest.raises(ValueError, match="needs an admission limit"):
        Setting(profile=FLASH, overload=overload)


def test_starts_that_always_fail_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found 1\.0"):
        Setting(profile=FLASH, failed_starts=1.0)
