"""The demo, faster than a person would watch it: the three things happen and nothing is left."""

import json
import subprocess
import sys
from pathlib import Path


def test_the_demo_shows_its_three_things(tmp_path: Path) -> None:
    summary, picture = tmp_path / "summary.json", tmp_path / "demo.svg"

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "v4operator", "demo", "--plain", "--speed", "60"),
            *("--json", str(summary), "--picture", str(picture)),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    told = json.loads(summary.read_text())
    assert {claim["name"]: claim["holds"] for claim in told["claims"]} == {
        "growth ahead of demand": True,
        "sick replica named": True,
        "HBM budget flagged": True,
    }, ended.stdout
    assert ended.returncode == 0
    assert "SickReplica" in ended.stdout
    assert picture.read_text().startswith("<svg")
