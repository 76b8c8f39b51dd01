"""Runs the checks in phases and prints what each took. `run.py all|unit|lint|e2e|cluster`."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# Stages whose branches must be covered; the rim is shown by contract tests and the demo instead.
PURE = (
    "model/*",
    "estimate/*",
    "decide/*",
    "act/plan.py",
    "report/due.py",
    "report/families.py",
    "report/limits.py",
    "report/replica_totals.py",
    "report/seen.py",
    "report/series/*",
    "report/status.py",
    "report/totals.py",
    "rulegen/*",
    "observe/exposition.py",
    "observe/window.py",
    "observe/engines/*",
)
INCLUDE = ",".join(f"operator/v4operator/{part}" for part in PURE)
COVERED = 95

SOURCES = ("operator", "tests", "dashboards")
LINT = (
    ("format", ("ruff", "format", "--check", "--quiet", *SOURCES)),
    ("lint", ("ruff", "check", "--quiet", *SOURCES)),
    ("types", ("mypy",)),
    ("contracts", ("lint-imports", "--no-logo")),
)
PURE_TESTS = ("tests/unit", "tests/property")
UNIT = (("unit and property tests", ("python", "-m", "pytest", "-q", *PURE_TESTS)),)
COVERAGE = (
    (
        "unit and property tests, with coverage",
        ("coverage", "run", "-m", "pytest", "-q", *PURE_TESTS),
    ),
    ("coverage", ("coverage", "report", f"--fail-under={COVERED}", f"--include={INCLUDE}")),
)
STORY = (("stories", ("python", "-m", "pytest", "-q", "tests/story")),)
# Built before anything is tested: a compiler beside a test would starve it.
BUILD = (
    ("rig: build what is not cached", ("python", "-m", "tests.rig.build")),
    ("dashboards: build what is not cached", ("python", "-m", "tests.dashboards.build")),
)
CONTRACT = (
    ("contract tests", ("python", "-m", "pytest", "-q", "--timeout=600", "tests/contract")),
)
# A limit that ends what hangs, far above the two minutes that the longest takes on busy cores.
PLANE = ("python", "-m", "pytest", "-q", "--timeout=600")
# Stories that take minutes each in real time: asked for by name (`make test-cluster`).
_TIMED = (
    *(f"operator_{name}" for name in ("scales", "drains", "blind", "shaken", "hbm", "restarts")),
    *("operator_tells", "inhibition", "prometheus_same_decisions", "prometheus_scales"),
)
TIMED = tuple(f"tests/e2e/test_{name}.py" for name in _TIMED)
END_TO_END = (
    (
        "tests on a real control plane",
        (*PLANE, "tests/e2e", *(f"--ignore={name}" for name in TIMED)),
    ),
)
RULES = (("rules, by promtool", ("python", "-m", "pytest", "-q", "--timeout=600", "tests/rules")),)
DRAWN = (
    ("dashboards, drawn", ("python", "-m", "pytest", "-q", "--timeout=900", "tests/dashboards")),
)
CLUSTER = (("stories on a real control plane", (*PLANE, *TIMED)),)
PHASES = {
    "lint": LINT,
    "unit": (*LINT, *UNIT),
    "e2e": (*BUILD, *RULES, *END_TO_END, *DRAWN),
    "cluster": (*BUILD, *CLUSTER),
    "all": (*BUILD, *LINT, *COVERAGE, *STORY, *CONTRACT, *RULES, *END_TO_END, *DRAWN),
}


def run(name: str, command: tuple[str, ...]) -> float:
    """Run one phase; ends the program where it fails."""
    print(f"== {name}", flush=True)
    start = time.monotonic()
    status = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, check=False).returncode
    took = time.monotonic() - start
    if status:
        print(f"== {name} failed after {took:.1f} s", flush=True)
        sys.exit(status)
    return took


def main() -> None:
    """Every phase in order, then the table of seconds."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    if wanted not in PHASES:
        sys.exit(f"found {wanted!r}; allowed: {', '.join(PHASES)}")
    took = [(name, run(name, command)) for name, command in PHASES[wanted]]
    print("== seconds")
    for name, seconds in took:
        print(f"{seconds:8.1f}  {name}")


if __name__ == "__main__":
    main()
