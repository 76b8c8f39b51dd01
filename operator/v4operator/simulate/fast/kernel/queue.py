"""The queue in front of one replica's batch: first in, first out, until a client gives up."""

import math

from v4operator.simulate.fast.kernel.jit import compiled
from v4operator.simulate.fast.kernel.layout import TIMED_OUT, State


@compiled
def push_front(s: State, slot: int, i: int) -> None:
    """Put a retracted request back, ahead of all that never ran."""
    replica = s.replicas[slot]
    s.requests[i].following = replica.waiting_head
    if replica.waiting_head < 0:
        replica.waiting_tail = i
    replica.waiting_head = i
    replica.waiting += 1


@compiled
def receive(s: State, slot: int) -> None:
    """Let those into the queue that have reached it."""
    replica = s.replicas[slot]
    while replica.coming_head >= 0:
        i = replica.coming_head
        if s.requests[i].entry > replica.boundary:
            return
        replica.coming_head = s.requests[i].following
        s.requests[i].following = -1
        if replica.waiting_head < 0:
            replica.waiting_head = i
        else:
            s.requests[replica.waiting_tail].following = i
        replica.waiting_tail = i
        replica.waiting += 1


@compiled
def first_unanswered(s: State, slot: int) -> tuple[int, int]:
    """First in the queue without a first token, and who stands before it. Others do not give up."""
    before, i = -1, s.replicas[slot].waiting_head
    while i >= 0 and not math.isnan(s.requests[i].first_token):
        before, i = i, s.requests[i].following
    return before, i


@compiled
def expire(s: State, slot: int) -> None:
    """Take those out of the queue whose clients have left unanswered."""
    replica = s.replicas[slot]
    while True:
        before, i = first_unanswered(s, slot)
        if i < 0:
            return
        deadline = s.requests[i].arrival + s.fleet[0].patience
        if deadline > replica.boundary:
            return
        after = s.requests[i].following
        if before < 0:
            replica.waiting_head = after
        else:
            s.requests[before].following = after
        if after < 0:
            replica.waiting_tail = before
        replica.waiting -= 1
        end(s, slot, i, deadline, TIMED_OUT)


@compiled
def next_entry(s: State, slot: int) -> float:
    """When the next request reaches the queue, infinite without one on its way."""
    head = s.replicas[slot].coming_head
    return math.inf if head < 0 else s.requests[head].entry


@compiled
def end(s: State, slot: int, i: int, at: float, fate: int) -> None:
    """A request leaves the replica."""
    replica, request = s.replicas[slot], s.requests[i]
    request.ended = at
    request.fate = fate
    replica.outstanding -= 1
    replica.outstanding_tokens -= request.work
    s.fleet[0].freed += 1
