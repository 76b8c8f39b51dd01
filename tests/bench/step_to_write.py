"""Seconds from a step in demand to the write of the count, on the rig, from the audit log.

One fleet of one replica at a fifteenth of its load; the demand then rises, all at once, to twice
what one replica carries. Another round begins when the fleet is back at one, after what piled up is
served. Polled at the default interval of 5 s, of which a rise, being a rate, takes up to two.

`python tests/bench/step_to_write.py [ROUNDS]`: three to five minutes each.
"""

import json
import statistics
import sys
import time
from datetime import datetime
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.emulated_pods import EmulatedPods, emulated_pods
from tests.e2e.operator_fleets import (
    NAME,
    asked_counts,
    count_of,
    pod_template,
    v4deployment,
    writes,
)
from tests.e2e.operator_process import running_operator, status_of
from tests.e2e.operator_seen import until_fresh
from tests.e2e.resource import create, install_definition
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

_NAMESPACE = "default"
_ROUNDS = 30
_CALM, _STEP = 2.0, 60.0  # requests a second; one replica, once known, carries about 30
_LIMIT_SECONDS = 600.0
_PACE = {"shrinkWindow": "10s", "drainTimeout": "60s"}
_RIGHT = range(3, 5)
"""What the step takes with the reserve for growth, or one more."""


def main() -> int:
    """Print the figures, the last line as JSON."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    with ControlPlane() as plane:
        install_definition(plane)
        plane.add_nodes(5)
        manifest = v4deployment({"template": pod_template({})}, behavior=_PACE, maxReplicas=10)
        manifest["spec"]["metrics"] = {"interval": "5s"}
        assert create(plane, _NAMESPACE, manifest, keep=True).accepted
        with emulated_pods(plane, _NAMESPACE) as engines, running_operator(plane, _NAMESPACE):
            answers = [_round(plane, engines, number) for number in range(1, rounds + 1)]
    seconds = sorted(took for took, _ in answers)
    figures = {
        "rounds": rounds,
        "medianSeconds": round(statistics.median(seconds), 2),
        "p95Seconds": round(seconds[ceil(0.95 * rounds) - 1], 2),
        "slowestSeconds": round(seconds[-1], 2),
        "ofTheRightSize": sum(count in _RIGHT for _, count in answers),
        "mostReplicas": max(count for _, count in answers),
    }
    print(json.dumps(figures))
    return 0


def _round(plane: ControlPlane, engines: EmulatedPods, number: int) -> tuple[float, int]:
    """From calm to the write of more replicas: the seconds that it took, and how many."""
    engines.load(_CALM)
    eventually(
        lambda: count_of(plane, _NAMESPACE) == 1 and _is_at_rest(plane),
        what="the fleet is back at one",
        limit_seconds=_LIMIT_SECONDS,
    )
    until_fresh(plane, _NAMESPACE, 1)
    known = len(asked_counts(plane, _NAMESPACE))
    stepped_at = time.time()
    engines.load(_STEP)
    eventually(
        lambda: len(asked_counts(plane, _NAMESPACE)) > known,
        what="the count is written",
        limit_seconds=_LIMIT_SECONDS,
    )
    scales = [e for e in writes(plane, _NAMESPACE) if e.subresource == "scale"]
    took = datetime.fromisoformat(scales[known].at).timestamp() - stepped_at
    count = asked_counts(plane, _NAMESPACE)[known]
    print(f"round {number:2}: {took:6.2f} s to {count} replicas", flush=True)
    return took, count


def _is_at_rest(plane: ControlPlane) -> bool:
    decision = status_of(plane, _NAMESPACE, NAME).get("lastDecision", {})
    return bool(decision.get("reason") == "AtRest")


if __name__ == "__main__":
    sys.exit(main())
