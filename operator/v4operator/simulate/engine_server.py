"""One emulated engine over HTTP on loopback: metrics, health, models, completions.

As the engines do it: while they load, the port refuses; SGLang then answers for a moment with
constants and /ready 503; vLLM answers everything at once.
"""

import json
import socket

from aiohttp import web

from v4operator.model.reading import Engine
from v4operator.model.replica import Phase
from v4operator.runtime.clock import AcceleratedClock
from v4operator.simulate.completions import Answer, BadCall, error_response, read_call
from v4operator.simulate.exposition import VERSIONS, Exposition
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.member import Member

_HOST = "127.0.0.1"
# As the engines send it with prometheus_client 0.26 (observed).
_CONTENT_TYPE = {
    Engine.SGLANG: "text/plain; version=0.0.4; charset=utf-8",
    Engine.VLLM: "text/plain; version=1.0.0; charset=utf-8",
}
# Open connections get this long when an engine ends; real ones refuse within 0.2 s.
_CLOSE_SECONDS = 0.1


class EngineServer:
    """The HTTP side of one replica. The port is its own from the start, so the address is known."""

    def __init__(
        self,
        fleet: Fleet,
        member: Member,
        clock: AcceleratedClock,
        *,
        host: str = _HOST,
        port: int = 0,
    ) -> None:
        """Port 0 asks the kernel for a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        self._fleet = fleet
        self._member = member
        self._clock = clock
        self._host = host
        self._socket = _reserve(host, port)
        self._port = int(self._socket.getsockname()[1])
        self._runner: web.AppRunner | None = None
        self._exposition: tuple[float, Exposition] | None = None

    @property
    def address(self) -> str:
        """Base URL."""
        return f"http://{self._host}:{self._port}"

    async def follow(self) -> None:
        """Open or close the port, as the replica's state wants it now."""
        if self._wants_open() and self._runner is None:
            await self._open()
        elif not self._wants_open() and self._runner is not None:
            await self._close()
            self._socket = _reserve(self._host, self._port)

    async def end(self) -> None:
        """Close for good."""
        await self._close()
        self._socket.close()

    def _wants_open(self) -> bool:
        member = self._member
        if member.faults.unreachable:
            return False
        return member.engine is not None or self._warming_up()

    def _warming_up(self) -> bool:
        sglang = self._fleet.spec.engine is Engine.SGLANG
        return sglang and self._member.warming_up(self._clock.now())

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/chat/completions", self._chat)
        if self._fleet.spec.engine is Engine.SGLANG:
            app.router.add_get("/ready", self._health)
            app.router.add_get("/server_info", self._server_info)
        else:
            app.router.add_get("/version", self._version)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        self._runner = runner

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, _: web.Request) -> web.Response:
        now = self._clock.now()
        self._fleet.advance(now)
        member = self._member
        if member.faults.metrics_lost:
            return web.Response(status=503, text="metrics are lost")
        if member.engine is None:
            text = self._text().loading(now)
        else:
            text = self._text().serving(member.engine.snapshot())
        headers = {"Content-Type": _CONTENT_TYPE[self._fleet.spec.engine]}
        return web.Response(body=text.encode(), headers=headers)

    def _text(self) -> Exposition:
        """The texts of the present process: another one after a restart."""
        ready_at = self._member.readies_at
        if self._exposition is None or self._exposition[0] != ready_at:
            exposition = Exposition(
                self._fleet.spec,
                started_at=self._member.process_started_at,
                loading_seconds=self._member.loading_seconds,
            )
            self._exposition = (ready_at, exposition)
        return self._exposition[1]

    async def _health(self, _: web.Request) -> web.Response:
        self._fleet.advance(self._clock.now())
        return web.Response(status=200 if self._member.phase is Phase.READY else 503)

    async def _models(self, _: web.Request) -> web.Response:
        spec = self._fleet.spec
        model = {
            "id": spec.model,
            "object": "model",
            "created": int(self._member.created_at),
            "owned_by": str(spec.engine),
            "root": spec.model,
            "max_model_len": spec.context_tokens,
        }
        return web.json_response({"object": "list", "data": [model]})

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": VERSIONS[Engine.VLLM]})

    async def _server_info(self, _: web.Request) -> web.Response:
        spec = self._fleet.spec
        return web.json_response(
            {
                "version": VERSIONS[Engine.SGLANG],
                "model_path": spec.model,
                "served_model_name": spec.model,
                "tp_size": 1,
                "dp_size": 1,
                "context_length": spec.context_tokens,
                "max_total_num_tokens": spec.profile.kv_capacity_tokens,
                "max_running_requests": spec.profile.max_running,
                "disaggregation_mode": "null",
            }
        )

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, "text_completion")

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, "chat.completion")

    async def _answer(self, http: web.Request, kind: str) -> web.StreamResponse:
        spec = self._fleet.spec
        try:
            call = read_call(await http.json(), kind=kind, model=spec.model)
        except json.JSONDecodeError:
            return error_response(400, "the body is not JSON")
        except BadCall as wrong:
            return error_response(400, str(wrong))
        if call.prompt_tokens + call.output_tokens > spec.context_tokens:
            return error_response(400, f"longer than the context of {spec.context_tokens} tokens")
        return await Answer(call, self._fleet, self._member, self._clock).give(http)


def _reserve(host: str, port: int) -> socket.socket:
    """A bound port that nobody listens on: connections are refused, and it stays ours."""
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((host, port))
    return reserved
