"""CPU of one decision at several sizes of a fleet: windows, estimate, decision and plan.

A simulated fleet at half its load is polled every 5 s for half an hour; the operator's own stages
decide at each poll and are not heeded, so that the fleet keeps its size. The first quarter is
warm-up. What counts is the ratio between the sizes: `python tests/bench/decision.py`.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from v4operator.simulate.fast.fleet import FleetSimulation
from v4operator.simulate.fast.setting import Setting
from v4operator.simulate.fast.trace import poisson_like
from v4operator.simulate.policies.ours import Ours
from v4operator.simulate.policies.policy import Briefing, Seen
from v4operator.simulate.policies.subject import subject_of
from v4operator.simulate.policies.telemetry import Telemetry
from v4operator.simulate.profiles import PROFILES

_PROFILE = "flash-fp8-4xh200"
_SIZES = (2, 20, 200)
_POLL_SECONDS = 5.0
_POLLS = 360
_WARM_UP = 90
_EACH = 2.0  # requests a second and replica: about half of what one carries of that shape
_PROMPT_TOKENS, _ANSWER_TOKENS = 1200, 600


def main() -> int:
    """Print the figures, the last line as JSON."""
    found = {size: _milliseconds(size) for size in _SIZES}
    for size, milliseconds in found.items():
        print(f"{size:4} replicas: {milliseconds:7.2f} ms CPU a decision")
    share = found[200] / 1e3 / _POLL_SECONDS
    print(f"200 replicas take {share:.1%} of a core at a decision every {_POLL_SECONDS:g} s")
    print(json.dumps({"milliseconds": found, "ratio200to20": found[200] / found[20]}))
    return 0


def _milliseconds(replicas: int) -> float:
    """The median CPU of a decision."""
    profile = PROFILES[_PROFILE]
    seconds = _POLLS * _POLL_SECONDS
    trace = poisson_like(
        rate=_EACH * replicas,
        variation=1.0,
        seconds=seconds,
        prompt=_PROMPT_TOKENS,
        output=_ANSWER_TOKENS,
    )
    fleet = FleetSimulation(trace, Setting(profile=profile, initial_replicas=replicas))
    telemetry, policy = Telemetry(), _policy()
    spent = []
    for poll in range(1, _POLLS):
        now = poll * _POLL_SECONDS
        fleet.advance(now)
        telemetry.record(now, fleet.metrics(), fleet.gateway())
        seen = Seen(
            now=now,
            desired=fleet.desired,
            replicas=tuple(fleet.metrics()),
            telemetry=telemetry,
        )
        began = time.process_time()
        policy.decide(seen)
        spent.append(time.process_time() - began)
    return 1e3 * median(spent[_WARM_UP:])


def _policy() -> Ours:
    profile = PROFILES[_PROFILE]
    briefing = Briefing(
        law=profile.step,
        max_running=profile.max_running,
        kv_capacity_tokens=float(profile.kv_capacity_tokens),
        ttft_seconds=2.0,
        inter_token_latency_seconds=1.0 / 30.0,
        attainment=0.99,
        minimum=1,
        quota=2 * _SIZES[-1],
        start_up_seconds=480.0,
        gateway=True,
    )
    return Ours(
        subject_of(_PROFILE, briefing, interval_seconds=_POLL_SECONDS, shrink_window_seconds=600.0),
        gateway=True,
    )


if __name__ == "__main__":
    sys.exit(main())
