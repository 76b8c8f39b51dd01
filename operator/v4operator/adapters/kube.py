"""A connection to an API server: requests in, bytes or errors out, within time and size.

With `kube_access` the only importer of `kubernetes`, whose asyncio half gives transport and
authentication; its models, watch and election are not used. Nothing is retried here but a request
whose token was refused: whoever asks knows better when to ask again.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from kubernetes.aio.client.api_client import ApiClient

from v4operator.adapters.kube_access import Credentials
from v4operator.adapters.kube_errors import KubeError, Unavailable, error_of, shown, status_of
from v4operator.adapters.kube_request import KubeRequest

_USER_AGENT = "v4-operator"

_REQUEST_SECONDS = 30.0
"""For one request from connecting to the last byte: a page of 500 pods takes some tenths of a
second, and an API server itself gives up after a minute."""

_CONNECT_SECONDS = 5.0
"""An API server that is there answers a connection at once, even over a slow network."""

_WATCH_GRACE_SECONDS = 30.0
"""The server ends a watch by itself; one that outlives its time by this much is cut."""

_BODY_BYTES = 64 * 2**20
"""For one answer: a page of 500 pods of 5 kB is 2.5 MB."""

_LINE_BYTES = 8 * 2**20
"""For one watch event: an object is at most 1.5 MiB in the store (etcd's limit), JSON is longer."""

_ERROR_BYTES = 2**16
"""For the body of an error, of which a line is shown."""

_NO_ANSWER = "<error>"
"""client-go's code in the counts for a request that got no answer."""


class RequestObserver(Protocol):
    """Who counts requests. Must be quick and not raise."""

    def seen(self, method: str, code: str) -> None:
        """One request, with its HTTP status, or `<error>` where there was no answer."""
        ...


class KubeApi:
    """One API server. Use as an async context manager, or call `aclose`."""

    def __init__(self, credentials: Credentials, observer: RequestObserver) -> None:
        self._credentials = credentials
        self._observer = observer
        configuration = credentials.configuration
        configuration.client_session_kwargs = {"cookie_jar": aiohttp.DummyCookieJar()}
        self._client = ApiClient(configuration)
        self._client.user_agent = _USER_AGENT
        credentials.attach(self._client.rest_client.ssl_context)

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
        await self._client.close()  # type: ignore[no-untyped-call]

    async def ask(self, request: KubeRequest) -> bytes:
        """Send one request and return the whole body of its answer.

        Raises:
            KubeError: there is no good answer; the kinds say what to do about it.
        """
        limits = aiohttp.ClientTimeout(total=_REQUEST_SECONDS, sock_connect=_CONNECT_SECONDS)
        async with self._answer(request, limits) as response:
            return await _body(request, response, _BODY_BYTES)

    async def follow(
        self, request: KubeRequest, *, seconds: float, silence_seconds: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an answer that goes on. Close the generator to end the connection.

        Args:
            request: a watch that the server was asked to end after `seconds`.
            seconds: see there; a connection that lasts much longer is cut.
            silence_seconds: so long without a byte, and the connection counts as broken.

        Raises:
            KubeError: there is no good answer, or it broke off.
        """
        limits = aiohttp.ClientTimeout(
            total=seconds + _WATCH_GRACE_SECONDS,
            sock_connect=_CONNECT_SECONDS,
            sock_read=silence_seconds,
        )
        async with self._answer(request, limits) as response:
            lines = _lines(request, response.content.iter_any())
            async with aclosing(lines):
                async for line in lines:
                    yield line

    @asynccontextmanager
    async def _answer(
        self, request: KubeRequest, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer, its body not yet read; every trouble in here becomes a `KubeError`."""
        try:
            response = await self._send(request, limits)
            if response.status == HTTPStatus.UNAUTHORIZED and await self._credentials.renewed():
                response.close()
                response = await self._send(request, limits)
            try:
                if response.status not in _GOOD:
                    raise await _error(request, response)
                yield response
            finally:
                response.close()  # a connection whose body was read whole is kept all the same
        except TimeoutError:
            raise Unavailable(f"{request}: no answer in time, or silence") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = shown(f"{type(error).__name__}: {error}")
            raise Unavailable(f"{request}: {reason}") from error

    async def _send(
        self, request: KubeRequest, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        code = _NO_ANSWER
        await self._credentials.refresh()  # the library asks for it only where there is a token
        try:
            method, url, headers, body, _ = await self._client.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query),
                header_params={"Accept": "application/json", "Content-Type": request.content_type},
                body=request.body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(
                method, url, headers, body, _request_timeout=limits
            )
            response: aiohttp.ClientResponse = answer.response
            code = str(response.status)
        finally:
            self._observer.seen(request.method, code)
        return response


_GOOD = range(200, 300)


async def _body(request: KubeRequest, response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            raise Unavailable(f"{request}: answer above {limit / 2**20:g} MiB")
        parts.append(part)
    return b"".join(parts)


async def _error(request: KubeRequest, response: aiohttp.ClientResponse) -> KubeError:
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > _ERROR_BYTES:
            break
    header = response.headers.get("Retry-After", "")
    asked = float(header) if header.isdecimal() else None  # the other form, a date, is not used
    return error_of(request, status_of(response.status, body), asked)


async def _lines(request: KubeRequest, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Whole lines out of what comes in pieces; a last one that was cut off is dropped."""
    begun: list[bytes] = []
    size = 0
    async for part in parts:
        first, *others = part.split(b"\n")
        begun.append(first)
        size += len(first)
        for other in others:
            yield b"".join(begun)
            begun, size = [other], len(other)
        if size > _LINE_BYTES:
            raise Unavailable(f"{request}: event above {_LINE_BYTES / 2**20:g} MiB")
