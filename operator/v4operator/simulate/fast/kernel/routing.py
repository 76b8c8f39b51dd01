"""In front of the replicas: who gets a request, and who waits outside or is turned away."""

from v4operator.simulate.fast.kernel.jit import compiled, entry
from v4operator.simulate.fast.kernel.layout import (
    AFFINITY,
    ENGINE_LIMIT,
    GATEWAY,
    INSIDE,
    OUTSIDE,
    REJECTED,
    TIMED_OUT,
    State,
)
from v4operator.simulate.fast.kernel.prefix import hit
from v4operator.simulate.fast.kernel.runs import interrupt


@compiled
def choose(s: State, i: int) -> int:
    """The replica for a request: least outstanding tokens, or the home of its session.

    Home has it unless its backlog is longer by more than the cached tokens save. -1: no room.
    """
    least = _least(s)
    session = s.requests[i].session
    if s.fleet[0].router != AFFINITY or session < 0 or least < 0:
        return least
    home = s.home[session]
    if home >= 0 and s.replicas[home].takes and s.replicas[home].outstanding < s.fleet[0].room:
        more = s.replicas[home].outstanding_tokens - s.replicas[least].outstanding_tokens
        if more <= hit(s, home, i) - hit(s, least, i):
            return int(home)
    s.home[session] = least
    return least


@compiled
def _least(s: State) -> int:
    """Least outstanding tokens among those with room; ties go round. -1 without any."""
    fleet = s.fleet[0]
    count = 0
    for place in range(fleet.active):
        replica = s.replicas[s.active[place]]
        count += int(replica.takes and replica.outstanding < fleet.room)
    if count == 0:
        return -1
    fleet.turn += 1
    turn = fleet.turn % count
    chosen, tokens, rank, seen = -1, 0, 0, 0
    for place in range(fleet.active):
        replica = s.replicas[s.active[place]]
        if not (replica.takes and replica.outstanding < fleet.room):
            continue
        distance = seen - turn if seen >= turn else seen - turn + count
        seen += 1
        load = replica.outstanding_tokens
        if chosen < 0 or load < tokens or (load == tokens and distance < rank):
            chosen, tokens, rank = s.active[place], load, distance
    return chosen


@compiled
def takers(s: State) -> int:
    """Replicas that the router may send requests to, with room or without."""
    count = 0
    for place in range(s.fleet[0].active):
        count += s.replicas[s.active[place]].takes
    return count


@compiled
def submit(s: State, slot: int, i: int) -> None:
    """Hand a request to a replica, whose queue it reaches after the fixed overhead."""
    fleet, replica, request = s.fleet[0], s.replicas[slot], s.requests[i]
    request.fate = INSIDE
    request.slot = slot
    request.entry = max(fleet.now, request.arrival + fleet.overhead)
    request.to_prefill = request.prompt
    request.remaining = request.output
    request.work = request.prompt - hit(s, slot, i) + request.output
    replica.outstanding += 1
    replica.outstanding_tokens += request.work
    request.following = -1
    if replica.coming_head < 0:
        replica.coming_head = i
    else:
        s.requests[replica.coming_tail].following = i
    replica.coming_tail = i
    interrupt(replica, request.entry)


@compiled
def reject(s: State, i: int) -> None:
    """Turn a request away for good."""
    s.requests[i].fate = REJECTED
    s.requests[i].ended = s.fleet[0].now
    s.fleet[0].rejected += 1


@compiled
def wait_outside(s: State, i: int) -> None:
    """Put a request behind those that nobody has room for."""
    fleet = s.fleet[0]
    s.requests[i].fate = OUTSIDE
    s.requests[i].following = -1
    s.requests[i].preceding = fleet.outside_tail
    if fleet.outside == 0:
        fleet.outside_head = i
    else:
        s.requests[fleet.outside_tail].following = i
    fleet.outside_tail = i
    fleet.outside += 1


@compiled
def _leave_outside(s: State, i: int) -> None:
    fleet = s.fleet[0]
    before, after = s.requests[i].preceding, s.requests[i].following
    if before >= 0:
        s.requests[before].following = after
    else:
        fleet.outside_head = after
    if after >= 0:
        s.requests[after].preceding = before
    else:
        fleet.outside_tail = before
    fleet.outside -= 1


@entry
def expire_outside(s: State) -> None:
    """Let those go that have waited outside for too long. The eldest stands at the head."""
    fleet = s.fleet[0]
    while fleet.outside > 0:
        i = fleet.outside_head
        deadline = s.requests[i].arrival + fleet.patience
        if deadline > fleet.now:
            return
        _leave_outside(s, i)
        s.requests[i].fate = TIMED_OUT
        s.requests[i].ended = deadline
        fleet.lost_outside += 1


@entry
def dispatch(s: State) -> None:
    """Send those on that wait outside, as far as somebody takes them: after a change of routing."""
    fleet = s.fleet[0]
    expire_outside(s)
    while fleet.outside > 0:
        i = fleet.outside_tail if fleet.overload == GATEWAY else fleet.outside_head
        slot = choose(s, i)
        if slot < 0 and (fleet.overload != ENGINE_LIMIT or takers(s) == 0):
            return
        _leave_outside(s, i)
        if slot < 0:
            reject(s, i)
        else:
            submit(s, slot, i)
