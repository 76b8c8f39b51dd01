"""Requests that came in between two readings of an engine; no engine counts them itself."""

from v4operator.model.reading import EngineReading


def arrived_per_second(
    begun_per_second: float | None, before: EngineReading, after: EngineReading, seconds: float
) -> float | None:
    """Those that were begun and more that wait; without such a count, at least more of both gauges.

    A request that an engine puts back to wait counts once more: it has to be begun again.
    """
    waiting = _rise(before.waiting_requests, after.waiting_requests)
    if begun_per_second is not None:
        return max(0.0, begun_per_second + (waiting or 0.0) / seconds)
    running = _rise(before.running_requests, after.running_requests)
    return None if running is None else max(0.0, running + (waiting or 0.0)) / seconds


def _rise(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
