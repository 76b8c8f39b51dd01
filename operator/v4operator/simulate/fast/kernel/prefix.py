"""The prefix cache of a replica: sessions that it has served; least recently used ones go first."""

from v4operator.simulate.fast.kernel.jit import compiled
from v4operator.simulate.fast.kernel.layout import State


@compiled
def hit(s: State, slot: int, i: int) -> int:
    """Prompt tokens that need no prefill there. The last one always does: it gives the answer."""
    request = s.requests[i]
    held = request.prefix
    if request.session >= 0:
        held = min(held, s.cache[slot, request.session].tokens)
    return int(max(0, min(held, request.prompt - 1)))


@compiled
def use_session(s: State, slot: int, session: int) -> None:
    """A running request holds the session's tokens now: they are no longer in reserve."""
    if session >= 0:
        cell = s.cache[slot, session]
        if cell.users == 0:
            s.replicas[slot].reserve -= cell.tokens
        cell.users += 1
        _evict(s, slot)


@compiled
def leave_session(s: State, slot: int, session: int, tokens: int) -> None:
    """The request is gone; the session keeps as much as it held or this one has made."""
    if session >= 0:
        cell = s.cache[slot, session]
        cell.users -= 1
        cell.tokens = max(cell.tokens, tokens)
        cell.used = s.fleet[0].now
        if cell.users == 0:
            s.replicas[slot].reserve += cell.tokens
        _evict(s, slot)


@compiled
def _evict(s: State, slot: int) -> None:
    replica = s.replicas[slot]
    while replica.reserve > 0 and replica.held + replica.reserve > s.fleet[0].capacity:
        eldest = -1
        for session in range(s.cache.shape[1]):
            cell = s.cache[slot, session]
            if cell.users > 0 or cell.tokens == 0:
                continue
            if eldest < 0 or cell.used < s.cache[slot, eldest].used:
                eldest = session
        replica.reserve -= s.cache[slot, eldest].tokens
        s.cache[slot, eldest].tokens = 0
