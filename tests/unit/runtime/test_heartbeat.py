from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from v4operator.runtime.heartbeat import Heartbeat

if TYPE_CHECKING:
    import pytest


async def test_the_age_grows_until_the_loop_beats_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heartbeat = Heartbeat()
    now[0] = 112.5
    assert heartbeat.age_seconds() == 12.5
    running = asyncio.create_task(heartbeat.run())
    for _ in range(3):
        await asyncio.sleep(0)
    assert heartbeat.age_seconds() == 0.0
    running.cancel()
