"""Runbooks: every alert has a page with all its parts, and what it tells people to type exists."""

import re
import shlex
from pathlib import Path

import promql_parser
import pytest
import yaml
from tests.rig.invoke import attempt
from tests.rules.exported import EXPORTED, of_the_process
from tests.rules.promql import metrics

from v4operator.cli import VERBS
from v4operator.rulegen import render
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.rule import Record

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / render.RUNBOOKS
PAGES = {path.stem: path.read_text() for path in FOLDER.glob("V4*.md")}
NAMES = sorted({alert.name for alert in render.alerts(Durations())})
RECORDED = {
    rule.name
    for group in render.groups(Durations())
    for rule in group.rules
    if isinstance(rule, Record)
}
# Of Prometheus itself.
BUILT_IN = {"up", "ALERTS"}
# What ends a pipe in a runbook.
FILTERS = {"grep", "tail"}
HEADINGS = ["Likely causes", "How to look", "What to do", "When it resolves"]


def blocks(page: str, language: str) -> list[str]:
    """Lines of the blocks in that language, without comments."""
    found = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    lines = [line.partition("   #")[0].strip() for block in found for line in block.splitlines()]
    return [line for line in lines if line]


TUNING = (ROOT / "docs" / "tuning.md").read_text()
TEXTS = (*PAGES.values(), TUNING)
QUERIES = [(name, line) for name, page in PAGES.items() for line in blocks(page, "promql")]
COMMANDS = sorted({line for page in PAGES.values() for line in blocks(page, "sh")})


def test_every_alert_has_a_page_and_none_is_left_over() -> None:
    assert set(PAGES) == set(NAMES)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_has_all_its_parts(name: str) -> None:
    headings = [line[3:] for line in PAGES[name].splitlines() if line.startswith("## ")]
    assert headings == HEADINGS
    assert PAGES[name].startswith(f"# {name}\n")
    assert blocks(PAGES[name], "sh")
    assert blocks(PAGES[name], "promql")


@pytest.mark.parametrize(("name", "query"), QUERIES)
def test_a_query_of_a_page_asks_for_what_there_is(name: str, query: str) -> None:
    asked = metrics(promql_parser.parse(query))
    known = EXPORTED | RECORDED | BUILT_IN | of_the_process()
    assert asked, name
    assert asked <= known, f"{name}: {asked - known}"


def test_alerts_that_pages_point_to_exist() -> None:
    named = {word for text in TEXTS for word in re.findall(r"\bV4[A-Z]\w+", text)}
    assert named - {"V4Deployment", "V4Deployments"} <= set(NAMES)


def test_metrics_that_the_page_on_tuning_names_exist() -> None:
    assert set(re.findall(r"\bv4_\w+", TUNING)) <= EXPORTED


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_page_exists(line: str) -> None:
    first, *filters = [part.strip() for part in line.split(" | ")]
    program, *arguments = shlex.split(first)
    assert {each.split()[0] for each in filters} <= FILTERS
    if program == "v4-operator":
        assert arguments[0] in VERBS
        return
    assert program == "kubectl"
    verb = next(word for at, word in enumerate(arguments) if is_verb(arguments, at))
    said = attempt("kubectl", verb, "--help")
    assert said.status == 0, line
    assert f"kubectl {verb}" in said.stdout, line


def is_verb(arguments: list[str], at: int) -> bool:
    """Whether it is neither a flag nor the value of the `-n` before it."""
    return not arguments[at].startswith("-") and (at == 0 or arguments[at - 1] != "-n")


@pytest.mark.parametrize("line", [line for line in COMMANDS if " v4 " in f" {line} "])
def test_the_short_name_of_the_resource_is_the_crds(line: str) -> None:
    crd = yaml.safe_load((ROOT / "crds" / "v4serving.dev_v4deployments.yaml").read_text())
    assert "v4" in crd["spec"]["names"]["shortNames"], line


def test_fields_of_the_spec_that_pages_name_are_the_crds() -> None:
    crd = yaml.safe_load((ROOT / "crds" / "v4serving.dev_v4deployments.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    named = {
        tuple(path.split("."))
        for text in TEXTS
        for path in re.findall(r"\b((?:scaling|hbm|cost|objectives)(?:\.[a-z]\w+)+)", text)
    }
    assert ("scaling", "behavior", "shrinkWindow") in named
    for path in named:
        below = schema
        for field in path:
            assert field in below["properties"], path
            below = below["properties"][field]
