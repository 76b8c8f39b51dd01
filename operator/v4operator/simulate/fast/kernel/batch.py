"""Who is in the batch and how much KV it holds: admission and retraction. Knows no seconds."""

from v4operator.simulate.fast.kernel.jit import compiled
from v4operator.simulate.fast.kernel.layout import NEVER, State
from v4operator.simulate.fast.kernel.prefix import hit, leave_session, use_session
from v4operator.simulate.fast.kernel.queue import push_front


@compiled
def make_room(s: State, slot: int) -> None:
    """Retract the youngest until all can grow by a token."""
    replica = s.replicas[slot]
    while replica.held + replica.decoding > s.fleet[0].capacity:
        i = replica.partial
        if i >= 0:
            replica.partial = -1
            replica.held -= s.requests[i].position + s.requests[i].to_prefill
        else:
            i = _release_youngest(s, slot)
        request = s.requests[i]
        request.position = 0
        request.to_prefill = request.prompt + request.output - request.remaining
        replica.retractions += 1
        leave_session(s, slot, request.session, 0)
        push_front(s, slot, i)


@compiled
def _release_youngest(s: State, slot: int) -> int:
    """Take the youngest out of the batch: its KV is its prompt and all but the last token."""
    replica = s.replicas[slot]
    youngest = 0
    for place in range(replica.decoding):
        i, j = s.decoding[slot, place], s.decoding[slot, youngest]
        if s.requests[i].order > s.requests[j].order:
            youngest = place
    i = s.decoding[slot, youngest]
    request = s.requests[i]
    request.remaining = s.finish[slot, youngest] - replica.decode_steps
    context = request.prompt + request.output - request.remaining - 1
    replica.held -= context
    replica.resident -= context
    close_place(s, slot, youngest)
    find_next_finish(s, slot)
    return int(i)


@compiled
def close_place(s: State, slot: int, place: int) -> None:
    """One sequence decodes no longer; the last one takes its place."""
    replica = s.replicas[slot]
    replica.decoding -= 1
    s.decoding[slot, place] = s.decoding[slot, replica.decoding]
    s.finish[slot, place] = s.finish[slot, replica.decoding]


@compiled
def fill_batch(s: State, slot: int) -> None:
    """Choose the prefill of the next step, admitting from the queue, first in, first out."""
    fleet, replica = s.fleet[0], s.replicas[slot]
    replica.batched = 0
    budget = fleet.chunk
    if replica.partial >= 0:
        budget -= _take(s, slot, replica.partial, budget)
    while budget > 0 and replica.waiting_head >= 0 and _fits(s, slot, replica.waiting_head):
        i = replica.waiting_head
        replica.waiting_head = s.requests[i].following
        if replica.waiting_head < 0:
            replica.waiting_tail = -1
        replica.waiting -= 1
        _admit(s, slot, i)
        budget -= _take(s, slot, i, budget)


@compiled
def _fits(s: State, slot: int, i: int) -> bool:
    fleet, replica = s.fleet[0], s.replicas[slot]
    running = replica.decoding + replica.batched
    context = s.requests[i].position + s.requests[i].to_prefill
    needed = context + max(fleet.watermark, running + 1)
    return bool(running < fleet.max_running and replica.held + needed <= fleet.capacity)


@compiled
def _admit(s: State, slot: int, i: int) -> None:
    replica, request = s.replicas[slot], s.requests[i]
    if request.admissions == 0:  # a retracted request has given its cached tokens back as well
        request.cached = hit(s, slot, i)
        request.position = request.cached
        request.to_prefill = request.prompt - request.cached
    request.admissions += 1
    replica.admitted += 1
    request.order = replica.admitted
    replica.held += request.position + request.to_prefill
    use_session(s, slot, request.session)


@compiled
def _take(s: State, slot: int, i: int, budget: int) -> int:
    replica = s.replicas[slot]
    tokens = min(budget, s.requests[i].to_prefill)
    s.batch[slot, replica.batched] = i
    s.batch_tokens[slot, replica.batched] = tokens
    replica.batched += 1
    return int(tokens)


@compiled
def find_next_finish(s: State, slot: int) -> None:
    """Look for the step at which the next sequence is complete."""
    replica = s.replicas[slot]
    earliest = NEVER
    for place in range(replica.decoding):
        earliest = min(earliest, s.finish[slot, place])
    replica.next_finish = earliest
