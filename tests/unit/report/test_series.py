"""What single figures are read from, where that is more than a field."""

from dataclasses import replace

import pytest
from tests.exported import BUSY, Exported, everything_known
from tests.fleets import (
    START,
    START_UP,
    demand,
    deployment,
    forecast,
    hbm,
    observation,
    observed,
    reading,
    replica,
    serving,
)

from v4operator.decide.decide import decide
from v4operator.model.deployment import Key
from v4operator.model.hbm import Band, Finding, HbmVerdict
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import GatewayObservation, Interval
from v4operator.model.reading import MissingFigure
from v4operator.model.replica import Phase
from v4operator.report.status import status


def test_a_figure_that_an_engine_lacks_is_named_and_ranks_are_not() -> None:
    made = Exported()
    gaps = ("drafts_total", "memory.weights_bytes", "ranks[3].running_requests")
    missing = tuple(MissingFigure(name=name, reason="not exported") for name in gaps)
    fleet = [observed(replica("flash-0"), reading=reading(missing=missing))]
    made.record(observation(fleet), forecast(demand(0.5)))
    found = made.families()["v4_replica_missing_figure"].samples
    assert [s.labels["figure"] for s in found] == ["drafts_total", "memory.weights_bytes"]


def test_a_context_is_a_mean_over_requests_not_over_replicas() -> None:
    made = Exported()
    short = replace(BUSY, running_mean=30.0, kv_tokens_mean=30_000.0)
    long = replace(BUSY, running_mean=10.0, kv_tokens_mean=90_000.0)
    idle = replace(BUSY, running_mean=0.0, kv_tokens_mean=0.0)
    fleet = [
        observed(replica(f"flash-{index}"), recent=recent)
        for index, recent in enumerate((short, long, idle, None))
    ]
    made.record(observation(fleet), forecast(demand(0.5)))
    assert made.value("v4_deployment_mean_context_tokens") == 3000.0
    assert made.value("v4_replica_mean_context_tokens", replica="flash-1") == 9000.0
    assert made.value("v4_replica_mean_context_tokens", replica="flash-2") is None


@pytest.mark.parametrize(
    ("slow", "recent", "expected"),
    [
        pytest.param(BUSY, replace(BUSY, accept_length=9.0), 1.8, id="over five minutes"),
        pytest.param(None, replace(BUSY, accept_length=1.5), 1.5, id="over one, before that"),
        pytest.param(replace(BUSY, accept_length=None), BUSY, None, id="nothing is drafted"),
        pytest.param(None, None, None, id="just started"),
    ],
)
def test_the_accepted_length_is_that_of_the_last_minutes(
    slow: Interval | None, recent: Interval | None, expected: float | None
) -> None:
    made = Exported()
    fleet = [observed(replica("flash-0"), slow=slow, recent=recent)]
    made.record(observation(fleet), forecast(demand(0.5)))
    assert made.value("v4_replica_accepted_length_ratio", replica="flash-0") == expected


@pytest.mark.parametrize(
    ("phase", "age", "expected"),
    [
        pytest.param(Phase.STARTING, 3 * START_UP, 0.0, id="within three start-ups"),
        pytest.param(Phase.STARTING, 3 * START_UP + 1.0, 1.0, id="longer than three"),
        pytest.param(Phase.PENDING, 3 * START_UP + 1.0, 1.0, id="never placed"),
        pytest.param(Phase.CRASHED, 5.0, 1.0, id="crashed"),
        pytest.param(Phase.READY, 9 * START_UP, 0.0, id="ready long since"),
        pytest.param(Phase.DRAINING, 9 * START_UP, 0.0, id="on its way out"),
    ],
)
def test_a_start_is_overdue_after_three_learned_ones(
    phase: Phase, age: float, expected: float
) -> None:
    made = Exported()
    fleet = [observed(replica("flash-0", phase, created_at=START - age))]
    made.record(observation(fleet), forecast(demand(0.5)))
    assert made.value("v4_replica_overdue", replica="flash-0") == expected


def test_everything_of_a_full_fleet_is_read_off_what_was_recorded() -> None:
    found = {
        (sample.name, *sorted(sample.labels.items())[:-1]): sample.value
        for family in everything_known(1, 2).collect()
        for sample in family.samples
        if "replica" not in sample.labels
    }
    named = ("namespace", "serving")
    live = "v4_deployment_hbm_live_bytes"
    assert found[live, ("component", "overhead"), named] == 7.0
    assert found["v4_deployment_hbm_bytes", ("component", "kv-cache"), named] == 50.0
    assert found["v4_deployment_hbm_device_bytes", named] == 150.0
    assert found["v4_deployment_kv_capacity_tokens", named] == 1_800_000.0
    assert found["v4_deployment_forecast_due_demand_replicas", named] == 2.0
    assert found["v4_deployment_device_seconds_total", named] == 5.0 * 2 * 4
    assert found["v4_deployment_cost_budget_dollars_per_hour", named] == 500.0


def test_a_cache_for_which_nothing_is_left_is_zero() -> None:
    made = Exported()
    report = hbm(HbmVerdict.WEIGHTS_EXCEED, kv_cache_bytes=Band(low=-9.0, central=-3.0, high=1.0))
    made.record(observation(serving(1)), forecast(demand(0.5), hbm=report))
    assert made.value("v4_deployment_hbm_bytes", component="kv-cache") == 0.0


@pytest.mark.parametrize(
    ("gateway", "waiting", "lost"),
    [
        (GatewayObservation(waiting_requests=0.0, lost_total=40.0), 0.0, 40.0),
        (GatewayObservation(waiting_requests=7.0, lost_total=None), 7.0, None),
        (None, None, None),
    ],
    ids=["told", "losses not counted", "not known"],
)
def test_what_is_not_known_of_a_gateway_has_no_series(
    gateway: GatewayObservation | None, waiting: float | None, lost: float | None
) -> None:
    made = Exported()
    made.record(replace(observation(serving(2)), gateway=gateway), forecast(demand(0.5)))
    assert made.value("v4_deployment_gateway_waiting_requests") == waiting
    assert made.value("v4_deployment_gateway_lost_requests_total") == lost


def test_findings_are_counted_by_code() -> None:
    made = Exported()
    findings = tuple(Finding(reason=code, message="") for code in ("Odd", "Odd", "Strange"))
    seen, told = observation(serving(1)), forecast(demand(0.5))
    verdict = replace(decide(seen, told, PolicyMemory())[0], findings=findings)
    made.metrics.record(seen, told, verdict, status(seen, told, verdict, None))
    assert made.value("v4_deployment_problems", code="Odd") == 2.0
    assert made.value("v4_deployment_problems", code="Strange") == 1.0


def test_the_catalogue_is_told_once_for_all_that_use_an_entry() -> None:
    made = Exported()
    for name in ("flash", "pro"):
        made.record(observation(serving(1), key=Key("ai", name)), forecast(demand(0.5)))
    found = made.families()["v4_catalogue_info"].samples
    told = [s.labels for s in found if s.labels["figure"] == "visible_bytes"]
    assert [(t["entry"], t["value"]) for t in told] == [("h200-141", "150109106995")]
    assert all(s.labels["source"] and s.labels["tag"] for s in found)


def test_what_the_catalogue_does_not_hold_has_no_series() -> None:
    made = Exported()
    strange = replace(deployment().memory, checkpoint="somebody/else", accelerator="abacus")
    made.record(observation(serving(1), memory=strange), forecast(demand(0.5), capacity=None))
    assert made.families()["v4_catalogue_info"].samples == []
    assert made.value("v4_deployment_cost_dollars_per_hour") is None
    assert made.value("v4_deployment_cost_dollars_total") is None
    assert made.value("v4_deployment_api_dollars_per_million_tokens", kind="input") is None
    assert made.value("v4_deployment_capacity_decode_tokens_per_second", extra="0") is None
