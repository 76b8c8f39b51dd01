"""Schedules put a floor under the count, a start-up early; warm replicas stand above need."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.fleets import demand, deployment, forecast, observation, serving, settled

from v4operator.decide.decide import decide
from v4operator.decide.schedule import in_force
from v4operator.model.deployment import Schedule
from v4operator.model.verdict import Action

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Schedule(
    name="office", start="0 9 * * 1-5", zone=BERLIN, duration_seconds=9 * 3600.0, min_replicas=4
)
START_UP = 480.0
SCALING = replace(deployment().scaling, min_replicas=1, max_replicas=6, schedules=(OFFICE,))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("when", "least"),
    [
        pytest.param("2026-11-24T08:51:00", 1, id="before it begins"),
        pytest.param("2026-11-24T08:53:00", 4, id="a start-up early"),
        pytest.param("2026-11-24T09:00:00", 4, id="as it begins"),
        pytest.param("2026-11-24T17:59:00", 4, id="before it ends"),
        pytest.param("2026-11-24T18:01:00", 1, id="after its end"),
        pytest.param("2026-11-28T10:00:00", 1, id="on a Saturday"),
        pytest.param("2026-07-14T08:53:00", 4, id="in summer time"),
    ],
)
def test_a_schedule_is_a_floor_while_it_lasts(when: str, least: int) -> None:
    assert in_force(SCALING, at(when), START_UP)[0].min_replicas == least


def test_the_highest_floor_counts_and_never_passes_the_maximum() -> None:
    high = replace(OFFICE, name="sale", min_replicas=9)
    scaling = replace(SCALING, schedules=(OFFICE, high))

    bounds, source = in_force(scaling, at("2026-11-24T10:00:00"), START_UP)

    assert (bounds.min_replicas, source) == (6, "schedule sale")


def test_a_schedule_grows_the_fleet_and_is_named() -> None:
    seen = observation(serving(2))
    now = at("2026-11-24T10:00:00")
    spec = replace(seen.deployment, scaling=SCALING)
    seen = replace(seen, now=now, deployment=spec)

    decision = decide(seen, forecast(demand(1.0), now=now), settled(2, 2, now=now))[0].decision

    assert (decision.action, decision.desired) == (Action.GROW, 4)
    assert "schedule office is 4" in decision.sentence


def test_warm_replicas_stand_above_what_the_demand_takes() -> None:
    seen = observation(serving(3))
    spec = replace(seen.deployment, scaling=replace(seen.deployment.scaling, warm_replicas=2))

    decision = decide(replace(seen, deployment=spec), forecast(demand(2.6)), settled(3, 3))[
        0
    ].decision

    assert (decision.action, decision.desired) == (Action.GROW, 5)
