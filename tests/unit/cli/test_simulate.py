"""`v4-operator simulate`: what it prints, and how it ends."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from v4operator.cli.simulate import command
from v4operator.simulate.fast.trace import poisson_like

app = typer.Typer()
app.command()(command)

KEYS = {
    "policy",
    "attainment",
    "gpuHours",
    "oracleGpuHours",
    "oracleGatewayGpuHours",
    "rho",
    "scalingActions",
    "reversals",
    "ttft",
    "itl",
    "misses",
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = poisson_like(rate=3.0, variation=1.0, seconds=600.0, prompt=800, output=200)
    path = tmp_path_factory.mktemp("traces") / "trace.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["arrival_s", "prompt_tokens", "output_tokens"])
        rows.writerows(zip(made.arrival.round(3), made.prompt, made.output, strict=True))
    return path


def run(*arguments: str | float | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_trace_and_a_policy_give_the_stable_keys(trace: Path) -> None:
    result = run("--trace", trace, "--policy", "hpa", "--startup", 60, "-o", "json")
    assert result.exit_code == 0
    row = json.loads(result.output)
    assert row.keys() >= KEYS
    assert row["policy"] == "hpa"
    assert row["attainment"] > 0.99
    assert row["oracleGpuHours"] > 0.0
    assert row["rho"] == pytest.approx(row["gpuHours"] / row["oracleGpuHours"])


def test_a_missed_target_is_a_finding(trace: Path) -> None:
    slow = ("--slo-itl", 0.004, "--no-oracle")
    result = run("--trace", trace, "--policy", "constant", *slow, "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.output)["rho"] is None


def test_a_picture_is_drawn_beside_the_table(trace: Path, tmp_path: Path) -> None:
    picture = tmp_path / "run.png"
    result = run("--trace", trace, "--policy", "ours", "--no-oracle", "--plot", picture)
    assert result.exit_code == 0
    assert "attainment" in result.output
    assert picture.stat().st_size > 1000


def test_a_knob_is_turned(trace: Path) -> None:
    few = run("--trace", trace, "--policy", "constant", "--no-oracle", "-o", "json")
    more = run(
        "--trace",
        trace,
        "--policy",
        "constant",
        "--knob",
        "replicas=3",
        "--no-oracle",
        "--startup",
        0,
        "-o",
        "json",
    )
    ratio = json.loads(more.output)["gpuHours"] / json.loads(few.output)["gpuHours"]
    assert ratio == pytest.approx(3.0, rel=0.15)  # it starts from the count that the work needs


def test_a_scenario_without_a_file_needs_no_trace() -> None:
    result = run("--scenario", "bursty", "--policy", "constant", "--no-oracle", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.output)["requests"] > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--policy", "ours"], "give --trace FILE", id="no trace"),
        pytest.param(["--policy", "hpb"], "did you mean 'hpa'?", id="an unknown policy"),
        pytest.param(["--truth", "lineal"], "did you mean 'linear'?", id="an unknown truth"),
        pytest.param(["--scenario", "burst"], "did you mean 'bursty'?", id="an unknown scenario"),
        pytest.param(["--scenario", "batch"], "servegen_r1_clientsA_24h", id="its file is missing"),
        pytest.param(["--trace", "/nowhere.csv"], "nowhere.csv", id="no such file"),
    ],
)
def test_wrong_usage_says_what_is_allowed(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--knob", "aim=3"], "allowed: down_window_seconds", id="no such knob"),
        pytest.param(["--knob", "target=high"], "allowed: a number", id="no number"),
        pytest.param(["--profile", "flash-fp8"], "did you mean", id="no such profile"),
    ],
)
def test_a_wrong_knob_or_profile_is_refused(
    trace: Path, arguments: list[str], message: str
) -> None:
    result = run("--trace", trace, "--policy", "hpa", *arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("module", ["numpy", "matplotlib"])
def test_a_missing_extra_is_named(
    trace: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    known = "v4operator.cli.simulator.find_spec"
    monkeypatch.setattr(known, lambda name: None if name == module else object())
    result = run("--trace", trace, "--no-oracle", "--plot", trace.with_suffix(".png"))
    assert result.exit_code == 2
    assert "pip install 'v4-operator[simulate]'" in result.output
