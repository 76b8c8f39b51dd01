"""Bounded HTTP: the only importer of httpx. One request, one answer, within time and size.

No redirects, no proxies, no cookies, no environment. Keep-alive is off: an engine's server closes
idle connections after 5 s (uvicorn's default), which is our usual poll interval, and a pool that
holds one connection per target costs file descriptors and gains nothing measurable.
"""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from v4operator.adapters.addresses import AddressPolicy, AddressRefused

REFUSED = "connection refused"
"""The reason while an engine loads: vLLM and SGLang open their port late."""

_USER_AGENT = "v4-operator"

_SHOWN = 100
"""Characters of what the other side sent that are quoted in a reason."""

_ORDINARY_BYTES = 2**20
"""Four ranks of an engine make about 200 kB; what is longer than this is rare or hostile."""

_LONG_AT_ONCE = 2
"""Answers above that size that are read at the same time."""

_PIECE_BYTES = 2**16
"""How much is inflated at a time."""

_GZIP = 31
"""zlib's window bits for "gzip, any window size"."""


class FetchError(Exception):
    """There is no usable answer; the message is the reason, short enough for a status."""


class ConnectError(FetchError):
    """Nobody was reached, so the request had no effect and may be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one exchange: real seconds in all, and bytes of body as sent and as inflated."""

    seconds: float
    body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and whole body, inflated."""

    status: int
    body: bytes


class Fetcher:
    """A client for many targets; use as an async context manager, or call `aclose`."""

    def __init__(self, policy: AddressPolicy, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: whom to trust and what to show, where it is not the system's choice."""
        self._policy = policy
        self._long_answers = asyncio.Semaphore(_LONG_AT_ONCE)
        self._transport = AiohttpTransport(
            trust_env=False, client=self._session, verify=True if tls is None else tls
        )
        self._client = httpx.AsyncClient(
            transport=self._transport,
            trust_env=False,
            timeout=None,  # noqa: S113 - one limit over the whole exchange, in `fetch`
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip", "Connection": "close"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the sockets."""
        await self._client.aclose()

    async def fetch(
        self,
        url: str,
        *,
        limits: Limits,
        method: str = "GET",
        accept: str = "*/*",
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One exchange. A redirect is a failure that names its target; other statuses are answers.

        Raises:
            ConnectError: refused, not resolved, or an address the policy does not allow.
            FetchError: too slow, too long, broken off, or not HTTP.
        """
        request = self._request(method, url, {"Accept": accept, **(headers or {})}, json, form)
        try:
            async with asyncio.timeout(limits.seconds):
                return await self._exchange(request, limits.body_bytes)
        except TimeoutError:
            raise FetchError(f"no whole answer within {limits.seconds:g} s") from None
        except httpx.HTTPError as error:
            raise _explained(error) from error
        except aiohttp.ClientError as error:  # what the transport does not translate
            raise FetchError(f"not an HTTP answer: {_shown(str(error))}") from error

    def _session(self) -> aiohttp.ClientSession:
        """The transport asks for this at its first request, within the running loop."""
        connector = aiohttp.TCPConnector(
            force_close=True,
            limit=0,  # the callers bound how many run at once
            ssl=self._transport.ssl_context,
            socket_factory=self._policy.open_socket,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: object,
        form: Mapping[str, str] | None,
    ) -> httpx.Request:
        try:
            request = self._client.build_request(method, url, headers=headers, json=json, data=form)
        except (httpx.InvalidURL, ValueError) as error:
            raise FetchError(f"not a URL: {_shown(url)} ({error})") from None
        if request.url.scheme not in {"http", "https"} or not request.url.host:
            raise FetchError(f"not an http or https URL: {_shown(url)}")
        return request

    async def _exchange(self, request: httpx.Request, body_bytes: int) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                target = _shown(response.headers["Location"])
                raise FetchError(f"redirects to {target}; redirects are not followed")
            body = await self._body(response, body_bytes)
            return Answer(status=response.status_code, body=body)
        finally:
            await response.aclose()

    async def _body(self, response: httpx.Response, limit: int) -> bytes:
        """The whole body, inflated; never more than `limit` bytes of it in memory.

        A long one waits for its turn, so that many long ones at once do not add up.
        """
        body: list[bytes] = []
        size = 0
        async with AsyncExitStack() as turn:
            async for chunk in _chunks(response, limit):
                if size <= _ORDINARY_BYTES < size + len(chunk):
                    await turn.enter_async_context(self._long_answers)
                size += len(chunk)
                if size > limit:
                    raise FetchError(f"answer above {limit / 2**20:g} MiB")
                body.append(chunk)
            return b"".join(body)


def _chunks(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    """The body in pieces, inflated where it is compressed."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _inflated(response.aiter_raw(), limit)
    if encoding != "identity":
        raise FetchError(f"unknown content encoding {_shown(encoding)}")
    return response.aiter_raw()


async def _inflated(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Gzip taken apart in pieces, so that a small answer cannot become a large one at once."""
    inflater = zlib.decompressobj(_GZIP)
    raw_size = 0
    async for chunk in chunks:
        raw_size += len(chunk)
        if raw_size > limit:
            raise FetchError(f"compressed answer above {limit / 2**20:g} MiB")
        for piece in _pieces(inflater, chunk):
            yield piece
        if inflater.eof:
            return  # what follows is not of this answer
    raise FetchError("gzip answer ends early")


def _pieces(inflater: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """What `chunk` inflates to; a full piece may leave output behind even when no input is left."""
    piece = b""
    while chunk or len(piece) == _PIECE_BYTES:
        try:
            piece = inflater.decompress(chunk, _PIECE_BYTES)
        except zlib.error as error:
            raise FetchError(f"broken gzip: {error}") from None
        yield piece
        chunk = inflater.unconsumed_tail


def _explained(error: httpx.HTTPError) -> FetchError:
    """The reason in words. The transport's exception keeps the one below it as its cause."""
    cause = error.__cause__
    if isinstance(error, httpx.UnsupportedProtocol):
        return FetchError(f"not a URL: {_shown(str(error))}")
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return ConnectError("host name not found")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return ConnectError(_unconnected(cause.os_error))
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return FetchError("connection closed before an answer")
    if isinstance(cause, aiohttp.ClientPayloadError):
        return FetchError("answer broken off")
    return FetchError(f"{type(error).__name__}: {_shown(str(error))}")


def _unconnected(error: OSError) -> str:
    if isinstance(error, AddressRefused):
        return str(error)
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    return f"cannot connect: {_shown(error.strerror or str(error))}"


def _shown(text: str) -> str:
    """At most `_SHOWN` printable characters of foreign text."""
    printable = "".join(
        character if character.isprintable() else "?" for character in text[:_SHOWN]
    )
    return printable if len(text) <= _SHOWN else f"{printable}..."
