"""How many replicas the work alone needs, with requests as a fluid: a bound without a simulation.

KV limits, prefix caches that were lost, queues and the router are outside of it.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from v4operator.model.step import StepTime
from v4operator.simulate.fast.trace import Trace

SLOT_SECONDS = 300.0  # protocol of the simulation study: the bound's integer cover per five minutes
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How many replicas serve in each slot of the day."""

    counts: NDArray[np.int64]
    slot_seconds: float = SLOT_SECONDS

    def with_counts(self, counts: NDArray[np.int64]) -> "Schedule":
        """Other counts in the same slots."""
        return replace(self, counts=counts)

    @property
    def replica_hours(self) -> float:
        """Served hours, start-ups left out."""
        return float(self.counts.sum()) * self.slot_seconds / _HOUR_SECONDS

    def start_hours(self, start_up_seconds: float) -> float:
        """Replica-hours that loading costs whoever knows the future.

        The n-th replica serves in the slots that need n or more. A gap of g seconds between two
        such stretches is bridged or paid as another start, whichever is cheaper: min(g, start-up).
        What serves in the first slot was there before.
        """
        seconds = 0.0
        for level in range(1, int(self.counts.max(initial=0)) + 1):
            on = np.flatnonzero(self.counts >= level)
            gaps = (np.diff(on) - 1) * self.slot_seconds
            seconds += float(np.minimum(gaps, start_up_seconds).sum())
            seconds += start_up_seconds if on[0] > 0 else 0.0
        return seconds / _HOUR_SECONDS

    def bridged(self, start_up_seconds: float) -> "Schedule":
        """The same with every gap filled that costs no more than another start."""
        counts = self.counts.copy()
        for level in range(1, int(counts.max(initial=0)) + 1):
            on = np.flatnonzero(counts >= level)
            for before, after in pairwise(on.tolist()):
                if (after - before - 1) * self.slot_seconds <= start_up_seconds:
                    counts[before + 1 : after] = np.maximum(counts[before + 1 : after], level)
        return self.with_counts(counts)


def demand(
    trace: Trace, law: StepTime, tpot_seconds: float, *, slot_seconds: float = SLOT_SECONDS
) -> NDArray[np.float64]:
    """Replicas that the work of each slot keeps busy at the latency objective.

    A step of a + b N + d P within the objective t leaves 1 - a/t of a second for b tokens and d
    prompt tokens. Prompts are due where they arrive, answers at one token each t from then on;
    their part after the last slot is left out. Not rounded: the cover is `numpy.ceil` of it.

    Raises:
        ValueError: the objective is not above the base time of a step.
    """
    share = 1.0 - law.base_seconds / tpot_seconds
    if share <= 0:
        raise ValueError(
            f"objective: found {tpot_seconds} s a token, a step takes {law.base_seconds} s at least"
        )
    slots = max(1, int(np.ceil(trace.duration / slot_seconds)))
    edges = np.linspace(0.0, slots * slot_seconds, slots + 1)
    where = np.minimum(trace.arrival // slot_seconds, slots - 1).astype(np.int64)
    to_compute = np.maximum(1, trace.prompt - trace.prefix)
    prefill = np.bincount(where, weights=to_compute, minlength=slots)
    ends = np.sort(np.asarray(trace.arrival + trace.output * tpot_seconds, np.float64))
    served = _passed(trace.arrival, edges) - _passed(ends, edges)
    tokens = np.diff(served) / tpot_seconds
    work = law.per_prefill_token_seconds * prefill + law.per_sequence_seconds * tokens
    return np.asarray(work / (share * slot_seconds), np.float64)


def cover(wanted: NDArray[np.float64], *, slot_seconds: float = SLOT_SECONDS) -> Schedule:
    """The least whole replicas that carry a demand, at least one."""
    counts = np.maximum(1, np.ceil(wanted - 1e-9)).astype(np.int64)
    return Schedule(counts=counts, slot_seconds=slot_seconds)


def _passed(times: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds since each of the sorted times, summed over those before an edge."""
    before = np.searchsorted(times, edges)
    sums = np.concatenate(([0.0], np.cumsum(times)))
    return np.asarray(before * edges - sums[before], np.float64)
