"""`inspect`: documented keys, honest blanks, and errors that say what was found."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from v4operator.adapters.probe import Probe, ProbeError
from v4operator.adapters.scrape import ScrapeError
from v4operator.cli import inspect
from v4operator.model.reading import Engine

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

    async def version(base_url: str, engine: Engine) -> str | None:
        assert (base_url, engine) == ("http://replica:8000", Engine.SGLANG)
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


_URL = "http://mac:8080/metrics"
_PROBE = Probe(
    model="DeepSeek-V4-Flash-4bit",
    prompt_tokens=9,
    completion_tokens=64,
    time_to_first_token_seconds=0.25,
    decode_tokens_per_second=21.5,
)


def _serve_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_there(_: str) -> bytes:
        raise ScrapeError("HTTP 404 at the metrics path")

    monkeypatch.setattr(inspect, "fetch_text", not_there)


def _answer_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    async def timed(base_url: str) -> Probe:
        assert base_url == "http://mac:8080"
        return _PROBE

    monkeypatch.setattr(inspect, "probe", timed)


def test_a_server_without_metrics_says_so_and_names_the_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _serve_nothing(monkeypatch)
    outcome = _runner.invoke(_app, [_URL])
    assert outcome.exit_code == 2
    assert "HTTP 404 at the metrics path (--probe times one completion)" in outcome.stderr


def test_a_server_without_metrics_is_timed_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _serve_nothing(monkeypatch)
    _answer_the_probe(monkeypatch)
    outcome = _runner.invoke(_app, [_URL, "--probe", "-o", "json"])
    assert outcome.exit_code == 0
    found = json.loads(outcome.stdout)
    assert found["probe"] == {
        "model": "DeepSeek-V4-Flash-4bit",
        "promptTokens": 9,
        "completionTokens": 64,
        "timeToFirstTokenSeconds": 0.25,
        "decodeTokensPerSecond": 21.5,
    }
    assert [found[name] for name in _SIX] == [None] * 6
    assert {"name": "runningRequests", "reason": "HTTP 404 at the metrics path"} in found["missing"]


def test_people_see_the_probe_beside_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    _serve_nothing(monkeypatch)
    _answer_the_probe(monkeypatch)
    shown = " ".join(_runner.invoke(_app, [_URL, "--probe"]).stdout.split())
    assert "no metrics: HTTP 404" in shown
    assert "first token after 250 ms, then 21.5 tokens/s" in shown


def test_a_probe_of_a_server_with_metrics_stands_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def text(_: str) -> bytes:
        return b"vllm_mlx_scheduler_running_requests 2\n"

    async def version(_: str, __: Engine) -> str | None:
        return None

    monkeypatch.setattr(inspect, "fetch_text", text)
    monkeypatch.setattr(inspect, "fetch_version", version)
    _answer_the_probe(monkeypatch)
    found = json.loads(_runner.invoke(_app, [_URL, "--probe", "-o", "json"]).stdout)
    assert (found["engine"], found["runningRequests"]) == ("vllm-mlx", 2)
    assert found["probe"]["decodeTokensPerSecond"] == 21.5


def test_a_probe_that_fails_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_: str) -> Probe:
        raise ProbeError("HTTP 401 at /v1/models")

    _serve_nothing(monkeypatch)
    monkeypatch.setattr(inspect, "probe", refused)
    outcome = _runner.invoke(_app, [_URL, "--probe"])
    assert outcome.exit_code == 2
    assert "no completion: HTTP 401 at /v1/models" in outcome.stderr


def test_a_file_cannot_be_probed() -> None:
    outcome = _runner.invoke(_app, ["-", "--probe"], input="sglang:num_running_reqs 5\n")
    assert outcome.exit_code == 2
    assert "--probe needs a URL" in outcome.stderr


def test_people_see_how_far_the_counters_can_be_trusted() -> None:
    source = _FOLDER / "llamacpp-0c1e570-cpu-over-1e6-tokens.txt"
    shown = " ".join(_runner.invoke(_app, [str(source)]).stdout.split())
    assert "decodeTokensTotal moves when a request ends" in shown
    assert "6 significant digits: token counters move in steps of up to 10 by now" in shown


def test_people_see_why_a_worker_is_taken_for_a_decode_worker() -> None:
    source = _FOLDER / "vllm-0.33.0-logger-pd-decode-nixl.txt"
    shown = " ".join(_runner.invoke(_app, [str(source)]).stdout.split())
    assert "taken for a decode worker: it fetches KV from another worker" in shown


def test_bytes_that_are_no_text_end_with_2() -> None:
    outcome = _runner.invoke(_app, ["-"], input=b"\x00\x01\x02")
    assert outcome.exit_code == 2
    assert "binary" in outcome.stderr
