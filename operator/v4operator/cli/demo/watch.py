"""Looks at the status files and at the emulator's truth a few times a second."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Fetcher, FetchError, Limits
from v4operator.cli.demo.record import Frame, Record, Sight
from v4operator.runtime.clock import AcceleratedClock

_LOOK_SECONDS = 0.25  # four looks a second: ten emulated seconds at forty times real time
_LIMITS = Limits(seconds=5.0, body_bytes=1 << 20)

DEPLOYMENTS = ("flash-chat", "pro-agents", "guide-example")


async def watch(
    control_url: str,
    clock: AcceleratedClock,
    status_folder: Path,
    *,
    seconds: float,
    show: Callable[[Frame], None],
) -> Record:
    """Watch until `seconds` of emulated time have passed; `show` gets every frame."""
    began, start = time.monotonic(), clock.epoch
    frames: list[Frame] = []
    async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
        while not frames or frames[-1].elapsed < seconds:
            await asyncio.sleep(_LOOK_SECONDS)
            sights = {
                name: await _sight(name, control_url, status_folder, fetcher)
                for name in DEPLOYMENTS
            }
            frames.append(Frame(elapsed=clock.now() - start, sights=sights))
            show(frames[-1])
    return Record(start=start, frames=tuple(frames), real_seconds=time.monotonic() - began)


async def _sight(name: str, control_url: str, status_folder: Path, fetcher: Fetcher) -> Sight:
    return Sight(
        status=_status(status_folder / f"demo_{name}.json"),
        truth=await _truth(f"{control_url}/v1/fleets/demo/{name}/truth", fetcher),
    )


def _status(path: Path) -> Mapping[str, Any] | None:
    try:
        status: Mapping[str, Any] = json.loads(path.read_text())["status"]
    except FileNotFoundError:
        return None  # the operator has not come round to it yet
    return status


async def _truth(url: str, fetcher: Fetcher) -> Mapping[str, Any] | None:
    try:
        answer = await fetcher.fetch(url, limits=_LIMITS)
    except FetchError:
        return None
    if answer.status != 200:  # noqa: PLR2004 - 404: nothing emulates this deployment
        return None
    truth: Mapping[str, Any] = json.loads(answer.body)
    return truth
