"""The kubelet's part where pods serve: an emulated engine on each ready pod's address.

Engines are the step model of `simulate`, answering with SGLang's genuine metrics and completions.
The load is what a client would send that follows the Service's selector: to ready pods that are not
out of routing. An engine ends when its pod is told to, and what it then still runs is cut.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web
from tests.e2e.in_background import Background
from tests.rig.plane import ControlPlane

from v4operator.model.deployment import Key
from v4operator.model.reading import Engine
from v4operator.runtime.clock import SystemClock
from v4operator.simulate.engine_server import EngineServer
from v4operator.simulate.fleet import Fleet
from v4operator.simulate.member import Faults, FleetSpec, StartUp
from v4operator.simulate.profiles import PROFILES
from v4operator.simulate.request import Ending, Request
from v4operator.simulate.truth import Objective

PORT = 30000
_PROMPT_TOKENS, _OUTPUT_TOKENS = 1200, 200  # a chat
_LOOK_SECONDS = 0.2
_OBJECTIVE = Objective(ttft_seconds=2.0, inter_token_latency_seconds=0.033, attainment=0.99)


_VALUE = re.compile(r"^([^#].*?\s)\S+(\s\d+)?$", re.MULTILINE)  # of a sample, before its stamp


class Metrics(StrEnum):
    """What an engine's metrics are worth."""

    GOOD = "good"
    LOST = "lost"
    """503, as SGLang answers while it cannot tell."""
    WEDGED = "wedged"
    """Connections are taken and never answered."""
    NAN = "nan"
    """Every figure is NaN."""
    FOREIGN = "foreign"
    """Those of another program."""


class _Engine(EngineServer):
    """An emulated engine whose metrics may be ill, whatever its completions are."""

    metrics = Metrics.GOOD
    polled_at: tuple[float, ...] = ()

    async def _metrics(self, request: web.Request) -> web.Response:
        self.polled_at += (time.time(),)
        if self.metrics is Metrics.LOST:
            return web.Response(status=503)
        if self.metrics is Metrics.FOREIGN:
            return web.Response(text="# TYPE node_load1 gauge\nnode_load1 0.5\n")
        if self.metrics is Metrics.WEDGED:
            await asyncio.Event().wait()
        answer = await super()._metrics(request)
        if self.metrics is Metrics.NAN and isinstance(answer.body, bytes):
            answer.body = _VALUE.sub(r"\1NaN\2", answer.body.decode()).encode()
        return answer


@dataclass(slots=True)
class _Pod:
    """One pod with its engine; `app` and `routable` as its labels say."""

    fleet: Fleet
    server: _Engine
    app: str | None = None
    routable: bool = True
    requests: list[Request] = field(default_factory=list)


@dataclass(slots=True)
class _Load:
    """What clients send; `owed` is the part of a request that is not due yet."""

    requests_per_second: float
    output_tokens: int
    owed: float = 0.0


class EmulatedPods(Background):
    """Follows the pods of one namespace in a thread of its own, until `stop`."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        super().__init__("emulated-pods")
        self._plane = plane
        self._namespace = namespace
        self._clock = SystemClock()
        self._pods: dict[str, _Pod] = {}
        self._loads: dict[str | None, _Load] = {}
        self._faults: dict[str, Faults] = {}
        self._metrics: dict[str, Metrics] = {}
        self._sent = 0
        self._cut = 0

    def load(
        self,
        requests_per_second: float,
        output_tokens: int = _OUTPUT_TOKENS,
        *,
        app: str | None = None,
    ) -> None:
        """Send so many requests a second from now on, over all pods together or those of `app`."""
        self._loads[app] = _Load(requests_per_second, output_tokens)

    def fail(self, pod: str, faults: Faults) -> None:
        """Make the engine of a pod sick, or well again by no faults."""
        self._faults[pod] = faults

    def metrics(self, pod: str, worth: Metrics) -> None:
        """What the metrics of a pod's engine are worth from now on."""
        self._metrics[pod] = worth

    @property
    def serving(self) -> tuple[str, ...]:
        """Pods whose engines answer."""
        return tuple(self._pods)

    def polled_at(self, pod: str) -> tuple[float, ...]:
        """When the metrics of a pod were asked for, in Unix seconds."""
        return self._pods[pod].server.polled_at

    @property
    def sent(self) -> int:
        """Requests so far."""
        return self._sent

    @property
    def cut(self) -> int:
        """Requests that an engine still ran when it ended."""
        return self._cut

    def running(self) -> dict[str, int]:
        """Requests under way by pod."""
        return {name: _under_way(pod) for name, pod in tuple(self._pods.items())}

    async def work(self) -> None:
        """Follow the pods and send the load; every engine ends at the end."""
        before = self._clock.now()
        try:
            while not self._stopping.is_set():
                await self._look()
                now = self._clock.now()
                for app, load in tuple(self._loads.items()):
                    self._send(app, load, now, now - before)
                before = now
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for pod in self._pods.values():
                await pod.server.end()

    async def _look(self) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        found = await asyncio.to_thread(self._plane.get, path)
        pods = {item["metadata"]["name"]: item for item in found["items"] if _serves(item)}
        for name in self._pods.keys() - pods.keys():
            await self._end(self._pods.pop(name))
        for name, item in pods.items():
            if name not in self._pods:
                self._pods[name] = self._begun(name, item["status"]["podIP"])
            pod = self._pods[name]
            labels = item["metadata"]["labels"]
            pod.app = labels.get("app")
            pod.routable = labels.get("v4serving.dev/routable") != "false"
            member = pod.fleet.members[0]
            pod.fleet.set_faults(self._clock.now(), member.name, self._faults.get(name, Faults()))
            pod.server.metrics = self._metrics.get(name, Metrics.GOOD)
            await pod.server.follow()

    def _begun(self, name: str, address: str) -> _Pod:
        spec = FleetSpec(
            key=Key(self._namespace, name),
            engine=Engine.SGLANG,
            model="deepseek-ai/DeepSeek-V4-Flash",
            profile=PROFILES["flash-fp8-4xh200"],
            replicas=1,
            start_up=StartUp(seconds=1.0),
            objective=_OBJECTIVE,
        )
        fleet = Fleet(spec, start=self._clock.now())
        server = _Engine(fleet, fleet.members[0], self._clock, host=address, port=PORT)
        return _Pod(fleet=fleet, server=server)

    async def _end(self, pod: _Pod) -> None:
        engine = pod.fleet.members[0].engine
        if engine is not None:
            engine.cut(self._clock.now())
        self._cut += sum(request.ending is Ending.CUT for request in pod.requests)
        await pod.server.end()

    def _send(self, app: str | None, load: _Load, now: float, seconds: float) -> None:
        load.owed += load.requests_per_second * seconds
        routable = (pod for pod in self._pods.values() if pod.routable)
        targets = [pod for pod in routable if app in {None, pod.app}]
        while load.owed >= 1 and targets:
            load.owed -= 1
            pod = min(targets, key=_under_way)
            request = Request(
                arrival=now, prompt_tokens=_PROMPT_TOKENS, output_tokens=load.output_tokens
            )
            if pod.fleet.submit(request, pod.fleet.members[0]):
                pod.requests.append(request)
                self._sent += 1


def _under_way(pod: _Pod) -> int:
    pod.requests = [r for r in pod.requests if r.ending is None]
    return len(pod.requests)


def _serves(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


@contextmanager
def emulated_pods(plane: ControlPlane, namespace: str) -> Iterator[EmulatedPods]:
    """Engines on the pods of the namespace, until the block ends."""
    pods = EmulatedPods(plane, namespace).start()
    try:
        yield pods
    finally:
        pods.stop()
