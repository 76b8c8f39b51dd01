"""Seconds and polls from a step in demand to the write of the count: on the rig, by the audit log.

Several fleets under one operator, each of one replica at a quarter of its load. One after the
other steps, all at once, to twice what one replica carries. In another round it does so again, once
it is back at one, has served what piled up, and rests; the steps before are then part of what it
knows, and it is no calm fleet any more. Polled and reconciled at the defaults of 5 s each.

`python tests/bench/step_to_write.py [FLEETS [ROUNDS]]`: one of thirty takes some seven minutes.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.emulated_pods import EmulatedPods, emulated_pods
from tests.e2e.operator_fleets import adopt_fleet, count_of, writes
from tests.e2e.operator_process import DEFAULT_RECONCILE_SECONDS, running_operator, status_of
from tests.e2e.resource import install_definition
from tests.rig.plane import ControlPlane
from tests.rig.waiting import eventually

_NAMESPACE = "default"
_FLEETS, _ROUNDS = 30, 1
# Requests a second. One replica carries 8.5: 1200 tokens to read at 19.3 us and 200 to write at
# 0.41 ms take 105 ms of it, and a tenth goes to the steps themselves.
_CALM, _STEP = 2.0, 17.0
_LIMIT_SECONDS = 900.0
_POLL_SECONDS = 5.0  # the default too
_REST_SECONDS = 60.0  # without another decision
_PACE = {"shrinkWindow": "30s", "drainTimeout": "60s"}
_GOLDEN = 0.618  # multiples of it spread evenly over the interval of the polls
_NODES_PER_FLEET = 3  # of two replicas each
_RIGHT = range(2, 5)
"""What the step takes, up to one more than that with the reserve for growth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One step: `polls` of the stepped replica were due between it and the write of `replicas`.

    Another look beside them, after a poll in which a step showed in part, is none of these.
    """

    fleet: str
    seconds: float
    polls: int
    replicas: int


def main() -> int:
    """Print the figures, the last line as JSON."""
    fleets = int(sys.argv[1]) if len(sys.argv) > 1 else _FLEETS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else _ROUNDS
    names = [f"flash-{number}" for number in range(fleets)]
    with ControlPlane() as plane:
        install_definition(plane)
        plane.add_nodes(_NODES_PER_FLEET * fleets)
        with (
            emulated_pods(plane, _NAMESPACE) as engines,
            running_operator(plane, _NAMESPACE, reconcile_seconds=DEFAULT_RECONCILE_SECONDS),
        ):
            for name in names:
                adopt_fleet(plane, _NAMESPACE, name, behavior=_PACE, maxReplicas=10)
                engines.load(_CALM, app=name)
            answers = [_step(plane, engines, name, n) for n, name in enumerate(names * rounds)]
    print(json.dumps(_figures(answers)))
    return 0


def _step(plane: ControlPlane, engines: EmulatedPods, name: str, number: int) -> _Answer:
    """From calm to the write of more replicas; calm again afterwards."""
    eventually(lambda: _is_calm(plane, name), what=f"{name} is calm", limit_seconds=_LIMIT_SECONDS)
    time.sleep(_GOLDEN * number % 1 * _POLL_SECONDS)  # no step at the same time after a poll
    (only,) = (pod for pod in engines.serving if pod.startswith(f"{name}-"))
    stepped_at = time.time()
    engines.load(_STEP, app=name)
    count = eventually(
        lambda: _grown(plane, name), what="the count is written", limit_seconds=_LIMIT_SECONDS
    )
    engines.load(_CALM, app=name)
    written_at = _written_at(plane, name, stepped_at)
    answer = _Answer(
        fleet=name,
        seconds=round(written_at - stepped_at, 2),
        polls=_due(engines.polled_at(only), stepped_at, written_at),
        replicas=count,
    )
    print(json.dumps(asdict(answer)), flush=True)
    return answer


def _due(polled_at: Sequence[float], since: float, until: float) -> int:
    """Polls at the interval's pace from the first one after `since`."""
    first = next((at for at in polled_at if at > since), until)
    return 0 if first >= until else 1 + int((until - first) // _POLL_SECONDS)


def _is_calm(plane: ControlPlane, name: str) -> bool:
    status = status_of(plane, _NAMESPACE, name)
    decision = status.get("lastDecision", {})
    at_rest = decision.get("reason") == "AtRest" and _age_seconds(decision) > _REST_SECONDS
    fresh = status.get("observed", {}).get("freshReplicas") == status.get("readyReplicas") == 1
    return at_rest and fresh and count_of(plane, _NAMESPACE, name) == 1


def _age_seconds(decision: dict[str, Any]) -> float:
    return time.time() - datetime.fromisoformat(decision["time"]).timestamp()


def _grown(plane: ControlPlane, name: str) -> int | None:
    count = count_of(plane, _NAMESPACE, name) or 0
    return count if count > 1 else None


def _written_at(plane: ControlPlane, name: str, since: float) -> float:
    """When the first count after `since` arrived at the API server."""
    scales = (e.at for e in writes(plane, _NAMESPACE) if (e.subresource, e.name) == ("scale", name))
    times = (datetime.fromisoformat(at).timestamp() for at in scales)
    return next(at for at in times if at > since)


def _figures(answers: list[_Answer]) -> dict[str, float]:
    seconds = sorted(answer.seconds for answer in answers)
    return {
        "steps": len(answers),
        "medianSeconds": round(statistics.median(seconds), 2),
        "p95Seconds": seconds[ceil(0.95 * len(seconds)) - 1],
        "slowestSeconds": seconds[-1],
        "beforeTheSecondPoll": sum(answer.polls < 2 for answer in answers),
        "beforeTheThirdPoll": sum(answer.polls < 3 for answer in answers),
        "ofTheRightSize": sum(answer.replicas in _RIGHT for answer in answers),
        "mostReplicas": max(answer.replicas for answer in answers),
    }


if __name__ == "__main__":
    sys.exit(main())
