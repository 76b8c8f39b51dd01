"""The steps of one replica: what is planned at a boundary, how long it takes, what it gives."""

import math

from v4operator.simulate.fast.kernel.batch import (
    close_place,
    fill_batch,
    find_next_finish,
    make_room,
)
from v4operator.simulate.fast.kernel.jit import compiled
from v4operator.simulate.fast.kernel.layout import DECODING_RUN, FINISHED, IDLE, MIXED_STEP, State
from v4operator.simulate.fast.kernel.prefix import leave_session
from v4operator.simulate.fast.kernel.queue import end, expire, first_unanswered, next_entry, receive
from v4operator.simulate.fast.kernel.runs import interrupt, run_end


@compiled
def plan(s: State, slot: int) -> None:
    """Decide what happens from the present step boundary on."""
    replica = s.replicas[slot]
    replica.doing = IDLE
    receive(s, slot)
    expire(s, slot)
    make_room(s, slot)
    fill_batch(s, slot)
    if replica.batched > 0:
        _begin_mixed_step(s, slot)
    elif replica.decoding > 0:
        _begin_run(s, slot)
    else:
        replica.next_event = next_entry(s, slot)
        if replica.draining and replica.outstanding == 0:
            replica.emptied = replica.boundary


@compiled
def _begin_mixed_step(s: State, slot: int) -> None:
    replica = s.replicas[slot]
    weight = 0.0
    for place in range(replica.batched):
        tokens = s.batch_tokens[slot, place]
        position = s.requests[s.batch[slot, place]].position
        weight += tokens * (1 + (position + tokens / 2) / s.fleet[0].prefill_context)
    prefill = s.fleet[0].per_prefill_token * weight
    seconds = (_decode_seconds(s, slot) + prefill) * _pace(s, slot)
    replica.doing = MIXED_STEP
    replica.next_event = replica.boundary + seconds


@compiled
def _begin_run(s: State, slot: int) -> None:
    """Decode until somebody finishes, the KV pool is full, or something is to be looked at."""
    replica = s.replicas[slot]
    pace = _pace(s, slot)
    replica.doing = DECODING_RUN
    replica.run_start = replica.boundary
    replica.run_first = _decode_seconds(s, slot) * pace
    slope = s.fleet[0].per_kv_token * replica.decoding * replica.decode_pace
    replica.run_slope = slope * pace
    replica.run_sequences = replica.decoding
    room = (s.fleet[0].capacity - replica.held) // replica.decoding
    replica.run_steps = min(replica.next_finish - replica.decode_steps, room)
    replica.next_event = run_end(replica, replica.run_steps)
    i = first_unanswered(s, slot)[1]
    deadline = math.inf if i < 0 else s.requests[i].arrival + s.fleet[0].patience
    interrupt(replica, min(next_entry(s, slot), deadline))


@compiled
def _decode_seconds(s: State, slot: int) -> float:
    """The next step's decode part at the present pace of decoding, the rest left out."""
    replica = s.replicas[slot]
    sequences = 0 if s.fleet[0].prefill_first and replica.batched > 0 else replica.decoding
    context = replica.resident if sequences > 0 else 0
    seconds = s.decode_seconds[sequences] + s.fleet[0].per_kv_token * context
    return float(seconds * replica.decode_pace)


@compiled
def _pace(s: State, slot: int) -> float:
    """Factor on the coming step or run, with its noise."""
    replica = s.replicas[slot]
    replica.noise_at = (replica.noise_at + 1) % len(s.noise)
    return float(replica.pace * s.noise[replica.noise_at])


@compiled
def complete(s: State, slot: int) -> None:
    """Book what was planned, at its end."""
    replica = s.replicas[slot]
    if replica.doing == DECODING_RUN:
        _complete_run(s, slot)
    elif replica.doing == MIXED_STEP:
        _complete_mixed_step(s, slot)
    else:
        replica.boundary = max(replica.boundary, replica.next_event)


@compiled
def _complete_run(s: State, slot: int) -> None:
    replica = s.replicas[slot]
    replica.boundary = replica.next_event
    replica.busy += replica.next_event - replica.run_start
    replica.doing = IDLE
    _step(s, slot, replica.run_steps)


@compiled
def _complete_mixed_step(s: State, slot: int) -> None:
    replica = s.replicas[slot]
    replica.busy += replica.next_event - replica.boundary
    replica.boundary = replica.next_event
    replica.doing = IDLE
    if replica.decoding > 0 and not s.fleet[0].prefill_first:
        _step(s, slot, 1)
    else:
        replica.steps += 1
    replica.partial = -1
    for place in range(replica.batched):
        _computed(s, slot, s.batch[slot, place], s.batch_tokens[slot, place])
    replica.batched = 0


@compiled
def _computed(s: State, slot: int, i: int, tokens: int) -> None:
    """A prompt is that much further; once it is complete, its first token comes out."""
    replica, request = s.replicas[slot], s.requests[i]
    replica.prefill_tokens += tokens
    request.position += tokens
    request.to_prefill -= tokens
    if request.to_prefill > 0:
        replica.partial = i
        return
    request.remaining -= 1
    replica.emitted += 1
    if math.isnan(request.first_token):
        request.first_token = replica.boundary
        replica.first_tokens += 1
        replica.prompt_tokens += request.prompt
    if request.remaining == 0:
        replica.held -= request.position
        _finish(s, slot, i)
        return
    finish = replica.decode_steps + request.remaining
    replica.next_finish = min(replica.next_finish, finish)
    replica.resident += request.position
    s.decoding[slot, replica.decoding] = i
    s.finish[slot, replica.decoding] = finish
    replica.decoding += 1


@compiled
def _step(s: State, slot: int, steps: int) -> None:
    """Let every decoding sequence grow by that many tokens, and end those that are complete."""
    replica = s.replicas[slot]
    grown = steps * replica.decoding
    replica.steps += steps
    replica.decode_steps += steps
    replica.held += grown
    replica.resident += grown
    replica.decode_tokens += grown
    if replica.next_finish > replica.decode_steps:
        return
    place = 0
    while place < replica.decoding:
        if s.finish[slot, place] > replica.decode_steps:
            place += 1
            continue
        i = s.decoding[slot, place]
        close_place(s, slot, place)
        context = s.requests[i].prompt + s.requests[i].output - 1
        replica.held -= context
        replica.resident -= context
        _finish(s, slot, i)
    find_next_finish(s, slot)


@compiled
def _finish(s: State, slot: int, i: int) -> None:
    replica = s.replicas[slot]
    replica.finished += 1
    replica.finished_decode_tokens += s.requests[i].output
    leave_session(s, slot, s.requests[i].session, s.requests[i].prompt + s.requests[i].output)
    end(s, slot, i, replica.boundary, FINISHED)
