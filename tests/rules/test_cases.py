"""Every alert in promtool: it fires, resolves, and stays silent where it must."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.rules import debian
from tests.rules.cases.case import Case, Kind
from tests.rules.cases.every import CASES, of
from tests.rules.promtool import run, said

from v4operator.rulegen import render
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.rule import Alert, Record

FILE = Path(__file__).parents[2] / "manifests" / "rules" / "v4-operator.rules.yaml"
TOLD: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "told.yaml").read_text()
)
RULES = [rule for group in render.groups(Durations()) for rule in group.rules]
NAMES = sorted({rule.name for rule in RULES if isinstance(rule, Alert)})
# What is missing is the fault itself.
ABSENCE = {"V4OperatorDown"}


@pytest.fixture(scope="session")
def oldest() -> Path:
    """promtool 2.42."""
    try:
        return debian.promtool()
    except debian.NotOfferedError as reason:
        pytest.skip(f"rules are not tried on Prometheus {debian.PROMISED}: {reason}")


@pytest.mark.parametrize("name", NAMES)
def test_the_alert_fires_with_these_words_stays_silent_and_resolves(
    name: str, tmp_path: Path
) -> None:
    first, *others = sorted(of(name), key=lambda case: case.kind is not Kind.FIRES)
    worded = run((first,), FILE, tmp_path, told=_expected(name))
    rest = run(tuple(others), FILE, tmp_path)
    assert worded.status == 0, worded.stdout + worded.stderr
    assert rest.status == 0, rest.stdout + rest.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_oldest_promised_prometheus_sees_the_same(
    name: str, oldest: Path, tmp_path: Path
) -> None:
    held = run(of(name), FILE, tmp_path, tool=oldest)
    assert held.status == 0, held.stdout + held.stderr


def test_the_oldest_promised_prometheus_has_nothing_to_say_about_the_file(oldest: Path) -> None:
    held = said(oldest, "check", "rules", "--lint=all", "--lint-fatal", FILE)
    assert held.status == 0, held.stderr
    assert f"version {debian.PROMISED}." in said(oldest, "--version").stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_alert_has_a_case_of_every_kind_that_its_rule_calls_for(name: str) -> None:
    have = {case.kind for case in of(name)}
    assert wanted(name) <= have, wanted(name) - have


@pytest.mark.parametrize("name", [each for each in NAMES if each not in ABSENCE])
def test_a_missing_series_never_fires(name: str, tmp_path: Path) -> None:
    whole = next(case for case in of(name) if case.kind is Kind.FIRES)
    without = tuple(_without(whole, missing) for missing in whole.series)
    tried = tuple(
        case for case, gone in zip(without, whole.series, strict=True) if gone not in whole.needless
    )
    nothing = replace(whole, series={}, fires=(), silent=(*whole.silent, *whole.fires))
    held = run((*tried, nothing), FILE, tmp_path)
    assert held.status == 0, held.stdout + held.stderr


def test_every_case_is_of_an_alert_that_exists_and_expects_something() -> None:
    assert {case.alert for case in CASES} == set(NAMES) == set(TOLD)
    assert all(case.silent for case in CASES)
    assert all(bool(case.fires) == (case.kind is Kind.FIRES) for case in CASES)
    assert all(max(c.silent) > max(c.fires) for c in CASES if c.kind is Kind.FIRES)


@pytest.mark.parametrize(
    "wrong",
    [{"fires": (20,), "silent": ()}, {"fires": (), "silent": (20,), "series": {}}],
    ids=["it would have to fire", "it would have to be silent"],
)
def test_a_case_that_is_wrong_fails(wrong: dict[str, Any], tmp_path: Path) -> None:
    right = Case(
        alert="V4OperatorDown",
        kind=Kind.OTHER,
        name="it is there",
        series={'v4_build_info{version="1"}': "1x30"},
        silent=(20,),
    )
    assert run((right,), FILE, tmp_path).status == 0
    assert run((replace(right, **wrong),), FILE, tmp_path).status == 1


def test_other_words_than_those_expected_fail(tmp_path: Path) -> None:
    case = next(case for case in of("V4SickReplica") if case.kind is Kind.FIRES)
    told = _expected("V4SickReplica")
    told[0]["exp_annotations"]["description"] += " "
    assert run((case,), FILE, tmp_path, told=told).status == 1


def wanted(name: str) -> set[Kind]:
    """Kinds of cases that an alert must have, by what its rule reads, directly or not."""
    text = " ".join(_read(name))
    kinds = {Kind.FIRES, Kind.RESTART}
    if "rate(" in text:
        kinds |= {Kind.COUNTER_RESET, Kind.LOAD_SWING}
    if re.search(r"throughput_verdict|limited|cost_|kv_cache_usage_ratio\[", text):
        kinds.add(Kind.LOAD_SWING)
    if re.search(r"v4_replica_|fresh_replicas|limited", text):
        kinds.add(Kind.SCALE_UP)
    return kinds


def _read(name: str) -> list[str]:
    """The alert's expressions and those of the records below."""
    texts = [rule.expr for rule in RULES if isinstance(rule, Alert) and rule.name == name]
    for rule in reversed(RULES):
        if isinstance(rule, Record) and any(rule.name in text for text in texts):
            texts.append(rule.expr)
    return texts


def _without(case: Case, missing: str) -> Case:
    left = {name: values for name, values in case.series.items() if name != missing}
    silent = (*case.silent, *case.fires)
    return replace(case, name=f"without {missing}", series=left, fires=(), silent=silent)


def _expected(name: str) -> list[dict[str, Any]]:
    alert = next(rule for rule in RULES if isinstance(rule, Alert) and rule.name == name)
    return [
        {
            "exp_labels": each["labels"],
            "exp_annotations": {
                "summary": each["summary"],
                "description": each["description"],
                "runbook_url": f"docs/runbooks/{alert.name}.md",
            },
        }
        for each in TOLD[name]
    ]
