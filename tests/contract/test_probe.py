"""One timed completion, over real sockets: what a server without metrics can be asked."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
from aiohttp import web

from v4operator.adapters.probe import Probe, ProbeError, probe

_MODELS = {"object": "list", "data": [{"id": "flash-4bit"}, {"id": "other"}]}


def _delta(**delta: str) -> str:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n"


def _usage(**usage: int) -> str:
    return f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"


@asynccontextmanager
async def _server(
    *events: str, models: Any = _MODELS, status: int = 200
) -> AsyncIterator[tuple[str, list[Any]]]:
    asked: list[Any] = []

    async def list_models(_: web.Request) -> web.Response:
        return web.json_response(models, status=status)

    async def complete(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(event.encode())
        return response

    app = web.Application()
    app.add_routes([web.get("/v1/models", list_models), web.post("/v1/chat/completions", complete)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", asked
    finally:
        await runner.cleanup()


def _ticks() -> Callable[[], float]:
    """A clock that shows 0 at the request and half a second more at each token."""
    times: Iterator[int] = count()
    return lambda: next(times) / 2


async def test_a_stream_gives_time_to_first_token_and_speed_by_the_servers_own_count() -> None:
    events = (
        ": keep-alive\n\n",
        _delta(role="assistant"),
        _delta(reasoning_content="Hm"),
        _delta(content="one"),
        _delta(content="two, three"),
        "data: not json\n\n",
        _usage(prompt_tokens=12, completion_tokens=5),
        "data: [DONE]\n\n",
    )
    async with _server(*events) as (address, asked):
        found = await probe(address, clock=_ticks())
    assert found == Probe(
        model="flash-4bit",
        prompt_tokens=12,
        completion_tokens=5,
        time_to_first_token_seconds=0.5,
        decode_tokens_per_second=4 / 1.0,
    )
    assert asked[0]["model"] == "flash-4bit"
    assert asked[0]["stream"] is True
    assert asked[0]["stream_options"] == {"include_usage": True}


async def test_a_server_that_counts_nothing_is_counted_by_its_events() -> None:
    async with _server(*(_delta(content="x") for _ in range(3)), "data: [DONE]\n\n") as (to, _):
        found = await probe(to, clock=_ticks())
    assert (found.completion_tokens, found.decode_tokens_per_second) == (None, 2.0)


async def test_one_token_has_no_speed() -> None:
    async with _server(_delta(content="x")) as (address, _):
        found = await probe(address, clock=_ticks())
    assert found.decode_tokens_per_second is None


@pytest.mark.parametrize(
    ("events", "models", "status", "reason"),
    [
        pytest.param([], {"data": []}, 200, "names no model", id="no model"),
        pytest.param([], _MODELS, 401, "HTTP 401 at /v1/models", id="key required"),
        pytest.param(["data: [DONE]\n\n"], _MODELS, 200, "streamed no token", id="no token"),
        pytest.param(["x" * 1_200_000], _MODELS, 200, "has no end", id="endless line"),
    ],
)
async def test_what_is_no_completion_is_an_error_with_the_reason(
    events: list[str], models: Any, status: int, reason: str
) -> None:
    async with _server(*events, models=models, status=status) as (address, _):
        with pytest.raises(ProbeError, match=reason):
            await probe(address)


async def test_an_address_that_the_policy_refuses_is_not_asked() -> None:
    with pytest.raises(ProbeError, match="link-local"):
        await probe("http://169.254.169.254")


async def test_nobody_there_and_no_url_are_errors() -> None:
    with pytest.raises(ProbeError):
        await probe("http://127.0.0.1:9")
    with pytest.raises(ProbeError):
        await probe("not-a-url://x")
