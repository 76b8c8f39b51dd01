"""The policy benchmark on what is committed: two scenarios, two policies, one seed."""

import json
from pathlib import Path

import pytest
from tests.bench.policy import main

TRACES = Path(__file__).parents[1] / "data/traces"


def _bench(results: Path, *more: str) -> int:
    return main(
        [
            "--traces",
            str(TRACES),
            "--results",
            str(results),
            "--scenario",
            "bursty",
            "short-batch",
            "--policy",
            "ours",
            "hpa",
            "--overload",
            "gateway",
            "--trials",
            "0",
            "--no-pictures",
            *more,
        ]
    )


def test_the_benchmark_is_resumed_and_stamped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _bench(tmp_path) == 0
    first = capsys.readouterr().out
    assert "run    8" in first  # four runs, two with its own limit, the bounds of two scenarios
    ledger = tmp_path / "policy.jsonl"
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert len(rows) == 8
    text = (tmp_path / "policy.md").read_text()
    assert "--traces TRACES --results RESULTS" in text
    assert str(tmp_path) not in text
    for policy in ("ours", "hpa"):
        assert f"| {policy} | default | 1 |" in text.partition("### short-batch, gateway")[2]
    assert "| ours | own-limit | 1 |" in text.partition("### short-batch, gateway")[2]
    assert "Nothing: all that was planned has run." in text
    assert _bench(tmp_path, "--resume") == 0
    assert "run    1" not in capsys.readouterr().out
    assert len(ledger.read_text().splitlines()) == 8


def test_what_the_budget_left_out_stands_in_the_report(tmp_path: Path) -> None:
    assert _bench(tmp_path, "--budget-minutes", "0") == 0
    text = (tmp_path / "policy.md").read_text()
    assert "0 runs and 0 trials" in text
    assert "* bursty, gateway: ours, hpa\n* short-batch, gateway: ours, hpa\n" in text
