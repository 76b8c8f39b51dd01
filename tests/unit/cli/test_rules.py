"""The verb `rules`: what it writes, where, and how it refuses."""

from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from v4operator.cli.rules import command
from v4operator.rulegen import render
from v4operator.rulegen.alertmanager import configuration, straight_to
from v4operator.rulegen.durations import Durations

APP = typer.Typer()
APP.command()(command)
AS_APPLIED, FASTER = Durations(), Durations().faster(20.0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], render.rule_file(AS_APPLIED), id="rule file"),
        pytest.param(["--time-scale", "20"], render.rule_file(FASTER), id="another pace"),
        pytest.param(
            ["--runbooks", "https://wiki.example/v4/"],
            render.rule_file(AS_APPLIED, "https://wiki.example/v4"),
            id="runbooks elsewhere",
        ),
        pytest.param(
            ["--what", "prometheusrule"], render.prometheus_rule(AS_APPLIED), id="PrometheusRule"
        ),
        pytest.param(["--what", "alertmanager"], configuration(AS_APPLIED), id="routes"),
        pytest.param(
            ["--what", "alertmanager", "--webhook", "http://here/"],
            configuration(AS_APPLIED, straight_to("http://here/")),
            id="routes to one address",
        ),
    ],
)
def test_it_prints_what_is_applied(arguments: list[str], expected: str) -> None:
    answer = CliRunner().invoke(APP, arguments)
    assert answer.exit_code == 0
    assert answer.output == expected


def test_it_writes_a_file_instead(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    answer = CliRunner().invoke(APP, ["--output", str(path)])
    assert (answer.exit_code, answer.output) == (0, "")
    assert path.read_text() == render.rule_file(AS_APPLIED)


def test_a_place_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    answer = CliRunner().invoke(APP, ["--output", str(tmp_path / "none" / "rules.yml")])
    assert answer.exit_code == 2
    assert "v4-operator rules:" in answer.output
    assert "none/rules.yml" in answer.output


@pytest.mark.parametrize(
    "arguments",
    [["--what", "dashboards"], ["--time-scale", "0"], ["--time-scale", "1001"]],
    ids=["unknown", "too slow", "too fast"],
)
def test_what_is_not_allowed_is_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(APP, arguments).exit_code == 2


def test_the_example_holds_no_address_in_the_open() -> None:
    document = yaml.safe_load(CliRunner().invoke(APP, ["--what", "alertmanager"]).output)
    entries = [entry for each in document["receivers"] for entry in each.get("webhook_configs", ())]
    assert [set(entry) for entry in entries] == [{"url_file"}, {"url_file"}]
    assert len({entry["url_file"] for entry in entries}) == 2
