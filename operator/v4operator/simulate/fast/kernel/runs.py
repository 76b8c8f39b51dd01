"""A run of pure decode steps in closed form, as `simulate.decode_run` has it."""

import math

import numpy as np

from v4operator.simulate.fast.kernel.jit import compiled
from v4operator.simulate.fast.kernel.layout import DECODING_RUN, IDLE

STRAIGHT = 1e-9  # a ramp this small against its first step is as good as a straight line


@compiled
def run_end(replica: np.record, steps: int) -> float:
    """When that many steps of the run are done."""
    ramp = replica.run_slope * (steps * (steps - 1) / 2)
    return float(replica.run_start + steps * replica.run_first + ramp)


@compiled
def steps_by(replica: np.record, time: float) -> int:
    """How many steps are done at `time`, that moment included."""
    steps = min(replica.run_steps, max(0, _estimated_steps(replica, time)))
    while steps < replica.run_steps and run_end(replica, steps + 1) <= time:
        steps += 1
    while steps > 0 and run_end(replica, steps) > time:
        steps -= 1
    return int(steps)


@compiled
def _estimated_steps(replica: np.record, time: float) -> int:
    elapsed = time - replica.run_start
    if elapsed <= 0:
        return 0
    linear = replica.run_first - replica.run_slope / 2
    if replica.run_slope * elapsed < STRAIGHT * linear * linear:
        return int(min(replica.run_steps, elapsed / linear))
    root = math.sqrt(linear * linear + 2 * replica.run_slope * elapsed)
    return int(min(replica.run_steps, (root - linear) / replica.run_slope))


@compiled
def interrupt(replica: np.record, at: float) -> None:
    """Something is to be looked at from `at` on: at the end of the step running then."""
    if at >= replica.next_event:
        return
    if replica.doing == DECODING_RUN:
        done = steps_by(replica, at)
        if done == 0 or run_end(replica, done) < at:
            done = min(replica.run_steps, done + 1)
        replica.run_steps = done
        replica.next_event = run_end(replica, done)
    elif replica.doing == IDLE:
        replica.next_event = max(at, replica.boundary)
