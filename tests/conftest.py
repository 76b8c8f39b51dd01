"""What tests of every kind share: a clock moved by hand, and values made up for the case."""

import asyncio
import heapq
from typing import Any, Protocol

import pytest
from hypothesis import settings

from v4operator.model.deployment import (
    Deployment,
    Key,
    MemoryPlan,
    Objectives,
    Scaling,
    ScalingMode,
)
from v4operator.model.layout import Layout
from v4operator.model.reading import Engine, EngineReading

# A case's time is the machine's matter: no test judges it.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_TURNS = 50  # of the event loop: enough for a chain of awaits to run until it waits for time


class FakeClock:
    """Time that stands still until it is advanced; sleepers wake in order, each at its own time."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), self._count, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let that much time pass; whoever wakes in it runs until it waits again."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self._now = max(self._now, due)
                woken.set_result(None)
                await settle()
        self._now = end


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class MakeReading(Protocol):
    """Makes a reading in which everything not named is absent."""

    def __call__(self, **figures: Any) -> EngineReading: ...


def _reading(**figures: Any) -> EngineReading:
    absent: dict[str, Any] = dict.fromkeys(EngineReading.__dataclass_fields__)
    present = {
        "engine": Engine.SGLANG,
        "decode_includes_first_token": False,
        "ranks": (),
        "missing": (),
    }
    return EngineReading(**(absent | present | figures))


class MakeDeployment(Protocol):
    """Makes an ordinary deployment, changed where named."""

    def __call__(self, **fields: Any) -> Deployment: ...


def _deployment(**fields: Any) -> Deployment:
    ordinary: dict[str, Any] = {
        "key": Key("ns", "flash"),
        "generation": 1,
        "memory": MemoryPlan(
            checkpoint="deepseek-ai/DeepSeek-V4-Flash",
            engine="sglang",
            engine_version=None,
            engine_args=(),
            accelerator="h200-141",
            devices=4,
            layout=Layout(tensor=4),
            max_context_tokens=None,
            concurrency=1,
            budget=None,
        ),
        "enforce_hbm": False,
        "scaling": Scaling(
            mode=ScalingMode.AUTOMATIC,
            min_replicas=1,
            max_replicas=8,
            paused=False,
            shrink_window_seconds=600.0,
            drain_timeout_seconds=300.0,
        ),
        "objectives": Objectives(
            ttft_seconds=2.0, inter_token_latency_seconds=0.033, attainment=0.99
        ),
        "endpoints": (),
        "metrics_port": 30000,
        "metrics_path": "/metrics",
        "metrics_interval_seconds": 5.0,
    }
    return Deployment(**(ordinary | fields))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def make_reading() -> MakeReading:
    return _reading


@pytest.fixture(scope="session")
def make_deployment() -> MakeDeployment:
    return _deployment
