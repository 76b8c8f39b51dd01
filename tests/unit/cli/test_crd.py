from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from v4operator.cli.crd import command
from v4operator.crdgen import admission, crd

APP = typer.Typer()
APP.command()(command)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], crd.text(), id="definition"),
        pytest.param(["--what", "admission"], admission.text(), id="policies"),
        pytest.param(
            ["--what", "admission", "--namespace", "v4"], admission.text("v4"), id="namespace"
        ),
    ],
)
def test_it_prints_what_is_applied(arguments: list[str], expected: str) -> None:
    answer = CliRunner().invoke(APP, arguments)
    assert answer.exit_code == 0
    assert answer.output == expected


def test_the_table_holds_the_users_own_checkpoints(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "checkpoints: [{name: org/tune, base: deepseek-ai/DeepSeek-V4-Flash, "
        "weightBytes: 160000000000}]"
    )
    answer = CliRunner().invoke(APP, ["--what", "table", "--catalogue", str(own)])
    assert answer.exit_code == 0, answer.output
    assert yaml.safe_load(answer.output)["data"]["checkpoint.org_tune"] == "org_tune"


def test_it_writes_a_file_instead(tmp_path: Path) -> None:
    target = tmp_path / "crd.yaml"
    answer = CliRunner().invoke(APP, ["--output", str(target)])
    assert answer.output == ""
    assert target.read_text() == crd.text()


def test_a_file_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    answer = CliRunner().invoke(APP, ["--output", str(tmp_path / "no" / "crd.yaml")])
    assert answer.exit_code == 2
    assert "v4-operator crd: " in answer.output
