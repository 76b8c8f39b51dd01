"""An API server of a few pages over real HTTP on loopback, with the troubles that a real one has.

It keeps objects of any path, their versions and history; lists come in pages, watches with
bookmarks. It checks no schema and knows no defaults: what depends on those is tested on the real
control plane.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Trouble = Callable[[web.Request], Awaitable[web.StreamResponse]]

_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    content_type: str
    body: Any


@dataclass(slots=True)
class _Collection:
    """Objects of one kind in one namespace."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)


class FakeApiServer:
    """The server; an async context manager. `troubles` meet the next requests, one each."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.troubles: deque[Trouble] = deque()
        self.good_tokens: set[str] = {"good"}
        self.url = ""
        self._version = 100
        self._forgotten = 0
        self._collections: dict[str, _Collection] = {}
        self._news = asyncio.Condition()
        self._errors: deque[dict[str, Any]] = deque()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def put(self, collection: str, body: dict[str, Any]) -> dict[str, Any]:
        """Store an object at a collection's path, whoever watches sees it."""
        meta = body["metadata"]
        there = self._at(collection).objects
        event = "MODIFIED" if meta["name"] in there else "ADDED"
        stored = there[meta["name"]] = {**body, "metadata": {**meta, **self._stamp()}}
        await self._happened(collection, event, stored)
        return stored

    async def drop(self, collection: str, name: str) -> None:
        """Delete an object."""
        gone = self._at(collection).objects.pop(name)
        stamped = {**gone, "metadata": {**gone["metadata"], **self._stamp()}}
        await self._happened(collection, "DELETED", stamped)

    async def bookmark(self, collection: str) -> None:
        """Tell every watch of the collection that nothing happened up to now."""
        await self._happened(collection, "BOOKMARK", {"metadata": self._stamp()})

    async def expire(self, *, within_watches: bool) -> None:
        """Forget all history; open watches hear of it if told so, new ones get a 410."""
        self._forgotten = self._version
        if within_watches:
            self._errors.append({"code": 410, "reason": "Expired", "message": "too old"})
            async with self._news:
                self._news.notify_all()

    def _at(self, path: str) -> _Collection:
        return self._collections.setdefault(path, _Collection())

    def _stamp(self) -> dict[str, str]:
        self._version += 1
        return {"resourceVersion": str(self._version)}

    async def _happened(self, path: str, event: str, body: dict[str, Any]) -> None:
        self._at(path).history.append((self._version, event, body))
        async with self._news:
            self._news.notify_all()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await self._note(request)
        if self.troubles:
            return await self.troubles.popleft()(request)
        if self.asked[-1].token not in self.good_tokens:
            return failure(401, "Unauthorized")
        if request.query.get("watch"):
            return await self._watch(request)
        if request.method == "GET":
            return self._get(request)
        if request.method == "POST":
            return await self._post(request.path)
        return await self._patch(request.path)

    async def _note(self, request: web.Request) -> None:
        text = await request.text()
        self.asked.append(
            Asked(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                token=request.headers.get("Authorization", "").removeprefix("Bearer "),
                content_type=request.content_type,
                body=json.loads(text) if text else None,
            )
        )

    def _get(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in self._collections:
            return self._list(request, self._collections[path])
        collection, _, name = path.rpartition("/")
        found = self._at(collection).objects.get(name)
        return failure(404, "NotFound") if found is None else web.json_response(found)

    def _list(self, request: web.Request, collection: _Collection) -> web.StreamResponse:
        start, _, version = request.query.get("continue", "0:").partition(":")
        version = version or str(self._version)
        if int(version) < self._forgotten:
            return failure(410, "Expired")
        end = int(start) + int(request.query.get("limit", "500"))
        objects = list(collection.objects.values())
        meta = {"resourceVersion": version}
        if end < len(objects):
            meta["continue"] = f"{end}:{version}"
        return web.json_response({"metadata": meta, "items": objects[int(start) : end]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        if seen < self._forgotten:
            return failure(410, "Expired")
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        await response.prepare(request)
        while True:
            for version, event, body in list(self._at(request.path).history):
                if version > seen:
                    await response.write(line(event, body))
                    seen = version
            if self._errors:
                await response.write(line("ERROR", self._errors.popleft()))
                return response
            async with self._news:
                await self._news.wait()

    async def _post(self, path: str) -> web.StreamResponse:
        body = self.asked[-1].body
        if body["metadata"]["name"] in self._at(path).objects:
            return failure(409, "AlreadyExists")
        namespace = path.partition("/namespaces/")[2].partition("/")[0]
        named = {**body, "metadata": {"namespace": namespace, **body["metadata"]}}
        return web.json_response(await self.put(path, named), status=201)

    async def _patch(self, path: str) -> web.StreamResponse:
        """A merge of the topmost fields and one level below, which is all that the tests need."""
        collection, _, name = path.rpartition("/")
        found = self._at(collection).objects.get(name)
        if found is None:
            return failure(404, "NotFound")
        patch = self.asked[-1].body
        expected = patch.get("metadata", {}).get("resourceVersion")
        if expected not in {None, found["metadata"]["resourceVersion"]}:
            return failure(409, "Conflict")
        merged = {
            key: {**found.get(key, {}), **value} if isinstance(value, dict) else value
            for key, value in patch.items()
        }
        return web.json_response(await self.put(collection, {**found, **merged}))


def line(event: str, body: dict[str, Any]) -> bytes:
    """A watch event as it goes over the wire."""
    return json.dumps({"type": event, "object": body}).encode() + b"\n"


def failure(
    code: int, reason: str, *, message: str = "", headers: dict[str, str] | None = None
) -> web.Response:
    """An error as an API server words it."""
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(status, status=code, headers=headers)


def answers(
    code: int, reason: str, *, message: str = "", headers: dict[str, str] | None = None
) -> Trouble:
    """A trouble: this error instead of an answer."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        del request
        return failure(code, reason, message=message, headers=headers)

    return trouble


def says(body: bytes, *, status: int = 200) -> Trouble:
    """A trouble: a whole answer of these bytes."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(body=body, status=status, content_type=_JSON)

    return trouble


def falls_silent_after(*parts: bytes) -> Trouble:
    """A trouble: these bytes, then nothing while the connection stays open (a dead NAT)."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        await asyncio.get_running_loop().create_future()
        return response

    return trouble


def breaks_off_after(*parts: bytes) -> Trouble:
    """A trouble: these bytes, then a reset connection."""

    async def trouble(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        assert request.transport is not None
        request.transport.abort()
        return response

    return trouble
