"""The events of a fleet in order of time: arrivals and steps. How replicas come and go is not here.

The scheduler is that of `simulate.scheduler`, step for step; what differs is speed and memory.
"""

import math

import numpy as np
from numpy.typing import NDArray

from v4operator.simulate.fast.kernel.jit import compiled, entry
from v4operator.simulate.fast.kernel.layout import (
    CUT,
    DECODING_RUN,
    ENGINE_LIMIT,
    GATEWAY,
    INSIDE,
    State,
)
from v4operator.simulate.fast.kernel.queue import end
from v4operator.simulate.fast.kernel.routing import (
    choose,
    dispatch,
    reject,
    submit,
    takers,
    wait_outside,
)
from v4operator.simulate.fast.kernel.runs import interrupt, run_end, steps_by
from v4operator.simulate.fast.kernel.steps import complete, plan


@entry
def advance(s: State, until: float) -> float:
    """Let requests arrive and replicas work up to `until`: the time that was reached.

    Stops early when a draining replica is empty, for whoever takes it off its devices.
    """
    fleet = s.fleet[0]
    while True:
        arrival = math.inf
        if fleet.coming < len(s.requests):
            arrival = s.requests[fleet.coming].arrival
        slot = _earliest(s)
        due = math.inf if slot < 0 else s.replicas[slot].next_event
        if min(due, arrival) > until:
            fleet.now = max(fleet.now, until)
            return until
        if due <= arrival:
            _work(s, slot)
            if s.replicas[slot].emptied < math.inf:
                return float(s.replicas[slot].emptied)
        else:
            _arrive(s)


@compiled
def _earliest(s: State) -> int:
    """The slot whose event is due first, the lowest place at equal times; -1 without any."""
    chosen, due = -1, math.inf
    for place in range(s.fleet[0].active):
        slot = s.active[place]
        if s.replicas[slot].next_event < due:
            chosen, due = slot, s.replicas[slot].next_event
    return chosen


@compiled
def _work(s: State, slot: int) -> None:
    """Complete what a replica has planned, plan on, and let the gateway fill what became free."""
    fleet, replica = s.fleet[0], s.replicas[slot]
    fleet.now = max(fleet.now, replica.next_event)
    complete(s, slot)
    plan(s, slot)
    if fleet.freed > 0:
        fleet.freed = 0
        if fleet.overload == GATEWAY and fleet.outside > 0:
            dispatch(s)


@compiled
def _arrive(s: State) -> None:
    fleet = s.fleet[0]
    i = fleet.coming
    fleet.coming += 1
    fleet.now = max(fleet.now, s.requests[i].arrival)
    request = s.requests[i]
    if request.prompt + request.output + max(fleet.watermark, 1) > fleet.capacity:
        reject(s, i)  # it would not fit if it were alone
        return
    slot = choose(s, i)
    if slot >= 0:
        submit(s, slot, i)
    elif fleet.overload == ENGINE_LIMIT and takers(s) > 0:
        reject(s, i)
    else:
        wait_outside(s, i)


@entry
def set_pace(s: State, slot: int, pace: float, decode_pace: float) -> None:
    """From the next step on, step times are multiplied by `pace`, decoding by both."""
    replica = s.replicas[slot]
    if replica.pace != pace or replica.decode_pace != decode_pace:
        replica.pace = pace
        replica.decode_pace = decode_pace
        interrupt(replica, s.fleet[0].now)


@entry
def cut(s: State, slot: int) -> None:
    """End every request of a replica here and now."""
    for i in range(s.fleet[0].coming):
        if s.requests[i].fate == INSIDE and s.requests[i].slot == slot:
            end(s, slot, i, s.fleet[0].now, CUT)
    s.replicas[slot].next_event = math.inf


@entry
def observe(s: State, slots: NDArray[np.int64], seen: NDArray[np.float64]) -> None:
    """Fill a row a slot with `state.FIGURES` as they are now."""
    for row in range(len(slots)):
        replica = s.replicas[slots[row]]
        done, busy = 0, replica.busy
        if replica.doing == DECODING_RUN:
            done = steps_by(replica, s.fleet[0].now)
            busy += run_end(replica, done) - replica.run_start
        grown = done * replica.run_sequences
        in_prefill = replica.batched if replica.batched > 0 else int(replica.partial >= 0)
        seen[row, 0] = replica.decoding + in_prefill
        seen[row, 1] = replica.waiting
        seen[row, 2] = replica.held + grown
        seen[row, 3] = replica.resident + grown
        seen[row, 4] = replica.decode_tokens + grown
        seen[row, 5] = replica.first_tokens
        seen[row, 6] = replica.prompt_tokens
        seen[row, 7] = replica.prefill_tokens
        seen[row, 8] = replica.finished
        seen[row, 9] = replica.finished_decode_tokens
        seen[row, 10] = replica.retractions
        seen[row, 11] = replica.emitted
        seen[row, 12] = busy
