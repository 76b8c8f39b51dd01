"""The rules as Prometheus's own tools see them, and what must be true of every alert."""

import itertools
from pathlib import Path

import promql_parser
import pytest
import yaml
from tests.rig.invoke import attempt, invoke
from tests.rules.cases import CASES, Case
from tests.rules.promtool import run

from v4operator.report.series import CATALOGUED, DEPLOYMENT, PROBLEMS, REPLICA, built
from v4operator.rulegen import render
from v4operator.rulegen.alertmanager import configuration
from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import Alert, Record

ROOT = Path(__file__).parents[2]
RULES = ROOT / "manifests" / "rules"
FILE = RULES / "v4-operator.rules.yaml"
ALERTS = render.alerts(Durations())
NAMES = sorted({alert.name for alert in ALERTS})
BY_ALERT = {
    name: tuple(cases)
    for name, cases in itertools.groupby(
        sorted(CASES, key=lambda case: case.alert), key=lambda case: case.alert
    )
}
EXPORTED = {
    *(family.name for family in DEPLOYMENT),
    *(family.name for family in REPLICA),
    PROBLEMS.name,
    CATALOGUED.name,
    built("1").name,
}
# Everything that is called must be known to Prometheus 2.42.
CALLED_IN_2_42 = {"absent", "changes", "min_over_time", "rate"}


@pytest.mark.parametrize("name", NAMES)
def test_the_alert_fires_stays_silent_and_resolves(name: str, tmp_path: Path) -> None:
    said = run(BY_ALERT[name], FILE, tmp_path)
    assert said.status == 0, said.stdout + said.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_cases_in_which_it_fires_and_resolves_and_others(name: str) -> None:
    cases = BY_ALERT[name]
    assert any(c.fires and max(c.silent) > max(c.fires) for c in cases)
    assert any(not c.fires and c.silent for c in cases)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_runbook_with_all_its_parts(name: str) -> None:
    page = (ROOT / render.RUNBOOKS / f"{name}.md").read_text()
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        "Likely causes",
        "How to look",
        "What to do",
        "When it resolves",
    ]
    assert page.startswith(f"# {name}\n")


def test_no_runbook_is_left_over() -> None:
    pages = {path.stem for path in (ROOT / render.RUNBOOKS).glob("V4*.md")}
    assert pages == set(NAMES)


def test_a_case_that_is_wrong_fails(tmp_path: Path) -> None:
    wrong = Case(
        alert="V4OperatorDown",
        name="never",
        series={'v4_build_info{version="1"}': "1x30"},
        fires=(20,),
    )
    assert run((wrong,), FILE, tmp_path).status == 1


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
    assert used <= EXPORTED | recorded
    assert (
        recorded - used
        == {name for name in recorded if name.startswith("v4replica:") and name.endswith("rate15m")}
        - used
    )


def test_rules_call_nothing_that_prometheus_2_42_does_not_know() -> None:
    rules = [rule for group in render.groups(Durations()) for rule in group.rules]
    called = {name for rule in rules for name in calls(promql_parser.parse(rule.expr))}
    assert called <= CALLED_IN_2_42


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name} {alert.labels}")
def test_summaries_hold_no_figures_and_descriptions_say_whose_they_are(alert: Alert) -> None:
    assert "{{" not in alert.summary
    assert "$labels.v4deployment" in alert.description or alert.name == "V4OperatorDown"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30s"), (300, "5m"), (5400, "90m"), (86_400, "1d"), (1.5, "1500ms"), (7.5, "7500ms")],
)
def test_durations_are_spelled_as_promql_reads_them(seconds: float, text: str) -> None:
    assert spelled(seconds) == text


def metrics(node: object) -> set[str]:
    """Names of series in an expression."""
    return {n.name for n in walk(node) if isinstance(n, promql_parser.VectorSelector) and n.name}


def calls(node: object) -> set[str]:
    """Names of functions in an expression."""
    return {n.func.name for n in walk(node) if isinstance(n, promql_parser.Call)}


def walk(node: object) -> list[object]:
    """The node and all below it."""
    below = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    below += list(getattr(node, "args", None) or ())
    return [node, *(each for child in below if child is not None for each in walk(child))]
