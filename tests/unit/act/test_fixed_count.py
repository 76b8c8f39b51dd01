from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import deployment, observation, scaling, serving

from v4operator.act.fixed_count import fixed_count
from v4operator.model.deployment import ScalingMode
from v4operator.model.effects import Effect, SetReplicas

SET = (SetReplicas(expected=3, count=5, version="7", victim=None),)


@pytest.mark.parametrize(
    ("replicas", "changes", "effects"),
    [
        (5, {"mode": ScalingMode.RECOMMEND}, SET),
        (5, {"mode": ScalingMode.DISABLED}, SET),
        (3, {"mode": ScalingMode.DISABLED}, ()),
        (None, {"mode": ScalingMode.DISABLED}, ()),
        (5, {"mode": ScalingMode.AUTOMATIC}, ()),
        (5, {"mode": ScalingMode.RECOMMEND, "paused": True}, ()),
    ],
    ids=["recommend", "disabled", "as it is", "absent", "automatic ignores it", "paused"],
)
def test_the_count_of_the_spec_is_copied_where_nobody_else_sets_it(
    replicas: int | None, changes: dict[str, Any], effects: tuple[Effect, ...]
) -> None:
    wanted = deployment(scaling=scaling(**changes), replicas=replicas)
    seen = replace(observation(serving(3)), deployment=wanted)
    assert fixed_count(seen) == effects


def test_endpoints_have_no_count_to_be_set() -> None:
    wanted = deployment(scaling=scaling(mode=ScalingMode.RECOMMEND), replicas=5)
    seen = observation(serving(3))
    workload = replace(seen.workload, desired=None)
    assert fixed_count(replace(seen, deployment=wanted, workload=workload)) == ()
