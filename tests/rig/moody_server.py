"""Stands before the API server and answers in its place when told to: 429, 500, 503.

Ends TLS with the API server's own certificate (it listens on the same address) and passes every
request on with the credentials that it came with.
"""

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from tests.rig.access import Server
from tests.rig.plane import ControlPlane

# Of one connection only (RFC 9110, section 7.6.1); the body's length is set anew.
_OF_THE_CONNECTION = frozenset({"connection", "host", "keep-alive", "transfer-encoding"})
_BODY_BYTES = 2**24  # more than any object
_CLOSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """What every request is answered with."""

    status: int
    retry_after: str | None = None


class MoodyServer:
    """Passes requests on while `mood` is `None`; use `moody_server`."""

    def __init__(self, server: Server) -> None:
        self.mood: Mood | None = None
        self.refused: Counter[str] = Counter()
        """Requests that were not passed on, by path without the query."""
        self.answers: Counter[int] = Counter()
        """What the API server itself has answered, by status."""
        self.port = 0
        self._server = server
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def start(self) -> None:
        """Listen on a port of the kernel's choice."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    def sulk(self, mood: Mood) -> None:
        """Answer so from now on, and end the answers that are under way."""
        self.mood = mood
        self._loop.call_soon_threadsafe(self._break_off)

    async def _serve(self) -> None:
        certificate = self._server.ca_file
        trust = ssl.create_default_context(cafile=str(certificate))
        identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        identity.load_cert_chain(certificate, certificate.with_suffix(".key"))
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await runner.setup()
        host = urlsplit(self._server.url).hostname
        site = web.TCPSite(runner, host, 0, ssl_context=identity)
        await site.start()
        self.port = runner.addresses[0][1]
        connector = aiohttp.TCPConnector(ssl=trust)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._session = session
            self._ready.set()
            await self._ended.wait()
        await runner.cleanup()

    def _break_off(self) -> None:
        for transport in tuple(self._open):
            transport.abort()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.mood is not None:
            self.refused[request.path] += 1
            told = self.mood.retry_after
            headers = {} if told is None else {"Retry-After": told}
            return web.Response(status=self.mood.status, headers=headers, text="not now")
        return await self._passed_on(request)

    async def _passed_on(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        self._open.add(transport)
        url = f"{self._server.url}{request.raw_path}"
        body = await request.read()
        try:
            async with self._session.request(
                request.method, url, headers=_kept(request.headers), data=body
            ) as answer:
                self.answers[answer.status] += 1
                return await _copied(request, answer)
        except aiohttp.ClientError:  # the API server has gone; so has this connection
            transport.abort()
            return web.Response(status=HTTPStatus.BAD_GATEWAY)
        finally:
            self._open.discard(transport)


async def _copied(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
    await response.prepare(request)
    async for part in answer.content.iter_any():
        await response.write(part)
    await response.write_eof()
    return response


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: each for name, each in headers.items() if name.lower() not in _OF_THE_CONNECTION}


@contextmanager
def moody_server(plane: ControlPlane) -> Iterator[MoodyServer]:
    """The server until the block ends."""
    running = MoodyServer(plane.server)
    running.start()
    try:
        yield running
    finally:
        running.stop()
