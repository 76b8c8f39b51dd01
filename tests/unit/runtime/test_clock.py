from __future__ import annotations

import time

import pytest

from v4operator.runtime.clock import AcceleratedClock, SystemClock


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's monotonic time, as a cell that the test sets."""
    cell = [500.0]
    monkeypatch.setattr(time, "monotonic", lambda: cell[0])
    return cell


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Real seconds that were slept."""
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)

    monkeypatch.setattr("v4operator.runtime.clock.asyncio.sleep", sleep)
    return seconds


def test_an_accelerated_clock_counts_from_its_origin(monotonic: list[float]) -> None:
    clock = AcceleratedClock(epoch=1_000.0, origin=490.0, speed=40.0)
    assert clock.now() == 1_400.0
    monotonic[0] = 500.5
    assert clock.now() == 1_420.0


@pytest.mark.parametrize(
    ("seconds", "real"),
    [(80.0, 2.0), (0.0, 0.0), (-5.0, 0.0)],
    ids=["ahead", "now", "already past"],
)
async def test_an_accelerated_clock_sleeps_less(
    slept: list[float], seconds: float, real: float
) -> None:
    await AcceleratedClock(epoch=0.0, origin=0.0, speed=40.0).sleep(seconds)
    assert slept == [real]


async def test_the_system_clock_is_not_moved_by_a_corrected_wall_clock(
    monkeypatch: pytest.MonkeyPatch, monotonic: list[float], slept: list[float]
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    clock = SystemClock()
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.0)
    monotonic[0] = 503.0
    assert clock.now() == 1_700_000_003.0
    await clock.sleep(3.0)
    assert slept == [3.0]
