from __future__ import annotations

from typing import TYPE_CHECKING

from v4operator.adapters.endpoints import EndpointsView
from v4operator.model.replica import Phase, Replica

if TYPE_CHECKING:
    from tests.conftest import FakeClock, MakeDeployment


async def test_each_endpoint_is_a_pending_replica_that_nobody_can_count(
    clock: FakeClock, make_deployment: MakeDeployment
) -> None:
    endpoints = ("http://10.0.0.1:30000", "https://user:secret@gpu-2.example:8443/flash/")
    workload = await EndpointsView(clock).read(make_deployment(endpoints=endpoints))
    assert workload.desired is None
    assert workload.replicas == (
        Replica(
            name="10.0.0.1:30000",
            address="http://10.0.0.1:30000",
            phase=Phase.PENDING,
            created_at=clock.now(),
        ),
        Replica(
            name="gpu-2.example:8443/flash",
            address="https://user:secret@gpu-2.example:8443/flash/",
            phase=Phase.PENDING,
            created_at=clock.now(),
        ),
    )


async def test_an_endpoint_keeps_the_time_when_it_was_first_seen(
    clock: FakeClock, make_deployment: MakeDeployment
) -> None:
    view = EndpointsView(clock)
    started = clock.now()
    await view.read(make_deployment(endpoints=("http://a:1",)))
    await clock.advance(60.0)
    workload = await view.read(make_deployment(endpoints=("http://a:1", "http://b:1")))
    assert [replica.created_at for replica in workload.replicas] == [started, started + 60.0]


async def test_an_endpoint_listed_twice_is_one_replica(
    clock: FakeClock, make_deployment: MakeDeployment
) -> None:
    deployment = make_deployment(endpoints=("http://a:1", "http://a:1/"))
    workload = await EndpointsView(clock).read(deployment)
    assert [replica.name for replica in workload.replicas] == ["a:1"]
