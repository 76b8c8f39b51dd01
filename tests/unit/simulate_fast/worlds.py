"""Small traces and fleets for the tests of the fast simulator."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from v4operator.simulate.fast.fleet import FleetSimulation
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.profiles import PROFILES, ReplicaProfile

FLASH = PROFILES["flash-fp8-4xh200"]


def trace_of(
    arrival: Sequence[float],
    *,
    prompt: int | Sequence[int] = 100,
    output: int | Sequence[int] = 50,
    session: Sequence[int] | None = None,
    prefix: Sequence[int] | None = None,
    seconds: float = 0.0,
) -> Trace:
    """A trace of these requests."""
    count = len(arrival)
    return Trace(
        arrival=np.array(arrival, np.float64),
        prompt=np.broadcast_to(np.array(prompt, np.int64), count).copy(),
        output=np.broadcast_to(np.array(output, np.int64), count).copy(),
        session=np.array([-1] * count if session is None else session, np.int64),
        prefix=np.array([0] * count if prefix is None else prefix, np.int64),
        seconds=seconds,
    )


def steady(rate: float, seconds: float, *, prompt: int = 500, output: int = 200) -> Trace:
    """Equal requests at equal distances."""
    arrival = np.arange(0.0, seconds, 1.0 / rate)
    return trace_of(arrival.tolist(), prompt=prompt, output=output, seconds=seconds)


def holding(capacity: int, *, running: int = 256, patience: float = 120.0) -> ReplicaProfile:
    """The main profile with another KV pool."""
    return replace(
        FLASH,
        kv_capacity_tokens=capacity,
        max_running=running,
        client_timeout_seconds=patience,
    )


def phases(fleet: FleetSimulation) -> list[str]:
    """The phase of every replica, in order of creation."""
    return [replica.phase for replica in fleet.metrics()]


def names(fleet: FleetSimulation) -> list[str]:
    """Replicas that are there."""
    return [replica.name for replica in fleet.metrics()]
