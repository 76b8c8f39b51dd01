"""The exposition is read back with prometheus_client's own parser: what is asserted is the text."""

import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.exported import Exported
from tests.fleets import (
    START,
    World,
    demand,
    deployment,
    forecast,
    hbm,
    observation,
    observed,
    replica,
    replica_forecast,
    serving,
    settled,
    silent,
)

from v4operator.model.deployment import Key
from v4operator.model.hbm import HbmVerdict
from v4operator.model.replica import Phase
from v4operator.report.families import label_value
from v4operator.report.reconciles import ReconcileMetrics


@pytest.fixture
def exported() -> Exported:
    made = Exported()
    seen = observation([*serving(2), silent("flash-2")])
    report = hbm(budget_bytes=100, required_bytes=90, weights_bytes=70)
    made.record(
        seen, forecast(demand(2.4, 4.2), speeds={"flash-0": 0.5, "flash-1": 1.0}, hbm=report)
    )
    return made


def test_every_family_has_a_type_a_help_sentence_and_a_name_in_base_units(
    exported: Exported,
) -> None:
    for name, family in exported.families().items():
        assert name.startswith("v4_")
        assert ":" not in name
        assert family.documentation.endswith(".")
        assert family.type in {"gauge", "counter"}
        assert not name.endswith(("_ms", "_gb", "_percent", "_count"))
        assert re.fullmatch(r"[a-z0-9_]+", name)


def test_counters_end_in_total_and_gauges_do_not(exported: Exported) -> None:
    for family in exported.families().values():
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name


def test_labels_are_bounded(exported: Exported) -> None:
    allowed = {"namespace", "v4deployment", "replica", "verdict", "action", "reason"}
    allowed |= {"condition", "status", "checkpoint", "engine", "accelerator", "devices", "layout"}
    allowed |= {"mode", "limiter", "code", "extra", "slo", "component", "kind", "phase", "figure"}
    allowed |= {"result", "version", "entry", "value", "tag", "source"}
    found = {label for f in exported.families().values() for s in f.samples for label in s.labels}
    assert found <= allowed


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("v4_deployment_current_replicas", {}, 3.0),
        ("v4_deployment_desired_replicas", {}, 5.0),
        ("v4_deployment_recommended_replicas", {}, 5.0),
        ("v4_deployment_ready_replicas", {}, 3.0),
        ("v4_deployment_fresh_replicas", {}, 2.0),
        ("v4_deployment_demand_replicas", {}, 2.4),
        ("v4_deployment_horizon_demand_replicas", {}, 4.2),
        ("v4_deployment_start_up_seconds", {}, 480.0),
        ("v4_deployment_admission_limit_requests", {}, 54.0),
        ("v4_deployment_hbm_budget_bytes", {}, 100.0),
        ("v4_deployment_hbm_required_bytes", {}, 90.0),
        ("v4_deployment_hbm_weights_bytes", {}, 70.0),
        ("v4_deployment_hbm_verdict", {"verdict": "fits"}, 1.0),
        ("v4_deployment_hbm_verdict", {"verdict": "weights-exceed"}, 0.0),
        ("v4_deployment_throughput_verdict", {"verdict": "Healthy"}, 1.0),
        ("v4_deployment_throughput_verdict", {"verdict": "SickReplica"}, 0.0),
        ("v4_deployment_decisions_total", {"action": "grow"}, 1.0),
        ("v4_deployment_decisions_total", {"action": "shrink"}, 0.0),
        ("v4_deployment_vetoes_total", {"reason": "Blind"}, 0.0),
        ("v4_deployment_status_condition", {"condition": "Ready", "status": "true"}, 1.0),
        ("v4_deployment_status_condition", {"condition": "Ready", "status": "false"}, 0.0),
        ("v4_deployment_last_decision_timestamp_seconds", {}, START),
        ("v4_replica_up", {"replica": "flash-0"}, 1.0),
        ("v4_replica_up", {"replica": "flash-2"}, 0.0),
        ("v4_replica_metrics_age_seconds", {"replica": "flash-2"}, 90.0),
        ("v4_replica_running_requests", {"replica": "flash-0"}, 20.0),
        ("v4_replica_running_requests", {"replica": "flash-2"}, None),
        ("v4_replica_kv_cache_usage_ratio", {"replica": "flash-1"}, 0.25),
        ("v4_replica_decode_efficiency_ratio", {"replica": "flash-0"}, 0.5),
        ("v4_replica_decode_efficiency_ratio", {"replica": "flash-2"}, None),
        ("v4_replica_throughput_verdict", {"replica": "flash-0", "verdict": "Healthy"}, 1.0),
        ("v4_deployment_scaling_mode", {"mode": "Automatic"}, 1.0),
        ("v4_deployment_scaling_mode", {"mode": "Recommend"}, 0.0),
        ("v4_deployment_paused", {}, 0.0),
        ("v4_deployment_condition_reason", {"condition": "Ready", "reason": "MinimumServing"}, 1.0),
        ("v4_deployment_condition_reason", {"condition": "Ready", "reason": "BelowMinimum"}, None),
        ("v4_deployment_limited", {"limiter": "none"}, 1.0),
        ("v4_deployment_limited", {"limiter": "bounds"}, 0.0),
        ("v4_deployment_decode_tokens_per_second", {}, 1500.0),
        ("v4_deployment_expected_decode_tokens_per_second", {}, 2000.0),
        ("v4_deployment_capacity_decode_tokens_per_second", {"extra": "-1"}, 2400.0),
        ("v4_deployment_capacity_decode_tokens_per_second", {"extra": "0"}, 4000.0),
        ("v4_deployment_capacity_decode_tokens_per_second", {"extra": "3"}, 8800.0),
        ("v4_deployment_hbm_bytes", {"component": "weights"}, 70.0),
        ("v4_deployment_hbm_bytes", {"component": "kv-cache"}, None),
        ("v4_deployment_hbm_live_bytes", {"component": "weights"}, None),
        ("v4_deployment_device_seconds_total", {}, 0.0),
        ("v4_deployment_device_price_dollars_per_hour", {}, 3.5),
        ("v4_deployment_cost_dollars_per_hour", {}, 42.0),
        ("v4_deployment_cost_budget_dollars_per_hour", {}, None),
        ("v4_deployment_api_dollars_per_million_tokens", {"kind": "output"}, 1.2),
        ("v4_deployment_api_dollars_per_million_tokens", {"kind": "cached-input"}, 0.006),
        ("v4_deployment_forecast_due_demand_replicas", {}, None),
        ("v4_deployment_mean_context_tokens", {}, None),
        ("v4_slo_requests_total", {"slo": "ttft", "verdict": "met"}, None),
        ("v4_slo_objective_seconds", {"slo": "inter-token-latency"}, 0.033),
        ("v4_slo_target_ratio", {"slo": "ttft"}, 0.99),
        ("v4_replica_phase", {"replica": "flash-0", "phase": "ready"}, 1.0),
        ("v4_replica_phase", {"replica": "flash-0", "phase": "crashed"}, 0.0),
        ("v4_replica_overdue", {"replica": "flash-0"}, 0.0),
        ("v4_replica_created_timestamp_seconds", {"replica": "flash-0"}, START - 7200.0),
        ("v4_replica_scrapes_total", {"replica": "flash-0", "result": "good"}, None),
        ("v4_replica_decode_tokens_total", {"replica": "flash-0"}, 2500.0),
        ("v4_replica_expected_decode_tokens_total", {"replica": "flash-0"}, 5000.0),
    ],
)
def test_a_figure_is_exported_where_it_is_known(
    exported: Exported, name: str, labels: dict[str, str], expected: float | None
) -> None:
    assert exported.value(name, **labels) == expected


def test_expected_and_observed_tokens_accumulate_and_never_fall(exported: Exported) -> None:
    seen = observation(serving(2))
    odd = replica_forecast("flash-0", expected_decode_tokens=-3.0, observed_decode_tokens=100.0)
    exported.record(seen, forecast(demand(1.5), replicas=(odd,)))
    labels = {"replica": "flash-0"}
    assert exported.value("v4_replica_decode_tokens_total", **labels) == 2600.0
    assert exported.value("v4_replica_expected_decode_tokens_total", **labels) == 5000.0


def test_the_series_of_a_replica_go_with_it(exported: Exported) -> None:
    exported.record(observation(serving(1)), forecast(demand(0.5), speeds={"flash-0": 1.0}))
    left = {s.labels.get("replica") for f in exported.families().values() for s in f.samples}
    assert left == {None, "flash-0"}


def test_the_series_of_a_deployment_go_with_it_and_the_families_stay_described(
    exported: Exported,
) -> None:
    before = set(exported.families())
    exported.metrics.forget(Key("ai", "flash"))
    exported.metrics.forget(Key("ai", "never"))
    after = exported.families()
    assert set(after) == before
    assert {name for name, family in after.items() if family.samples} == {"v4_build_info"}


def test_a_deployment_that_cannot_be_looked_at_says_why_and_nothing_else(
    exported: Exported,
) -> None:
    exported.metrics.withhold(Key("ai", "flash"), "InvalidSpec")
    left = [
        s for f in exported.families().values() for s in f.samples if "v4deployment" in s.labels
    ]
    assert [(s.name, s.labels["code"], s.value) for s in left] == [
        ("v4_deployment_problems", "InvalidSpec", 1.0)
    ]


def test_whatever_has_series_is_among_the_keys_until_it_is_forgotten(exported: Exported) -> None:
    flash, odd = Key("ai", "flash"), Key("ai", "odd")
    exported.metrics.withhold(odd, "WorkloadUnavailable")
    assert exported.metrics.keys() == {flash, odd}
    exported.metrics.forget(odd)
    assert exported.metrics.keys() == {flash}


def test_its_counters_go_on_when_it_can_be_looked_at_again(exported: Exported) -> None:
    exported.metrics.withhold(Key("ai", "flash"), "WorkloadUnavailable")
    exported.record(observation(serving(2)), forecast(demand(2.4, 4.2)))
    assert exported.value("v4_deployment_decisions_total", action="grow") == 2.0
    assert exported.value("v4_deployment_problems", code="WorkloadUnavailable") is None


def test_two_deployments_do_not_mix(exported: Exported) -> None:
    other = observation(serving(1), key=Key("ai", "pro"))
    exported.record(other, forecast(demand(0.5)))
    found = exported.families()["v4_deployment_ready_replicas"].samples
    assert [(s.labels["v4deployment"], s.value) for s in found] == [("flash", 3.0), ("pro", 1.0)]


def test_a_veto_is_counted_in_every_cycle_in_which_it_holds() -> None:
    made = Exported()
    seen = observation([silent("a"), silent("b")])
    for _ in range(3):
        made.record(seen, forecast(demand(0.0, computable=False, reason="nothing seen")))
    assert made.value("v4_deployment_vetoes_total", reason="Blind") == 3.0
    assert made.value("v4_deployment_demand_replicas") is None


def test_a_drain_counts_as_hold_until_the_count_falls() -> None:
    made = Exported()
    world = World.of_size(3, demand=demand(1.0), memory=settled(3, 1))
    for _ in range(30):
        seen = world.observation()
        made.record(seen, forecast(world.demand, now=world.now), world.memory)
        world.step()
    assert made.value("v4_deployment_decisions_total", action="shrink") == 1.0


@pytest.mark.parametrize("name", ['quo"te', "new\nline", "back\\slash", "x" * 10_000, "\ud800"])
def test_a_name_with_any_character_does_not_break_the_exposition(name: str) -> None:
    made = Exported()
    made.record(observation([observed(replica(name, Phase.READY))]), forecast(demand(0.5)))
    found = made.families()["v4_replica_up"].samples
    assert [s.labels["replica"] for s in found] == [label_value(name)]


def test_what_is_not_known_has_no_series() -> None:
    made = Exported()
    unknown: dict[str, Any] = {"capacity": None, "hbm": hbm(HbmVerdict.UNKNOWN)}
    made.record(observation(serving(1), desired=None), forecast(demand(0.5), **unknown))
    for name in (
        "v4_deployment_admission_limit_requests",
        "v4_deployment_hbm_budget_bytes",
        "v4_deployment_desired_replicas",
    ):
        assert made.value(name) is None
    assert made.value("v4_deployment_hbm_verdict", verdict="unknown") == 1.0


def test_the_info_names_what_is_deployed(exported: Exported) -> None:
    (sample,) = exported.families()["v4_deployment_info"].samples
    assert sample.labels["checkpoint"] == deployment().memory.checkpoint
    assert sample.labels["layout"] == "TP4"


def test_the_loop_reports_under_the_names_of_controller_runtime() -> None:
    registry = CollectorRegistry()
    loop = ReconcileMetrics(registry)
    loop.observe("success", 0.01)
    loop.observe("error", 0.2)
    labels = {"controller": "v4deployment"}

    def value(name: str, **more: str) -> float | None:
        return registry.get_sample_value(name, labels | more)

    assert value("controller_runtime_reconcile_total", result="success") == 1.0
    assert value("controller_runtime_reconcile_total", result="requeue") == 0.0
    assert value("controller_runtime_reconcile_errors_total") == 1.0
    assert value("controller_runtime_reconcile_time_seconds_count") == 2.0
