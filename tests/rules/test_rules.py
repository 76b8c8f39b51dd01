"""The rules as Prometheus's own tools see them, and what must be true of every alert."""

from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry
from tests.rig.invoke import attempt, invoke
from tests.rules.exported import EXPORTED
from tests.rules.promql import calls, metrics, walk

from v4operator.rulegen import render
from v4operator.rulegen.alertmanager import configuration
from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import Alert, Record
from v4operator.runtime.metrics import ElectionMetrics
from v4operator.settings import Settings

ROOT = Path(__file__).parents[2]
RULES = ROOT / "manifests" / "rules"
FILE = RULES / "v4-operator.rules.yaml"
ALERTS = render.alerts(Durations())
NAMES = sorted({alert.name for alert in ALERTS})
# What a non-leading operator exports too; everything else that rules read is `v4_*`.
OF_THE_PROCESS = {"leader_election_master_status"}
OF_NO_DEPLOYMENT = {"V4OperatorDown", "V4NoLeader"}
# Everything that is called must be known to Prometheus 2.42.
CALLED_IN_2_42 = {"absent", "changes", "min_over_time", "rate"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v4-operator.rules.yaml", render.rule_file(Durations())),
        ("prometheus-rule.yaml", render.prometheus_rule(Durations())),
        ("alertmanager.yaml", configuration(Durations())),
    ],
)
def test_what_is_committed_is_what_is_rendered(name: str, text: str) -> None:
    assert (RULES / name).read_text() == text


@pytest.mark.parametrize("scale", [1.0, 20.0, 7.0])
def test_promtool_has_nothing_to_say_at_any_pace(scale: float, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(render.rule_file(Durations().faster(scale)))
    said = attempt("promtool", "check", "rules", "--lint=all", "--lint-fatal", path)
    assert said.status == 0, said.stderr


def test_amtool_accepts_the_example_of_routes() -> None:
    assert "SUCCESS" in invoke("amtool", "check-config", RULES / "alertmanager.yaml").stdout


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [("severity=critical", "pager"), ("severity=warning", "tickets"), ("severity=info", "nobody")],
)
def test_amtool_routes_by_severity(labels: str, receiver: str) -> None:
    at = f"--config.file={RULES / 'alertmanager.yaml'}"
    assert invoke("amtool", "config", "routes", "test", at, labels).stdout.strip() == receiver


def test_inhibitions_name_alerts_that_exist() -> None:
    document = yaml.safe_load((RULES / "alertmanager.yaml").read_text())
    matchers = [
        matcher.partition("=")[2].strip('~"')
        for rule in document["inhibit_rules"]
        for side in ("source_matchers", "target_matchers")
        for matcher in rule[side]
        if matcher.startswith("alertname") and "+" not in matcher
    ]
    assert {name for matcher in matchers for name in matcher.split("|")} <= set(NAMES)


def test_rules_read_only_what_the_operator_exports_or_another_rule_records() -> None:
    rules = [rule for group in render.groups(Durations()) for rule in group.rules]
    recorded = {rule.name for rule in rules if isinstance(rule, Record)}
    used = {name for rule in rules for name in metrics(promql_parser.parse(rule.expr))}
    assert used <= EXPORTED | OF_THE_PROCESS | recorded


def test_the_rule_on_leadership_reads_what_the_elector_exports() -> None:
    registry = CollectorRegistry()
    ElectionMetrics(registry, Settings().lease_name)
    exported = {(s.name, tuple(s.labels.items())) for m in registry.collect() for s in m.samples}
    rule = next(alert for alert in ALERTS if alert.name == "V4NoLeader")
    selector = next(
        node
        for node in walk(promql_parser.parse(rule.expr))
        if isinstance(node, promql_parser.VectorSelector)
    )
    read = tuple((each.name, each.value) for each in selector.matchers.matchers)
    assert exported == {(selector.name, read)}


@pytest.mark.parametrize(
    "expr",
    [
        "histogram_quantile(0.9, x)",
        "-histogram_quantile(0.9, x)",
        "(histogram_quantile(0.9, x))",
        "sum by (a) (histogram_quantile(0.9, x))",
        "topk(scalar(histogram_quantile(0.9, x)), y)",
        "a and on (b) histogram_quantile(0.9, x)",
        "histogram_quantile(0.9, x) / a",
        "abs(histogram_quantile(0.9, x))",
        "max_over_time(histogram_quantile(0.9, x)[1h:1m])",
        "a > bool (1 - histogram_quantile(0.9, x))",
    ],
)
def test_a_function_is_found_wherever_it_stands(expr: str) -> None:
    tree = promql_parser.parse(expr)
    assert "histogram_quantile" in calls(tree)
    assert "x" in metrics(tree)


def test_rules_call_nothing_that_prometheus_2_42_does_not_know() -> None:
    rules = [rule for group in render.groups(Durations()) for rule in group.rules]
    called = {name for rule in rules for name in calls(promql_parser.parse(rule.expr))}
    assert called <= CALLED_IN_2_42


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name} {alert.labels}")
def test_summaries_hold_no_figures_and_descriptions_say_whose_they_are(alert: Alert) -> None:
    assert "{{" not in alert.summary
    assert "$labels.v4deployment" in alert.description or alert.name in OF_NO_DEPLOYMENT


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30s"), (300, "5m"), (5400, "1h30m"), (86_400, "1d"), (1.5, "1s500ms"), (0.25, "250ms")],
)
def test_durations_are_spelled_as_promql_reads_them(seconds: float, text: str) -> None:
    assert spelled(seconds) == text
