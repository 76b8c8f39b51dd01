"""`v4-operator backtest` on a recording: what it prints, what it refuses, and how it ends."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from v4operator.cli.backtest import command
from v4operator.cli.backtest_history import span_before
from v4operator.simulate.history import History, document_of, read_history

app = typer.Typer()
app.command()(command)

_STEPS = 30


def recording(path: Path, **changes: Any) -> Path:
    """Half an hour of two requests a second on three replicas."""
    requests = np.full(_STEPS, 120.0)
    values: dict[str, Any] = {
        "namespace": "llm",
        "name": "chat",
        "start_seconds": 1.7e9,
        "step_seconds": 60.0,
        "requests": requests,
        "prompt_tokens": requests * 800,
        "prefix_hit_tokens": requests * 200,
        "output_tokens": requests * 200,
        "replicas": np.full(_STEPS, 3.0),
        "attainment": 0.999,
    }
    path.write_text(json.dumps(document_of(History(**values | changes))))
    return path


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    return recording(tmp_path / "chat.json")


def run(*arguments: str | float | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def replayed(*arguments: str | float | Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(run(*arguments, "--policy", "hpa", "-o", "json").stdout)
    return said


def test_what_ran_stands_beside_its_replay_and_every_policy(chat: Path) -> None:
    said = replayed("--file", chat)
    rows = {row["policy"]: row for row in said["policies"]}
    assert list(rows) == ["as it was", "as it was, replayed", "hpa"]
    assert rows["as it was"]["attainment"] == 0.999
    assert rows["as it was"]["gpuHours"] == pytest.approx(3 * 4 * 0.5)
    assert rows["as it was, replayed"]["gpuHours"] == pytest.approx(3 * 4 * 0.5, rel=0.01)
    assert said["requests"] == 120 * _STEPS
    assert said["promptTokens"] == pytest.approx(120 * _STEPS * 800, rel=1e-3)
    assert said["doubts"] == []


def test_money_is_hours_times_the_price(chat: Path) -> None:
    for row in replayed("--file", chat, "--price", 2.5)["policies"]:
        assert row["usd"] == pytest.approx(2.5 * row["gpuHours"])


def test_the_catalogue_has_the_price_of_the_profiles_device(chat: Path) -> None:
    said = replayed("--file", chat)
    assert said["usdPerDeviceHour"] > 0.0
    assert (
        replayed("--file", chat, "--profile", "pro-fp4-8xb200")["usdPerDeviceHour"]
        != (said["usdPerDeviceHour"])
    )


def test_the_table_says_what_was_assumed(chat: Path) -> None:
    result = run("--file", chat, "--policy", "ours")
    assert result.exit_code == 0
    assert "llm/chat: 0.02 days, 3,600 requests" in " ".join(result.stdout.split())
    assert "assumed: lengths are log-normal" in result.stdout
    assert "met" in result.stdout


def test_a_target_that_ours_misses_is_a_finding(chat: Path) -> None:
    result = run("--file", chat, "--policy", "ours", "--slo-itl", 0.004)
    assert result.exit_code == 1
    assert "MISSED" in result.stdout


@pytest.mark.parametrize(
    ("changes", "arguments", "doubt"),
    [
        pytest.param({"attainment": 0.5}, [], "do better in the replay", id="better than measured"),
        pytest.param({}, ["--slo-itl", 0.003], "do worse in the replay", id="worse than measured"),
        pytest.param({"attainment": None}, [], "cannot be compared", id="not measured"),
        pytest.param(
            {"requests": np.array([np.nan] * 3 + [120.0] * (_STEPS - 3))},
            [],
            "10% of the steps are without figures",
            id="holes",
        ),
    ],
)
def test_a_replay_that_cannot_be_believed_says_so(
    tmp_path: Path, changes: dict[str, Any], arguments: list[str | float], doubt: str
) -> None:
    path = recording(tmp_path / "chat.json", **changes)
    said = replayed("--file", path, *arguments)
    assert len(said["doubts"]) == 1
    assert doubt in said["doubts"][0]


def test_a_fleet_of_unknown_size_is_not_replayed(tmp_path: Path) -> None:
    path = recording(tmp_path / "chat.json", replicas=np.full(_STEPS, np.nan))
    rows = replayed("--file", path)["policies"]
    assert [row["policy"] for row in rows] == ["as it was", "hpa"]
    assert rows[0]["gpuHours"] is None


def test_a_recording_is_written_and_a_picture_drawn(chat: Path, tmp_path: Path) -> None:
    copy, picture = tmp_path / "copy.json", tmp_path / "run.png"
    result = run("--file", chat, "--policy", "hpa", "--record", copy, "--plot", picture)
    assert result.exit_code == 0
    assert read_history(copy).attainment == read_history(chat).attainment
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "give either --file RECORDING or --prometheus URL", id="nothing"),
        pytest.param(["--prometheus", "http://a"], "needs --deployment NAME", id="no name"),
        pytest.param(["--file", "/nowhere.json"], "nowhere.json", id="no such file"),
        pytest.param(["--file", "a", "--policy", "hpb"], "did you mean 'hpa'?", id="a policy"),
        pytest.param(["--file", "a", "--profile", "flash"], "allowed: flash-fp4", id="a profile"),
        pytest.param(
            ["--file", "a", "--startup", "480"], "--startup: found '480'", id="no unit of time"
        ),
        pytest.param(
            ["--prometheus", "ftp://a", "--deployment", "chat"],
            "--prometheus: found 'ftp://a', allowed: http",
            id="no URL",
        ),
        pytest.param(
            ["--prometheus", "http://a", "--deployment", "chat", "--since", "9999d"],
            "allowed: 1 to 65,000",
            id="too far back",
        ),
        pytest.param(
            ["--prometheus", "http://a", "--deployment", "chat", "--step", "0s"],
            "--step: found '0s', allowed: more than 0s",
            id="no step",
        ),
    ],
)
def test_wrong_usage_says_what_is_allowed(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_an_empty_history_is_refused(tmp_path: Path) -> None:
    result = run("--file", recording(tmp_path / "chat.json", requests=np.zeros(_STEPS)))
    assert result.exit_code == 2
    assert "requests: found 0" in result.output


@pytest.mark.parametrize("folder", ["--record", "--plot"])
def test_a_folder_that_is_not_there_is_named(chat: Path, tmp_path: Path, folder: str) -> None:
    result = run("--file", chat, "--policy", "hpa", folder, tmp_path / "none" / "out")
    assert result.exit_code == 2
    assert "none/out" in result.output


@pytest.mark.parametrize(
    ("since", "steps"), [("7d", 10_080), ("2w", 20_160), ("90m", 90), ("100s", 1)]
)
def test_a_span_is_whole_steps_that_end_by_now(since: str, steps: int) -> None:
    now = 1.7e9 + 17.0
    span = span_before(now, since, "1m")
    assert span.steps == steps
    assert span.end_seconds % 60.0 == 0.0
    assert now - 60.0 < span.end_seconds <= now
