from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.fleets import deployment, replica

from v4operator.act.apply import Applied, apply, objection
from v4operator.act.ports import Outcome
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.observe.ports import WorkloadUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

GROW = SetReplicas(expected=3, count=5, version="7", victim=None)
SHRINK = SetReplicas(expected=3, count=2, version="7", victim="c")
OUT = SetRoutable(replica="a", routable=False)
BACK = SetRoutable(replica="c", routable=True)


def workload(*replicas: Replica, desired: int = 3, version: str = "7") -> Workload:
    held = replicas or (replica("a"), replica("b"), replica("c", routable=False))
    return Workload(desired=desired, version=version, replicas=held)


class World:
    """View and writer of one workload; `before_write` may change it between decision and write."""

    def __init__(self, held: Workload, answer: Outcome = Outcome.DONE) -> None:
        self.held, self.answer = held, answer
        self.written: list[Effect] = []
        self.before_write: Callable[[Workload], Workload] = lambda held: held

    async def read(self, deployment: Deployment) -> Workload:
        if not deployment.endpoints:
            self.held = self.before_write(self.held)
        return self.held

    async def write(self, key: Key, effect: Effect) -> tuple[Outcome, str]:
        self.written.append(effect)
        return self.answer, f"{key} written"


async def applied(world: World, *effects: Effect) -> tuple[Applied, ...]:
    target = deployment()
    return await apply(target.key, effects, world, target, world)


async def test_effects_are_written_in_their_order() -> None:
    world = World(workload())
    done = await applied(world, GROW, BACK)
    assert world.written == [GROW, BACK]
    assert [(each.outcome, each.message) for each in done] == [
        (Outcome.DONE, "ai/flash written"),
        (Outcome.DONE, "ai/flash written"),
    ]


async def test_a_count_that_changed_between_decision_and_write_stops_everything() -> None:
    world = World(workload())
    world.before_write = lambda held: replace(held, desired=4)
    done = await applied(world, GROW, BACK)
    assert world.written == []
    assert [(each.outcome, each.message) for each in done] == [
        (Outcome.CONFLICT, "the count is 4, not 3 as decided on")
    ]


@pytest.mark.parametrize("answer", [Outcome.CONFLICT, Outcome.REFUSED])
async def test_the_first_effect_that_does_not_go_through_is_the_last_tried(
    answer: Outcome,
) -> None:
    world = World(workload(), answer)
    done = await applied(world, GROW, BACK)
    assert world.written == [GROW]
    assert [each.outcome for each in done] == [answer]


async def test_a_workload_that_cannot_be_read_is_not_written() -> None:
    world = World(workload())

    def fail(_: Workload) -> Workload:
        raise WorkloadUnavailable("connection reset")

    world.before_write = fail
    done = await applied(world, GROW)
    assert world.written == []
    assert done[0].outcome is Outcome.REFUSED
    assert "connection reset" in done[0].message


@pytest.mark.parametrize(
    ("effect", "held", "expected"),
    [
        (GROW, workload(), None),
        (GROW, workload(version="8"), "the workload is at version 8, not 7"),
        (SHRINK, workload(), None),
        (SHRINK, workload(replica("a"), replica("b")), "c is not there any more"),
        (SHRINK, workload(replica("a"), replica("b"), replica("c")), "c takes requests again"),
        (
            SHRINK,
            workload(replica("a"), replica("b", Phase.CRASHED), replica("c", routable=False)),
            "b is not ready and would go instead of c",
        ),
        (
            SHRINK,
            workload(
                replica("a"),
                replica("b", Phase.DRAINING),
                replica("c", routable=False),
            ),
            None,
        ),
        (SHRINK, workload(replica("a"), replica("b"), replica("c", Phase.PENDING)), None),
        (replace(SHRINK, victim=None), workload(), None),
        (OUT, workload(), None),
        (OUT, workload(replica("a")), "a is the last replica that takes requests"),
        (
            OUT,
            workload(replica("a"), replica("b", Phase.STARTING)),
            "a is the last replica that takes requests",
        ),
        (OUT, workload(replica("b")), "a is not there any more"),
        (BACK, workload(), None),
        (BACK, workload(replica("a")), "c is not there any more"),
    ],
)
def test_an_effect_whose_grounds_are_gone_is_objected_to(
    effect: Effect, held: Workload, expected: str | None
) -> None:
    assert objection(effect, held) == expected
