"""The table of the admission policies: written where it differs, and only there."""

from collections.abc import Mapping

import pytest
from tests.conftest import FakeClock
from tests.unit.adapters.test_cluster_writes import Scripted, answered

from v4operator.adapters.cluster_capacity_table import ClusterCapacityTable
from v4operator.adapters.kube_errors import NotFound, Unavailable

TABLE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"namespace": "operators", "name": "table"},
    "data": {"low.vllm": "3"},
}


def kept(script: Scripted) -> ClusterCapacityTable:
    return ClusterCapacityTable(script.api, lambda: TABLE, FakeClock())


async def test_a_table_that_is_right_is_left_alone() -> None:
    script = Scripted(answered("table", data=TABLE["data"]))
    assert await kept(script).write() is False
    assert script.lines() == ["get configmaps operators/table"]


@pytest.mark.parametrize(
    "held",
    [NotFound("none"), answered("table"), answered("table", data={"low.vllm": "4"})],
    ids=["missing", "empty", "of another catalogue"],
)
async def test_any_other_is_written_whole(held: NotFound | dict[str, object]) -> None:
    script = Scripted(held, answered("table"))
    assert await kept(script).write() is True
    assert script.body() == TABLE


async def test_no_answer_is_the_callers_to_know() -> None:
    with pytest.raises(Unavailable):
        await kept(Scripted(Unavailable("down"))).write()


async def test_it_is_made_once_and_not_before_somebody_leads() -> None:
    made: list[int] = []

    def make() -> Mapping[str, object]:
        made.append(1)
        return TABLE

    script = Scripted(answered("table", data=TABLE["data"]), answered("table", data=TABLE["data"]))
    table = ClusterCapacityTable(script.api, make, FakeClock())
    assert made == []
    await table.write()
    await table.write()
    assert made == [1]
