"""Emulated engines and their control API over real sockets, by the clients people use."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web

from v4operator.adapters.emulated import emulated_clock
from v4operator.model.deployment import Key
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Phase
from v4operator.observe.engines import read
from v4operator.runtime.clock import AcceleratedClock
from v4operator.simulate.control_server import control_app
from v4operator.simulate.emulation import Emulation
from v4operator.simulate.exposition import VERSIONS
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.scenario import read_scenario

MODEL = "deepseek-ai/DeepSeek-V4-Flash"
SPEED = 20.0
KEY = Key("demo", "chat")


def scenario(engine: str = "sglang", *, speed: float = SPEED, **more: object) -> str:
    fleet = {
        "namespace": "demo",
        "name": "chat",
        "engine": engine,
        "model": MODEL,
        "profile": "flash-fp8-4xh200",
        "replicas": 2,
        "startUp": {"seconds": 40},
        "objectives": {"ttftSeconds": 2, "interTokenLatencySeconds": 0.0333, "attainment": 0.99},
        **more,
    }
    return json.dumps({"speed": speed, "fleets": [fleet]})


class Live:
    """A running emulation with its control API, and a client."""

    def __init__(self, emulation: Emulation, control: str, http: aiohttp.ClientSession) -> None:
        self.emulation = emulation
        self.control = control
        self.http = http
        self.fleet_url = f"{control}/v1/fleets/demo/chat"

    async def get(self, url: str) -> tuple[int, Any]:
        async with self.http.get(url) as answer:
            return answer.status, await answer.json(content_type=None)

    async def text(self, url: str) -> str:
        async with self.http.get(url) as answer:
            return await answer.text()

    async def put(self, path: str, body: object) -> tuple[int, Any]:
        async with self.http.put(f"{self.fleet_url}{path}", json=body) as answer:
            return answer.status, await answer.json()

    async def replicas(self) -> list[dict[str, Any]]:
        _, fleet = await self.get(self.fleet_url)
        found: list[dict[str, Any]] = fleet["replicas"]
        return found

    def fleet(self) -> Fleet:
        fleet = self.emulation.fleet(KEY)
        assert fleet is not None
        return fleet


@asynccontextmanager
async def live(text: str) -> AsyncIterator[Live]:
    read_ = read_scenario(text, where="test")
    clock = AcceleratedClock(time.time(), time.monotonic(), read_.speed)
    emulation = Emulation(read_, clock)
    runner = web.AppRunner(control_app(emulation), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await emulation.follow()
    keeper = asyncio.create_task(emulation.run())
    async with aiohttp.ClientSession() as http:
        yield Live(emulation, f"http://127.0.0.1:{runner.addresses[0][1]}", http)
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper
    await runner.cleanup()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a state of the world; the test's own time limit ends a wait in vain."""
    while not await condition():  # noqa: ASYNC110 - the other side is a socket, not an event
        await asyncio.sleep(0.01)


@asynccontextmanager
async def client(address: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{address}/v1", api_key="none", max_retries=0
    ) as connected:
        yield connected


@pytest.mark.parametrize("engine", list(VERSIONS))
async def test_an_openai_client_gets_a_chat_completion(engine: str) -> None:
    async with live(scenario(engine)) as emulated:
        address = (await emulated.replicas())[0]["address"]
        async with client(address) as connected:
            models = await connected.models.list()
            answer = await connected.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "x" * 400}],
                max_tokens=30,
            )
    assert [model.id for model in models.data] == [MODEL]
    assert answer.choices[0].message.content == " token" * 30
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 30)


async def test_an_openai_client_streams_a_chat_with_usage_at_the_end() -> None:
    async with live(scenario()) as emulated:
        address = (await emulated.replicas())[1]["address"]
        async with client(address) as connected:
            stream = await connected.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "hello there"}],
                max_tokens=200,
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
        judged = emulated.fleet().truth.judge()
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == " token" * 200
    assert len(chunks) > 5  # it came bit by bit
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 200
    assert (judged.requests, judged.missed) == (1, 0)


async def test_an_openai_client_streams_a_completion_of_token_ids() -> None:
    async with live(scenario("vllm")) as emulated:
        address = (await emulated.replicas())[0]["address"]
        async with client(address) as connected:
            stream = await connected.completions.create(
                model=MODEL, prompt=list(range(50)), stream=True
            )
            chunks = [chunk async for chunk in stream]
        reading = read((await emulated.text(f"{address}/metrics")).encode())
    assert "".join(chunk.choices[0].text for chunk in chunks) == " token" * 16
    assert isinstance(reading, EngineReading)
    assert (reading.prompt_tokens_total, reading.decode_tokens_total) == (50, 16)
    assert reading.finished_requests_total == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"{", "not JSON", id="not json"),
        pytest.param(b"[]", "JSON object", id="a list"),
        pytest.param(b'{"messages": []}', "messages must not be empty", id="nothing asked"),
        pytest.param(b'{"messages": ["x"], "max_tokens": 0.5}', "found 0.5", id="half a token"),
        pytest.param(b'{"messages": ["x"], "max_tokens": 999999}', "context", id="too long"),
    ],
)
async def test_a_body_that_the_api_does_not_allow_is_answered_400(body: bytes, said: str) -> None:
    async with live(scenario()) as emulated:
        address = (await emulated.replicas())[0]["address"]
        async with emulated.http.post(f"{address}/v1/chat/completions", data=body) as answer:
            error = (await answer.json())["error"]
    assert answer.status == 400
    assert said in error["message"]


async def test_a_client_that_hangs_up_frees_its_slot() -> None:
    async with live(scenario()) as emulated:
        address = (await emulated.replicas())[0]["address"]
        body = {"prompt": "x", "max_tokens": 100_000, "stream": True}
        async with emulated.http.post(f"{address}/v1/completions", json=body) as answer:
            await answer.content.readline()
        engine = emulated.fleet().members[0].engine
        assert engine is not None

        async def gone() -> bool:
            emulated.fleet()
            return engine.snapshot().counters.aborted == 1

        await until(gone)
        assert engine.snapshot().load.running == 0
        assert emulated.fleet().truth.judge().requests == 0


async def test_a_stream_that_is_cut_breaks_at_the_client() -> None:
    async with live(scenario()) as emulated:
        replica = (await emulated.replicas())[0]
        body = {"prompt": "x", "max_tokens": 100_000, "stream": True}
        async with emulated.http.post(f"{replica['address']}/v1/completions", json=body) as got:
            await got.content.readline()
            status, _ = await emulated.put(
                "/replicas",
                {"count": 1, "expected": 2, "version": "1", "victim": replica["name"]},
            )
            with pytest.raises(aiohttp.ClientPayloadError):
                await got.read()
        _, truth = await emulated.get(f"{emulated.fleet_url}/truth")
    assert status == 200
    assert truth["cutStreams"] == 1


async def test_a_loading_sglang_refuses_then_warms_up_then_serves() -> None:
    # Slow enough for half a second of warm-up, so that a busy machine sees it too.
    async with live(scenario(speed=5, startUp={"seconds": 8})) as emulated:
        _, fleet = await emulated.put("/replicas", {"count": 3, "expected": 2, "version": "1"})
        address = fleet["replicas"][2]["address"]
        seen: list[tuple[str, int]] = []

        async def ready() -> bool:
            try:
                async with emulated.http.get(f"{address}/ready") as answer:
                    text = await emulated.text(f"{address}/metrics")
            except aiohttp.ClientConnectorError:
                state = ("refused", 0)
            else:
                live_ = "sglang:num_running_reqs" in text
                state = ("all" if live_ else "constants", answer.status)
            if not seen or seen[-1] != state:
                seen.append(state)
            return state[1] == 200

        await until(ready)
    # A look may fall between the two questions of one probe; the order is what counts.
    assert seen[0] == ("refused", 0)
    assert ("constants", 503) in seen
    assert seen[-1][1] == 200


async def test_a_loading_vllm_refuses_and_then_answers_everything() -> None:
    async with live(scenario("vllm", startUp={"seconds": 10})) as emulated:
        _, fleet = await emulated.put("/replicas", {"count": 3, "expected": 2, "version": "1"})
        new = fleet["replicas"][2]
        assert (new["phase"], new["readyAt"]) == ("pending", None)
        with pytest.raises(aiohttp.ClientConnectorError):
            await emulated.text(f"{new['address']}/metrics")

        async def serves() -> bool:
            with suppress(aiohttp.ClientConnectorError):
                status, body = await emulated.get(f"{new['address']}/version")
                return status == 200 and body == {"version": "0.33.0"}
            return False

        await until(serves)
        assert "vllm:num_requests_running" in await emulated.text(f"{new['address']}/metrics")
        assert (await emulated.replicas())[2]["phase"] == "ready"


async def test_faults_can_be_switched_on_and_off_while_it_runs() -> None:
    async with live(scenario()) as emulated:
        replica = (await emulated.replicas())[0]
        path, metrics = f"/replicas/{replica['name']}/faults", f"{replica['address']}/metrics"

        async def status() -> int:
            async with emulated.http.get(metrics) as answer:
                return answer.status

        assert await status() == 200
        await emulated.put(path, {"metricsLost": True, "speedFactor": 0.5})
        assert await status() == 503
        await emulated.put(path, {"unreachable": True})
        with pytest.raises(aiohttp.ClientError):
            await status()
        await emulated.put(path, {"unreachable": False, "metricsLost": False})
        assert await status() == 200
        faults = emulated.fleet().members[0].faults
    assert (faults.speed_factor, faults.metrics_lost, faults.unreachable) == (0.5, False, False)


async def test_writes_of_the_count_are_conditional() -> None:
    async with live(scenario()) as emulated:
        first = await emulated.put("/replicas", {"count": 3, "expected": 2, "version": "1"})
        again = await emulated.put("/replicas", {"count": 4, "expected": 2, "version": "1"})
        nonsense: list[object] = [
            {"count": -1, "expected": 3, "version": "2"},
            {"count": 2, "expected": 3, "version": "2", "victim": "chat-77"},
            {"count": 2, "expected": 3, "version": "2", "victm": "chat-0"},
            [],
        ]
        bad = [await emulated.put("/replicas", body) for body in nonsense]
        _, fleet = await emulated.get(emulated.fleet_url)
    assert (first[0], first[1]["desired"], first[1]["version"]) == (200, 3, "2")
    assert (again[0], again[1]["error"]) == (
        409,
        "holds 3 at version 2, expected was 2 at version 1",
    )
    assert [status for status, _ in bad] == [422, 422, 422, 422]
    assert "did you mean 'victim'?" in bad[2][1]["error"]
    assert (fleet["desired"], len(fleet["replicas"])) == (3, 3)


async def test_a_replica_is_taken_out_of_routing_and_put_back() -> None:
    traffic = {
        "rate": [[0, 5]],
        "prompt": {"meanTokens": 200},
        "output": {"meanTokens": 50},
    }
    async with live(scenario(traffic=traffic)) as emulated:

        async def busy() -> bool:
            engine = emulated.fleet().members[0].engine
            return engine is not None and engine.snapshot().counters.finished > 0

        await until(busy)
        out = await emulated.put("/replicas/chat-0/routable", {"routable": False})

        async def drained() -> bool:
            engine = emulated.fleet().members[0].engine
            return engine is not None and engine.outstanding_tokens == 0

        await until(drained)
        back = await emulated.put("/replicas/chat-0/routable", {"routable": True})
        nobody = await emulated.put("/replicas/chat-9/routable", {"routable": True})
        nothing = await emulated.put("/replicas/chat-0/routable", {})
        _, truth = await emulated.get(f"{emulated.fleet_url}/truth?since=0")
    assert (out[0], out[1]["replicas"][0]["routable"]) == (200, False)
    assert out[1]["replicas"][0]["phase"] == Phase.READY
    assert back[1]["replicas"][0]["routable"] is True
    assert (nobody[0], nothing[0]) == (404, 422)
    assert truth["attainment"] == 1.0
    assert truth["demandRequestsPerSecond"] == 5
    assert truth["objectiveBrokenAt"] is None


async def test_what_is_not_there_is_answered_404() -> None:
    async with live(scenario()) as emulated:
        missing, body = await emulated.get(f"{emulated.control}/v1/fleets/demo/other")
        faults, _ = await emulated.put("/replicas/chat-9/faults", {})
        since, _ = await emulated.get(f"{emulated.fleet_url}/truth?since=yesterday")
    assert (missing, body) == (404, {"error": "no fleet demo/other"})
    assert (faults, since) == (404, 422)


async def test_the_command_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(scenario("vllm"), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "v4operator", "emulate", str(file), "--speed", "30"),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    up = json.loads(await process.stdout.readline())
    clock = await emulated_clock(up["control"])
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{up['control']}/v1/fleets") as answer:
            fleets = await answer.json()
        async with http.get(f"{up['control']}/v1/fleets/demo/chat") as answer:
            address = (await answer.json())["replicas"][0]["address"]
        async with http.get(f"{address}/metrics") as answer:
            reading = read(await answer.read())
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert (up["speed"], clock.speed) == (30, 30)
    assert fleets == {"fleets": [{"namespace": "demo", "name": "chat"}]}
    assert isinstance(reading, EngineReading)
    assert reading.timestamp == pytest.approx(clock.now(), abs=30 * 20)


async def test_the_command_refuses_a_scenario_with_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(scenario("vlm"), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "v4operator", "emulate", str(file)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert "fleets[0].engine: found 'vlm'" in said.decode()
