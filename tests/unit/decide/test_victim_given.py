"""Of a StatefulSet the last ordinal ends, whoever is chosen: so it is the one that is chosen."""

import pytest
from tests.fleets import demand, forecast, observation, observed, replica, serving, silent

from v4operator.decide.fleet import fleet_of
from v4operator.decide.victim import choose
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import ReplicaObservation
from v4operator.model.replica import Phase


@pytest.mark.parametrize(
    ("last", "name", "serves"),
    [
        (observed(replica("last")), "last", True),
        (observed(replica("last", Phase.STARTING)), "last", False),
        (observed(replica("last", Phase.CRASHED)), "last", False),
        (silent("last"), None, None),
    ],
    ids=["serves", "starts", "has crashed", "silent: nobody knows what it runs"],
)
def test_the_one_that_would_end_is_the_victim_or_nobody(
    last: ReplicaObservation, *, name: str | None, serves: bool | None
) -> None:
    seen = observation([*serving(3), observed(replica("stuck", Phase.CRASHED)), last])
    victim = choose(fleet_of(seen, forecast(demand(1.0)), PolicyMemory()), "last")
    assert (victim.name if victim else None, victim.serves if victim else None) == (name, serves)
