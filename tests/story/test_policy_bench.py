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
    assert "run    6" in first  # four runs, and the bounds of two scenarios
    ledger = tmp_path / "policy.jsonl"
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert len(rows) == 6
    text = (tmp_path / "policy.md").read_text()
    assert "--traces TRACES --results RESULTS" in text
    assert str(tmp_path) not in text
    for policy in ("ours", "hpa"):
        assert f"| short-batch | gateway | {policy} | default | 1 |" in text
    assert _bench(tmp_path, "--resume") == 0
    assert "run    1" not in capsys.readouterr().out
    assert len(ledger.read_text().splitlines()) == 6
