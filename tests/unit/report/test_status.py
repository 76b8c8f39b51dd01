import json
from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import (
    START,
    demand,
    forecast,
    hbm,
    observation,
    observed,
    reading,
    replica,
    replica_forecast,
    scaling,
    serving,
    settled,
    silent,
)

from v4operator.decide.decide import decide
from v4operator.model.deployment import ScalingMode
from v4operator.model.forecast import FleetThroughput, Forecast, ThroughputVerdict
from v4operator.model.hbm import Band, Finding, HbmVerdict
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import GatewayObservation, Interval, Observation
from v4operator.model.replica import Phase
from v4operator.model.status import Condition, Status
from v4operator.report import quantise
from v4operator.report.document import document, rfc3339
from v4operator.report.status import status


def reported(
    seen: Observation,
    asked: Forecast | None = None,
    previous: Status | None = None,
    memory: PolicyMemory | None = None,
) -> Status:
    told = asked or forecast(demand(1.5), now=seen.now)
    verdict, _ = decide(seen, told, memory or PolicyMemory())
    return status(seen, told, verdict, previous)


def condition(found: Status, name: str) -> Condition:
    return next(c for c in found.conditions if c.type == name)


def interval(**changes: Any) -> Interval:
    absent: dict[str, Any] = dict.fromkeys(Interval.__dataclass_fields__)
    return Interval(**(absent | {"start": START - 60, "end": START} | changes))


def throughput(verdict: ThroughputVerdict) -> FleetThroughput:
    return FleetThroughput(
        verdict=verdict, replica=None, sentence="so", efficiency_ratio=None, confidence=0.1
    )


def hindered(reason: str) -> Observation:
    seen = observation(serving(2))
    told = Finding(reason=reason, message="what was found")
    return replace(seen, workload=replace(seen.workload, findings=(told,)))


@pytest.mark.parametrize(
    ("seen", "name", "expected"),
    [
        (observation(serving(2)), "Ready", ("True", "MinimumServing")),
        (
            observation(serving(2), scaling=scaling(min_replicas=3)),
            "Ready",
            ("False", "BelowMinimum"),
        ),
        (observation(()), "Ready", ("False", "BelowMinimum")),
        (observation(serving(2)), "MetricsAvailable", ("True", "AllFresh")),
        (observation([*serving(2), silent("s")]), "MetricsAvailable", ("True", "SomeSilent")),
        (observation([*serving(1), silent("s")]), "MetricsAvailable", ("False", "TooFewFresh")),
        (observation([silent("s")]), "MetricsAvailable", ("False", "TooFewFresh")),
        (observation(()), "MetricsAvailable", ("Unknown", "NoReadyReplica")),
        (
            replace(observation(()), metrics_problem="no Prometheus is named"),
            "MetricsAvailable",
            ("False", "SourceNotConfigured"),
        ),
        (observation(serving(2)), "ScalingActive", ("True", "Automatic")),
        (observation([*serving(1), silent("s")]), "ScalingActive", ("False", "Blind")),
        (
            observation(serving(2), scaling=scaling(mode=ScalingMode.RECOMMEND)),
            "ScalingActive",
            ("False", "RecommendOnly"),
        ),
        (
            observation(serving(2), scaling=scaling(paused=True)),
            "ScalingActive",
            ("False", "Paused"),
        ),
        (observation(serving(2), desired=None), "ScalingActive", ("False", "NoScaleTarget")),
        (hindered("PermissionDenied"), "ScalingActive", ("False", "PermissionDenied")),
        (hindered("ScalingContested"), "ScalingActive", ("False", "ScalingContested")),
        (hindered("NoPreStop"), "ScalingActive", ("True", "Automatic")),
        (observation(serving(2)), "ScalingLimited", ("False", "WithinBounds")),
        (
            observation(serving(1), scaling=scaling(max_replicas=1)),
            "ScalingLimited",
            ("True", "AtMaximum"),
        ),
        (
            observation(serving(3), scaling=scaling(min_replicas=3)),
            "ScalingLimited",
            ("True", "AtMinimum"),
        ),
        (
            observation([*serving(1), observed(replica("u", Phase.UNSCHEDULABLE))]),
            "ScalingLimited",
            ("True", "WaitingForCapacity"),
        ),
    ],
)
def test_a_condition_says_how_the_world_is(
    seen: Observation, name: str, expected: tuple[str, str]
) -> None:
    found = condition(reported(seen), name)
    assert (found.status, found.reason) == expected
    assert found.message
    assert found.observed_generation == 3


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (HbmVerdict.FITS, ("False", "Fits")),
        (HbmVerdict.FITS_TIGHT, ("False", "FitsTight")),
        (HbmVerdict.UNKNOWN, ("Unknown", "Unknown")),
        (HbmVerdict.UNSUPPORTED, ("True", "Unsupported")),
        (HbmVerdict.WEIGHTS_EXCEED, ("True", "WeightsExceed")),
    ],
)
def test_the_verdict_on_memory_is_a_condition(
    verdict: HbmVerdict, expected: tuple[str, str]
) -> None:
    told = forecast(demand(1.5), hbm=hbm(verdict))
    found = condition(reported(observation(serving(2)), told), "HBMBudgetExceeded")
    assert (found.status, found.reason) == expected


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (ThroughputVerdict.HEALTHY, "False"),
        (ThroughputVerdict.OVERLOADED, "False"),
        (ThroughputVerdict.MIX_CHANGED, "False"),
        (ThroughputVerdict.SICK_REPLICA, "True"),
        (ThroughputVerdict.ACCEPTANCE_DROPPED, "True"),
        (ThroughputVerdict.STALLED, "True"),
        (ThroughputVerdict.DEGRADED, "True"),
        (ThroughputVerdict.UNKNOWN, "Unknown"),
    ],
)
def test_the_verdict_on_throughput_is_a_condition(
    verdict: ThroughputVerdict, expected: str
) -> None:
    told = forecast(demand(1.5), throughput=throughput(verdict))
    found = condition(reported(observation(serving(2)), told), "ThroughputDegraded")
    assert (found.status, found.reason) == (expected, verdict.value)


def test_findings_do_not_make_a_fleet_that_serves_unready() -> None:
    told = forecast(demand(1.5), hbm=hbm(HbmVerdict.WEIGHTS_EXCEED))
    found = reported(observation(serving(2)), told)
    assert condition(found, "Ready").status == "True"
    assert [f.reason for f in found.findings] == ["HBMBudgetExceeded"]


def test_the_transition_time_moves_with_the_status_only() -> None:
    first = reported(observation(serving(3)))
    one_silent = [*serving(2), silent("s")]
    second = reported(observation(one_silent, now=START + 60), previous=first)
    blind = [*serving(1), silent("s")]
    third = reported(observation(blind, now=START + 120), previous=second)
    times = [condition(s, "MetricsAvailable").last_transition_time for s in (first, second, third)]
    assert times == [START, START, START + 120]
    assert condition(second, "MetricsAvailable").reason == "SomeSilent"


def test_a_decision_keeps_the_time_at_which_it_became_what_it_is() -> None:
    first = reported(observation(serving(2)))
    same = reported(observation(serving(2), now=START + 60), previous=first)
    grown = reported(observation(serving(2), now=START + 120), forecast(demand(4.5)), previous=same)
    assert [s.last_decision.time for s in (first, same, grown)] == [START, START, START + 120]


def test_what_is_observed_sums_over_the_fresh_replicas_and_unknown_stays_unknown() -> None:
    recent = interval(decode_tokens_per_second=1234.0)
    seen = observation([*serving(2, recent=recent), silent("s")])
    found = reported(seen).observed
    assert (found.decode_tokens_per_second, found.prompt_tokens_per_second) == (2500.0, None)
    assert (found.running_requests, found.waiting_requests, found.kv_usage_ratio) == (40, 0, 0.25)
    assert (found.fresh_replicas, found.ready_replicas) == (2, 3)
    empty = reported(observation(())).observed
    assert (empty.kv_usage_ratio, empty.running_requests) == (None, None)


def test_what_waits_at_a_gateway_is_told_beside_what_waits_inside() -> None:
    outside = GatewayObservation(waiting_requests=7.0, lost_total=None)
    seen = replace(observation(serving(2)), gateway=outside)
    assert reported(seen).observed.gateway_waiting_requests == 7
    assert reported(observation(serving(2))).observed.gateway_waiting_requests is None


def test_a_silent_replica_says_why_and_shows_no_stale_figures() -> None:
    seen = observation([*serving(2), silent("s", "timed out")])
    told = forecast(demand(1.5), speeds={"flash-0": 0.5})
    first, _, last = reported(seen, told).replica_statuses
    assert (first.efficiency_ratio, first.tokens_per_second, first.verdict) == (
        0.5,
        500.0,
        "Healthy",
    )
    assert (last.unknown, last.running_requests, last.age_seconds) == ("timed out", None, 90.0)
    assert last.verdict == "Unknown"


def test_the_capacity_tells_the_admission_limit_and_the_demand() -> None:
    told = forecast(demand(1.234, 2.345))
    found = reported(observation(serving(3)), told).capacity
    assert (found.sequences_per_replica, found.bound) == (54, "inter-token latency")
    assert (found.demand_replicas, found.horizon_demand_replicas) == (1.23, 2.35)
    assert found.efficiency_ratio == 0.99


def test_a_demand_or_a_capacity_that_is_not_known_is_null() -> None:
    told = forecast(demand(0.0, computable=False, reason="no prior"), capacity=None)
    found = reported(observation(serving(3)), told).capacity
    assert (found.sequences_per_replica, found.demand_replicas, found.bound) == (None, None, None)


def test_the_memory_report_is_told_in_bytes() -> None:
    report = hbm(
        budget_bytes=130,
        required_bytes=120,
        kv_cache_bytes=Band(low=1.0, central=40.4, high=60.0),
    )
    found = reported(observation(serving(1)), forecast(demand(0.5), hbm=report)).hbm
    assert (found.budget_bytes, found.required_bytes, found.kv_cache_bytes) == (130, 120, 40)


def test_terminating_replicas_are_listed_and_not_counted() -> None:
    leaving = observed(replica("l", Phase.DRAINING))
    found = reported(observation([*serving(2), leaving], desired=2))
    assert (found.replicas, found.ready_replicas, len(found.replica_statuses)) == (2, 2, 3)


def test_noise_below_the_steps_leaves_the_status_as_it_was() -> None:
    def noisy(tokens: float, age: float) -> Status:
        held = serving(2, recent=interval(decode_tokens_per_second=tokens), age_seconds=age)
        return reported(observation(held))

    assert noisy(1234.0, 1.2) == noisy(1236.0, 3.9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, 0.0), (1234.0, 1200.0), (0.01234, 0.012), (99.9, 100.0), (None, None)],
)
def test_rates_keep_two_significant_digits(value: float | None, expected: float | None) -> None:
    assert quantise.rate(value) == expected


def test_what_is_no_number_is_not_known() -> None:
    bad = float("nan")
    assert (quantise.rate(bad), quantise.ratio(bad), quantise.whole(bad)) == (None, None, None)
    assert quantise.age(None) is None
    assert quantise.age(12.4) == 10.0


def test_the_document_is_json_in_camel_case_with_times_as_kubernetes_has_them() -> None:
    seen = observation([*serving(3), silent("s")])
    told = forecast(demand(1.5), replicas=(replica_forecast("flash-0", 0.51),))
    found = document(reported(seen, told, memory=settled(4, 2)))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["metadata"] == {"namespace": "ai", "name": "flash"}
    body = found["status"]
    assert (body["observedGeneration"], body["desiredReplicas"]) == (3, 3)
    assert body["lastDecision"]["time"] == rfc3339(START) == "2027-01-15T08:00:00Z"
    assert body["replicaStatuses"][0]["efficiencyRatio"] == 0.51
    assert body["replicaStatuses"][3]["unknown"] == "connection refused"
    assert {c["type"] for c in body["conditions"]} == {
        "Ready",
        "MetricsAvailable",
        "ScalingActive",
        "ScalingLimited",
        "HBMBudgetExceeded",
        "ThroughputDegraded",
    }
    assert body["conditions"][0]["lastTransitionTime"] == "2027-01-15T08:00:00Z"


def test_a_decision_in_the_document_carries_its_vetoes_and_the_rejected_alternative() -> None:
    found = document(reported(observation(serving(4)), forecast(demand(1.5))))
    decision = found["status"]["lastDecision"]
    assert decision["vetoes"][0]["reason"] == "RestartGuard"
    assert decision["alternative"].startswith("shrink to 3: ")


def test_a_reading_without_figures_gives_nulls() -> None:
    bare = reading(running_requests=None, waiting_requests=None, kv_usage_ratio=None)
    found = reported(observation(serving(2, reading=bare)))
    assert found.observed.running_requests is None
    assert replace(found.replica_statuses[0]).kv_usage_ratio is None
