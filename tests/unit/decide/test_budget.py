from dataclasses import replace

import pytest
from tests.fleets import (
    START,
    demand,
    deployment,
    forecast,
    hbm,
    observation,
    observed,
    reading,
    replica,
    scaling,
    serving,
    silent,
)

from v4operator.decide.budget import findings
from v4operator.model.deployment import ScalingMode
from v4operator.model.hbm import Finding, HbmVerdict
from v4operator.model.observation import Observation
from v4operator.model.reading import Engine
from v4operator.model.replica import Phase


def reasons(seen: Observation) -> list[str]:
    return [f.reason for f in findings(seen, forecast(demand(1.0)))]


def test_an_uneventful_fleet_has_no_findings() -> None:
    assert reasons(observation(serving(3))) == []


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (HbmVerdict.UNKNOWN, []),
        (HbmVerdict.FITS, []),
        (HbmVerdict.FITS_TIGHT, []),
        (HbmVerdict.UNSUPPORTED, ["HBMBudgetExceeded"]),
        (HbmVerdict.WEIGHTS_EXCEED, ["HBMBudgetExceeded"]),
        (HbmVerdict.CONCURRENCY_EXCEED, ["HBMBudgetExceeded"]),
    ],
)
def test_memory_that_does_not_fit_is_a_finding_and_unknown_is_not(
    verdict: HbmVerdict, expected: list[str]
) -> None:
    asked = forecast(demand(1.0), hbm=hbm(verdict))
    assert [f.reason for f in findings(observation(serving(1)), asked)] == expected


def test_the_budget_finding_carries_the_reports_sentence_and_its_first_hint() -> None:
    own = (
        Finding(reason="ConfigMismatch", message="two values"),
        Finding(reason="TryThis", message="it would fit", hint="use 4 devices"),
    )
    report = hbm(HbmVerdict.WEIGHTS_EXCEED, sentence="weights take 81 of 79 GiB", findings=own)
    first, *rest = findings(observation(serving(1)), forecast(demand(1.0), hbm=report))
    assert (first.message, first.hint) == ("weights take 81 of 79 GiB", "use 4 devices")
    assert rest == list(own)


def test_the_findings_of_the_forecast_are_passed_on() -> None:
    found = Finding(reason="ThinkMax", message="384K context")
    assert findings(observation(serving(1)), forecast(demand(1.0), findings=(found,))) == (found,)


def test_equal_bounds_are_said_aloud_in_automatic_only() -> None:
    fixed = scaling(min_replicas=3, max_replicas=3)
    assert reasons(observation(serving(3), scaling=fixed)) == ["MinimumEqualsMaximum"]
    advised = replace(fixed, mode=ScalingMode.RECOMMEND)
    assert reasons(observation(serving(3), scaling=advised)) == []


def test_automatic_over_endpoints_is_said_to_have_nobody_who_sets_the_count() -> None:
    assert reasons(observation(serving(2), desired=None)) == ["NoScaleTarget"]


def test_a_workload_without_replicas_or_a_wish_for_any_is_named() -> None:
    only = scaling(mode=ScalingMode.RECOMMEND)
    assert reasons(observation((), desired=None, scaling=only)) == ["NoEndpoints"]
    assert reasons(observation((), desired=2)) == []


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("404 at /metrics: start the engine with --enable-metrics", "MetricsNotFound"),
        ("connection refused", "PortClosed"),
        ("not an engine: HTML", "NotAnEngine"),
    ],
)
def test_the_same_failure_everywhere_is_named_for_what_it_is(failure: str, expected: str) -> None:
    seen = observation([silent("a", failure), silent("b", failure)])
    assert reasons(seen) == [expected]
    found = findings(seen, forecast(demand(1.0)))[0]
    assert "all 2 replicas (port 30000, path /metrics)" in found.message
    assert found.hint


def test_a_failure_of_one_replica_is_not_a_fault_of_the_configuration() -> None:
    assert reasons(observation([*serving(1), silent("b")])) == []
    assert reasons(observation([silent("a", "404"), silent("b", "timed out")])) == []


def test_a_refused_port_of_a_replica_that_starts_is_a_start_and_one_overdue_is_a_closed_port() -> (
    None
):
    young = observed(replica("a", Phase.STARTING, created_at=START - 60))
    late = observed(replica("a", Phase.STARTING, created_at=START - 4000))
    leaving = observed(replica("b", Phase.DRAINING, created_at=START - 4000))
    assert reasons(observation([young])) == []
    assert reasons(observation([late])) == ["PortClosed"]
    assert reasons(observation([leaving])) == []


def test_an_engine_that_is_not_the_declared_one_is_named_with_its_replica() -> None:
    other = serving(1, reading=reading(engine=Engine.VLLM))
    found = findings(observation(other), forecast(demand(1.0)))
    assert [f.message for f in found] == ["engine.name is sglang, but flash-0 runs vllm"]


def test_a_variant_of_an_engine_counts_as_that_engine() -> None:
    memory = replace(deployment().memory, engine="vllm-ascend")
    same = serving(1, reading=reading(engine=Engine.VLLM))
    assert reasons(observation(same, memory=memory)) == []
