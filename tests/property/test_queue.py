from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from v4operator.runtime.queue import Agenda

_KEYS = st.sampled_from("abcd")


class AgendaMachine(RuleBasedStateMachine):
    """The agenda beside a model that says only which keys are owed a run, and since when."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda: Agenda[str] = Agenda()
        self.now = 0.0
        self.owed: dict[str, int] = {}  # key -> how many takes had happened when it was first owed
        self.working: list[str] = []
        self.due: dict[str, float] = {}
        self.takes = 0

    def _owe(self, key: str) -> None:
        self.owed.setdefault(key, self.takes)

    @rule(key=_KEYS)
    def add(self, key: str) -> None:
        was_new = key not in self.owed
        assert self.agenda.add(key, self.now) == was_new
        self._owe(key)

    @rule(key=_KEYS, seconds=st.floats(0.0, 10.0))
    def add_later(self, key: str, seconds: float) -> None:
        deadline = self.now + seconds
        self.agenda.add_at(key, deadline)
        self.due[key] = min(deadline, self.due.get(key, deadline))

    @rule(seconds=st.floats(0.0, 5.0))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        due = {key for key, deadline in self.due.items() if deadline <= self.now}
        assert set(self.agenda.promote(self.now)) == due - self.owed.keys()
        for key in due:
            del self.due[key]
            self._owe(key)

    @rule()
    def take(self) -> None:
        taken = self.agenda.take()
        ready = self.owed.keys() - set(self.working)
        if taken is None:
            assert not ready, "a key is owed a run and no worker has it, yet it is not given out"
            return
        key, since = taken
        assert key in ready, "never twice at once, never without reason"
        assert since <= self.now
        self.takes += 1
        assert self.takes - self.owed.pop(key) <= 4, "each of the others goes first at most once"
        self.working.append(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.working))
        self.working.remove(key)
        self.agenda.done(key, self.now)
        if key in self.owed:
            self.owed[key] = self.takes  # it could not have been taken before

    @rule()
    def clear(self) -> None:
        self.agenda.clear()
        self.owed.clear()
        self.due.clear()

    @invariant()
    def depth_is_what_could_be_taken(self) -> None:
        assert len(self.agenda) == len(self.owed.keys() - set(self.working))

    @invariant()
    def the_next_deadline_is_the_earliest(self) -> None:
        assert self.agenda.next_deadline == min(self.due.values(), default=None)


AgendaMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60)
test_no_key_is_lost_run_twice_at_once_or_starved = AgendaMachine.TestCase
