"""`inspect`: documented keys, honest blanks, and errors that say what was found."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from v4operator.adapters.scrape import ScrapeError
from v4operator.cli import inspect

_FOLDER = Path(__file__).parents[2] / "data/expositions"
_SIX = [
    "runningRequests",
    "waitingRequests",
    "kvUsageRatio",
    "kvCapacityTokens",
    "decodeTokensTotal",
    "promptTokensTotal",
]
_runner = CliRunner()
_app = typer.Typer()
_app.command()(inspect.command)


def _document(source: str) -> dict[str, Any]:
    outcome = _runner.invoke(_app, [source, "-o", "json"])
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert isinstance(found, dict)
    return found


def test_json_gives_the_documented_keys_of_replica_and_ranks() -> None:
    found = _document(str(_FOLDER / "vllm-0.32.0-cpu-dp2-api2-during-02.txt"))
    assert {name: found[name] for name in ["engine", "version", *_SIX]} == {
        "engine": "vllm",
        "version": ">0.28,<0.33",
        "runningRequests": 3,
        "waitingRequests": 0,
        "kvUsageRatio": 0.0625,
        "kvCapacityTokens": 8448,
        "decodeTokensTotal": 4916,
        "promptTokensTotal": 1157,
    }
    assert found["versionReason"] == "from the metric families present"
    assert found["ranks"][1] == {
        "rank": 1,
        "runningRequests": 2,
        "waitingRequests": 0,
        "kvUsageRatio": 0.0625,
        "kvCapacityTokens": 4224,
        "decodeTokensTotal": 2485,
        "promptTokensTotal": 611,
    }


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_an_absent_figure_is_null_and_named_among_the_missing(path: Path) -> None:
    found = _document(str(path))
    missing = {figure["name"] for figure in found["missing"]}
    assert {name for name in _SIX if found[name] is None} == missing & set(_SIX)
    assert all(figure["reason"] for figure in found["missing"])


def test_json_gives_memory_and_latencies_in_bytes_and_seconds() -> None:
    found = _document(str(_FOLDER / "sglang-0.5.23-collector-pd-decode-load-4.txt"))
    assert found["memory"]["weightsBytes"] == pytest.approx(38.92 * 2**30)
    assert found["timeToFirstToken"] == {"count": 80, "meanSeconds": pytest.approx(3.21)}
    assert (found["role"], found["acceptLength"]) == ("decode", 2.31)


def test_people_see_figures_with_units_and_what_is_not_told() -> None:
    source = _FOLDER / "vllm-0.32.0-cpu-dp2-api2-before.txt"
    shown = " ".join(_runner.invoke(_app, [str(source)]).stdout.split())
    assert "8,448 tokens 4,224 tokens 4,224 tokens" in shown
    assert "running requests - - -" in shown
    assert "not told: runningRequests, waitingRequests, kvUsageRatio (no series: in multi" in shown


def test_people_see_role_memory_and_latency_where_they_are_told() -> None:
    source = _FOLDER / "sglang-0.5.23-collector-pd-decode-load-4.txt"
    shown = " ".join(_runner.invoke(_app, [str(source)]).stdout.split())
    for words in ("97.0%", "38.9 GiB", "3,210.0 ms mean", "2.31 tokens", "decode"):
        assert words in shown


def test_people_see_notes_and_unknown_versions() -> None:
    shown = _runner.invoke(_app, ["-"], input="sglang:num_running_reqs 1\nsglang:token_usage 0.")
    assert "of unknown version" in shown.stdout
    assert "note: 1 last line not read" in shown.stdout


def test_markup_in_a_label_is_shown_as_it_stands() -> None:
    text = 'vllm:num_requests_running{engine="0",model_name="[red]x[/red]"} 1\n'
    assert "[red]x[/red]" in _runner.invoke(_app, ["-"], input=text).stdout


def test_standard_input_is_read() -> None:
    outcome = _runner.invoke(_app, ["-", "-o", "json"], input="sglang:num_running_reqs 5\n")
    assert json.loads(outcome.stdout)["runningRequests"] == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "empty"),
        ("<html>", "HTML"),
        ("up 1\n", "names starting with up"),
        ("vllm:num_requests_running{", "cut off in the middle of a line"),
    ],
)
def test_what_is_no_engine_ends_with_2_and_says_what_was_found(
    text: str, found: str, tmp_path: Path
) -> None:
    file = tmp_path / "metrics.txt"
    file.write_text(text)
    outcome = _runner.invoke(_app, [str(file)])
    assert outcome.exit_code == 2
    assert found in outcome.stderr
    assert str(file) in outcome.stderr
    assert outcome.stdout == ""


def test_a_file_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    for source, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        outcome = _runner.invoke(_app, [str(source)])
        assert outcome.exit_code == 2
        assert why in outcome.stderr


def test_a_file_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "_LARGEST_FILE_BYTES", 10)
    outcome = _runner.invoke(_app, ["-"], input="sglang:num_running_reqs 5\n")
    assert outcome.exit_code == 2
    assert "not one scrape" in outcome.stderr


def test_a_url_is_fetched_and_asked_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    async def text(url: str) -> bytes:
        assert url == "http://replica:8000/v1/metrics"
        return b"sglang:num_running_reqs 5\n"

    async def version(base_url: str) -> str | None:
        assert base_url == "http://replica:8000"
        return "0.5.23"

    monkeypatch.setattr(inspect, "fetch_text", text)
    monkeypatch.setattr(inspect, "fetch_version", version)
    found = _document("http://replica:8000/v1/metrics")
    assert (found["version"], found["versionReason"]) == ("0.5.23", None)


def test_a_url_that_does_not_answer_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(url: str) -> bytes:
        raise ScrapeError(f"connection refused by {url}")

    monkeypatch.setattr(inspect, "fetch_text", refused)
    outcome = _runner.invoke(_app, ["http://replica:8000/metrics"])
    assert outcome.exit_code == 2
    assert "connection refused" in outcome.stderr


def test_bytes_that_are_no_text_end_with_2() -> None:
    outcome = _runner.invoke(_app, ["-"], input=b"\x00\x01\x02")
    assert outcome.exit_code == 2
    assert "binary" in outcome.stderr
