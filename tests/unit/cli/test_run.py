import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from v4operator.cli.run import command

_app = typer.Typer()
_app.command()(command)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scaling", "emulated"], "--scaling emulated and --emulator URL go together"),
        (["--status-dir", "x"], "--emulator and --status-dir need --standalone"),
        (["--standalone", ".", "--namespace", "a"], "--standalone has no cluster"),
    ],
    ids=["emulated where", "no folder", "two worlds"],
)
def test_flags_that_do_not_go_together_are_refused_with_a_sentence(
    arguments: list[str], message: str
) -> None:
    result = CliRunner().invoke(_app, arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_without_a_cluster_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("V4_", "KUBERNETES_"))]:
        monkeypatch.delenv(name)
    empty = tmp_path / "kubeconfig"
    empty.write_text("{}")
    result = CliRunner().invoke(_app, ["--kubeconfig", str(empty), "--listen-port", "0"])
    assert result.exit_code == 2
    assert "no access to a cluster" in result.output
