"""A client of an owned fleet: keeps streams open, over the pods that the Service selects.

Services of the rig have no endpoints (loopback addresses are refused there), so this does what a
proxy does with them: ready pods that match the Service's selector and are not being deleted, looked
up again and again. Every stream is read to its last byte.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from tests.e2e.emulated_pods import PORT
from tests.e2e.in_background import Background
from tests.e2e.operator_fleets import NAME
from tests.rig.plane import ControlPlane

# A proxy learns of a pod within a second or so.
_LOOK_SECONDS = 0.2
# A stream that says nothing for so long is lost: an emulated token takes some hundredths.
_SILENCE_SECONDS = 30.0
_PROMPT = "Tell me of the sea. " * 40


class StreamingClient(Background):
    """Keeps `streams` requests under way, each on the pod with the fewest, until `stop`."""

    def __init__(self, plane: ControlPlane, namespace: str, *, streams: int, tokens: int) -> None:
        super().__init__("streaming-client")
        self.finished = 0
        """Streams that were read to their end."""
        self.drained = 0
        """Of these, streams that ended on a pod that had been taken out of the Service."""
        self.broken: list[str] = []
        """What became of every other one; but for pods that do not answer yet: those are asked
        again, because the rig calls a pod ready before its engine is."""
        self._plane = plane
        self._namespace = namespace
        self._streams, self._tokens = streams, tokens
        self._endpoints: dict[str, str] = {}
        self._under_way: Counter[str] = Counter()
        self._have_answered: set[str] = set()

    @property
    def under_way(self) -> int:
        """Streams that are open now."""
        return self._under_way.total()

    async def work(self) -> None:
        """Keep the streams under way; once it is stopped each ends by itself."""
        limits = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=limits) as session,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._follow())
            for _ in range(self._streams):
                tasks.create_task(self._keep_one(session))

    async def _follow(self) -> None:
        while not self._stopping.is_set():
            self._endpoints = await asyncio.to_thread(self._selected)
            await asyncio.sleep(_LOOK_SECONDS)

    def _selected(self) -> dict[str, str]:
        base = f"/api/v1/namespaces/{self._namespace}"
        service = self._plane.api.get(f"{base}/services/{NAME}")
        if service.is_error:
            return {}
        selector = service.json()["spec"]["selector"]
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        pods = self._plane.get(f"{base}/pods", labelSelector=labels)["items"]
        return {p["metadata"]["name"]: p["status"]["podIP"] for p in pods if _takes_requests(p)}

    async def _keep_one(self, session: aiohttp.ClientSession) -> None:
        while not self._stopping.is_set():
            pod = min(self._endpoints, key=lambda name: self._under_way[name], default=None)
            if pod is None:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            self._under_way[pod] += 1
            try:
                await self._stream(session, pod, self._endpoints[pod])
            finally:
                self._under_way[pod] -= 1

    async def _stream(self, session: aiohttp.ClientSession, pod: str, address: str) -> None:
        url = f"http://{address}:{PORT}/v1/chat/completions"
        body = {
            "stream": True,
            "max_tokens": self._tokens,
            "messages": [{"role": "user", "content": _PROMPT}],
        }
        try:
            async with session.post(url, json=body) as response:
                self._have_answered.add(pod)
                response.raise_for_status()
                lines = [line.strip() async for line in response.content]
        except aiohttp.ClientConnectorError as error:
            if pod in self._have_answered:
                self.broken.append(f"{pod}: {error}")
            await asyncio.sleep(_LOOK_SECONDS)
            return
        except (aiohttp.ClientError, TimeoutError) as error:
            self.broken.append(f"{pod}: {type(error).__name__}: {error}")
            return
        tokens = sum(map(_tokens, lines))
        if b"data: [DONE]" not in lines or tokens != self._tokens:
            self.broken.append(f"{pod}: {tokens} of {self._tokens} tokens")
            return
        self.finished += 1
        self.drained += pod not in self._endpoints


def _takes_requests(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _tokens(line: bytes) -> int:
    """Tokens in one event of a stream; the emulated word is one each."""
    if not line.startswith(b"data: {"):
        return 0
    choices = json.loads(line.removeprefix(b"data: "))["choices"]
    return sum(choice["delta"].get("content", "").count("token") for choice in choices)


@contextmanager
def streaming_client(
    plane: ControlPlane, namespace: str, *, streams: int, tokens: int
) -> Iterator[StreamingClient]:
    """Streams until the block ends."""
    client = StreamingClient(plane, namespace, streams=streams, tokens=tokens).start()
    try:
        yield client
    finally:
        client.stop()
