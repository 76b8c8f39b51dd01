"""The adapter against the control API of emulated fleets, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from v4operator.act.ports import Outcome
from v4operator.adapters.emulated import EmulatedFleets, emulated_clock
from v4operator.adapters.endpoints import EndpointsView
from v4operator.model.effects import SetReplicas, SetRoutable
from v4operator.model.replica import Phase, Replica
from v4operator.observe.ports import WorkloadUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import FakeClock, MakeDeployment

    from v4operator.model.effects import Effect

_FLEET = "/v1/fleets/ns/flash"
_TWO_REPLICAS = {
    "desired": 2,
    "version": "17",
    "replicas": [
        {
            "name": "flash-0",
            "address": "http://127.0.0.1:4000",
            "phase": "ready",
            "createdAt": 10.0,
            "readyAt": 490.5,
            "routable": False,
            "reason": None,
        },
        {
            "name": "flash-1",
            "address": "http://127.0.0.1:4001",
            "phase": "unschedulable",
            "createdAt": 20.0,
            "readyAt": None,
            "routable": True,
            "reason": "no nvidia.com/gpu free",
        },
    ],
}


class _Control:
    """Answers what the test has put there, and keeps what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.text()
        self.asked.append((request.method, request.path, json.loads(body or "null")))
        status, answer = self.answers.get(request.path, (404, {"error": "no such fleet"}))
        return web.Response(status=status, text=json.dumps(answer))


@pytest.fixture
async def control() -> AsyncIterator[_Control]:
    control = _Control()
    runner = web.ServerRunner(web.Server(control.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    control.url = site.name
    yield control
    await runner.cleanup()


@pytest.fixture
async def fleets(control: _Control, clock: FakeClock) -> AsyncIterator[EmulatedFleets]:
    async with EmulatedFleets(f"{control.url}/", EndpointsView(clock)) as fleets:
        yield fleets


async def test_a_fleet_is_read_as_a_workload(
    control: _Control, fleets: EmulatedFleets, make_deployment: MakeDeployment
) -> None:
    control.answers[_FLEET] = (200, _TWO_REPLICAS)
    workload = await fleets.read(make_deployment())
    assert (workload.desired, workload.version) == (2, "17")
    assert workload.replicas == (
        Replica(
            name="flash-0",
            address="http://127.0.0.1:4000",
            phase=Phase.READY,
            created_at=10.0,
            ready_at=490.5,
            routable=False,
            reason=None,
        ),
        Replica(
            name="flash-1",
            address="http://127.0.0.1:4001",
            phase=Phase.UNSCHEDULABLE,
            created_at=20.0,
            ready_at=None,
            routable=True,
            reason="no nvidia.com/gpu free",
        ),
    )


async def test_a_deployment_without_a_fleet_is_read_by_its_endpoints(
    fleets: EmulatedFleets, make_deployment: MakeDeployment
) -> None:
    workload = await fleets.read(make_deployment(endpoints=("http://127.0.0.1:30000",)))
    assert workload.desired is None
    assert [replica.phase for replica in workload.replicas] == [Phase.PENDING]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {}), "emulated fleet ns/flash: HTTP 500"),
        ((200, [1]), "emulated fleet ns/flash: unexpected answer: "),
        (
            (200, _TWO_REPLICAS | {"desired": "many"}),
            "emulated fleet ns/flash: unexpected answer: desired: ",
        ),
    ],
    ids=["error", "other JSON", "wrong type"],
)
async def test_a_fleet_that_cannot_be_read_is_unavailable_with_the_reason(
    control: _Control,
    fleets: EmulatedFleets,
    make_deployment: MakeDeployment,
    answer: tuple[int, Any],
    reason: str,
) -> None:
    control.answers[_FLEET] = answer
    with pytest.raises(WorkloadUnavailable) as raised:
        await fleets.read(make_deployment())
    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize(
    ("effect", "path", "body", "done"),
    [
        (
            SetReplicas(expected=4, count=5, version="17", victim=None),
            f"{_FLEET}/replicas",
            {"count": 5, "expected": 4, "version": "17", "victim": None},
            "replicas 4 -> 5",
        ),
        (
            SetRoutable(replica="flash-0", routable=False),
            f"{_FLEET}/replicas/flash-0/routable",
            {"routable": False},
            "flash-0 out of routing",
        ),
        (
            SetRoutable(replica="flash-0", routable=True),
            f"{_FLEET}/replicas/flash-0/routable",
            {"routable": True},
            "flash-0 in routing",
        ),
    ],
    ids=["count", "out of routing", "back in routing"],
)
async def test_an_effect_is_written_with_its_precondition(
    control: _Control,
    fleets: EmulatedFleets,
    make_deployment: MakeDeployment,
    effect: Effect,
    path: str,
    body: dict[str, object],
    done: str,
) -> None:
    control.answers[path] = (200, {})
    assert await fleets.write(make_deployment().key, effect) == (Outcome.DONE, done)
    assert control.asked == [("PUT", path, body)]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(409, Outcome.CONFLICT), (422, Outcome.REFUSED), (404, Outcome.REFUSED)],
)
async def test_a_write_that_is_turned_down_says_why_and_is_not_repeated(
    control: _Control,
    fleets: EmulatedFleets,
    make_deployment: MakeDeployment,
    status: int,
    outcome: Outcome,
) -> None:
    control.answers[f"{_FLEET}/replicas"] = (status, {"error": "version is 18"})
    effect = SetReplicas(expected=4, count=5, version="17", victim=None)
    found = await fleets.write(make_deployment().key, effect)
    assert found == (outcome, f'HTTP {status}: {{"error": "version is 18"}}')
    assert len(control.asked) == 1


async def _closed_port() -> int:
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port


async def test_a_control_api_that_is_not_there_is_unavailable_and_refuses_writes(
    clock: FakeClock, make_deployment: MakeDeployment
) -> None:
    url = f"http://127.0.0.1:{await _closed_port()}"
    async with EmulatedFleets(url, EndpointsView(clock)) as fleets:
        with pytest.raises(WorkloadUnavailable, match="ns/flash: connection refused"):
            await fleets.read(make_deployment())
        written = await fleets.write(
            make_deployment().key, SetRoutable(replica="flash-0", routable=True)
        )
    assert written == (Outcome.REFUSED, "emulated fleet ns/flash: connection refused")


async def test_the_emulated_clock_is_the_one_that_the_fleets_run_on(control: _Control) -> None:
    control.answers["/v1/clock"] = (200, {"epoch": 1.7e9, "origin": 55.5, "speed": 40.0})
    clock = await emulated_clock(control.url)
    assert (clock.epoch, clock.origin, clock.speed) == (1.7e9, 55.5, 40.0)


async def test_an_emulated_clock_that_cannot_be_read_is_unavailable(control: _Control) -> None:
    with pytest.raises(WorkloadUnavailable, match="clock of the emulated fleets: HTTP 404"):
        await emulated_clock(control.url)


async def test_a_request_that_reached_nobody_is_repeated(
    monkeypatch: pytest.MonkeyPatch, control: _Control
) -> None:
    """The first connection is refused, the second one is made."""
    control.answers["/v1/clock"] = (200, {"epoch": 0.0, "origin": 0.0, "speed": 1.0})
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    failures = [ConnectionRefusedError(111, "Connection refused")]

    async def unlucky(sock: Any, address: Any) -> None:
        if failures:
            raise failures.pop()
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", unlucky)
    assert (await emulated_clock(control.url)).speed == 1.0
    assert failures == []
