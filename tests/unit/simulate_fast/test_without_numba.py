"""Without numba the same source runs, with the same order of events and the same counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.simulate_fast.worlds import FLASH

from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.setting import Overload
from v4operator.simulate.fast.trace import read_trace
from v4operator.simulate.fast.truths import TRUTHS

ROOT = Path(__file__).resolve().parents[3]
SLICE = ROOT / "tests" / "data" / "traces" / "agentic_A_60min.csv.gz"
MODES: dict[str, Overload] = {"plain": "plain", "gateway": "gateway"}
CHILD = """
import sys
sys.modules["numba"] = None
from tests.unit.simulate_fast.test_without_numba import digest
import json
print(json.dumps(digest(sys.argv[1])))
"""


def digest(overload: str) -> list[object]:
    """Ten minutes of agents on two replicas that come and go: times and counts of everything."""
    setting = Setting(
        profile=FLASH,
        truth=TRUTHS["captured"].noisy(),
        router="affinity",
        overload=MODES[overload],
        admission_limit=8,
        start_up_seconds=60.0,
        initial_replicas=2,
    )
    trace = read_trace(SLICE).window(0.0, 600.0)
    fleet = FleetSimulation(trace, setting)
    for time, count in ((120.0, 3), (300.0, 1), (420.0, 2)):
        fleet.advance(time)
        fleet.set_desired(count)
    result = fleet.result()
    rows = fleet._state.requests
    return [
        rows.fate.tolist(),
        rows.ended.tolist(),
        rows.cached.tolist(),
        rows.slot.tolist(),
        fleet._state.replicas[0].steps.item(),
        result.misses,
        result.gpu_hours,
    ]


@pytest.mark.parametrize("overload", sorted(MODES))
def test_plain_python_gives_the_same_day_to_the_last_bit(overload: str) -> None:
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", CHILD, overload],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=100,
    )

    assert json.loads(done.stdout) == json.loads(json.dumps(digest(overload)))
