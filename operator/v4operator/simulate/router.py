"""In front of a fleet: least outstanding tokens; a request that nobody takes waits here."""

from collections.abc import Sequence

from v4operator.simulate.member import Member
from v4operator.simulate.replica import Replica
from v4operator.simulate.request import Ending, Request


class Router:
    """Sends requests to replicas that take them. Same order of calls, same choices."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._turn = 0
        self._unrouted: list[Request] = []

    def route(self, request: Request, members: Sequence[Member], at: float) -> None:
        """Send one request on, or keep it until there is somewhere to send it."""
        chosen = self._least_loaded(members, at)
        if chosen is None:
            self._unrouted.append(request)
        else:
            chosen.submit(request)

    def route_kept(self, members: Sequence[Member], at: float) -> None:
        """Try again with those that nobody took."""
        kept, self._unrouted = self._unrouted, []
        for request in kept:
            self.route(request, members, at)

    def expire(self, now: float) -> list[Request]:
        """Those whose clients lost patience before anybody took them."""
        late = [r for r in self._unrouted if r.arrival + self._patience_seconds <= now]
        for request in late:
            request.ended_at = request.arrival + self._patience_seconds
            request.ending = Ending.TIMED_OUT
        if late:
            self._unrouted = [r for r in self._unrouted if r.ending is None]
        return late

    def _least_loaded(self, members: Sequence[Member], at: float) -> Replica | None:
        """Least outstanding tokens among those that take requests; ties go round."""
        engines = [m.engine for m in members if m.takes_requests and m.engine is not None]
        if not engines:
            return None
        for engine in engines:
            if engine.next_event_at <= at:
                engine.advance(at)
        self._turn += 1
        turn = self._turn % len(engines)
        return min(engines[turn:] + engines[:turn], key=lambda engine: engine.outstanding_tokens)
