from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import demand, forecast, observation, observed, replica, serving

from v4operator.act.plan import plan
from v4operator.decide.decide import decide
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.memory import PolicyMemory
from v4operator.model.verdict import Action

OUT = SetRoutable(replica="flash-0", routable=False)
BACK = SetRoutable(replica="out", routable=True)


def count(to: int, victim: str | None = None) -> SetReplicas:
    return SetReplicas(expected=3, count=to, version="7", victim=victim)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({}, ()),
        ({"action": Action.GROW, "desired": 5}, (count(5),)),
        ({"action": Action.SHRINK, "desired": 2, "drain": "flash-0"}, (OUT,)),
        ({"action": Action.SHRINK, "desired": 2, "drain": "out"}, ()),
        (
            {"action": Action.SHRINK, "desired": 2, "drain": "out", "release": True},
            (count(2, "out"),),
        ),
        ({"action": Action.SHRINK, "desired": 2, "release": True}, (count(2),)),
        ({"restore": "out"}, (BACK,)),
        ({"restore": "flash-0"}, ()),
        ({"restore": "gone"}, ()),
        ({"action": Action.GROW, "desired": 4, "restore": "out"}, (count(4), BACK)),
        ({"current": None, "desired": None}, ()),
    ],
    ids=[
        "rest",
        "grow",
        "take out",
        "already out",
        "release",
        "never created",
        "put back",
        "already back",
        "gone",
        "grow and put back, the count first",
        "nobody sets the count",
    ],
)
def test_a_decision_becomes_its_effects(
    decision: dict[str, Any], expected: tuple[Effect, ...]
) -> None:
    seen = observation([*serving(2), observed(replica("out", routable=False))])
    rest = decide(observation(serving(3)), forecast(demand(2.5)), PolicyMemory())[0]
    verdict = replace(rest, decision=replace(rest.decision, **decision))
    assert plan(seen, verdict) == expected
