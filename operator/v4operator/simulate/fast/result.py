"""The judgement of a run: who missed the objective and why, and what the devices cost."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from v4operator.simulate.fast.kernel.layout import CUT, FINISHED, TIMED_OUT, Rows
from v4operator.simulate.fast.member import Stay
from v4operator.simulate.fast.setting import Setting

# Protocol of the simulation study: below this many tokens only TTFT counts.
_SHORT_ANSWER_TOKENS = 16
# The same: 60 us more for each prompt token to be computed beyond 16k.
_LONG_PROMPT_TOKENS = 16_000
_LONG_PROMPT_SECONDS = 60e-6
_HOUR_SECONDS = 3600.0
_FIVE_MINUTES_SECONDS = 300.0

# Causes of a miss, first that applies: the client left unanswered; the replica was taken away; KV
# was given back on the way; a replica that had been asked for was not ready; anything else waited.
CAUSES = ("timeout", "cut", "retraction", "startup", "queue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Seconds, over the requests that have such a time; NaN without any."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> "Percentiles":
        """Of the values that are there."""
        there = seconds[~np.isnan(seconds)]
        if len(there) == 0:
            return cls(p50=np.nan, p95=np.nan, p99=np.nan)
        p50, p95, p99 = np.quantile(there, (0.5, 0.95, 0.99)).tolist()
        return cls(p50=p50, p95=p95, p99=p99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """How many replicas there were from each time on: asked for, billed, ready, not yet ready."""

    time: NDArray[np.float64]
    desired: NDArray[np.int64]
    billed: NDArray[np.int64]
    ready: NDArray[np.int64]
    starting: NDArray[np.int64]

    def at(self, times: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """One of the counts at other times."""
        return counts[np.maximum(0, np.searchsorted(self.time, times, side="right") - 1)]


class Timeline:
    """Collects a `Series`; the last entry of one moment counts."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, int, int, int, int]] = []

    def add(self, time: float, *, desired: int, billed: int, ready: int, starting: int) -> None:
        """The counts from `time` on."""
        if self._rows and self._rows[-1][0] == time:
            self._rows.pop()
        self._rows.append((time, desired, billed, ready, starting))

    def closed(self, end: float) -> Series:
        """Everything up to `end`."""
        table = np.array([row for row in self._rows if row[0] <= end])
        counts = table[:, 1:].astype(np.int64)
        return Series(
            time=table[:, 0],
            desired=counts[:, 0],
            billed=counts[:, 1],
            ready=counts[:, 2],
            starting=counts[:, 3],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """One element a request, in order of arrival. NaN: no such time. `cause` indexes `CAUSES`."""

    arrival: NDArray[np.float64]
    ttft: NDArray[np.float64]
    tpot: NDArray[np.float64]
    missed: NDArray[np.bool_]
    cause: NDArray[np.int8]
    fate: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Attainment over all arrivals, as ratios; hours of devices (times `devices` for one replica).

    The worst hour and five minutes are those of the clock that any request arrived in. `idle_hours`
    are those of ready replicas that computed nothing.
    """

    requests: int
    attainment: float
    attainment_worst_hour: float
    attainment_worst_five_minutes: float
    ttft: Percentiles
    tpot: Percentiles
    misses: dict[str, int]
    devices: int
    gpu_hours: float
    loading_hours: float
    draining_hours: float
    idle_hours: float
    cache_hit_ratio: float
    series: Series
    per_request: Requests = field(repr=False)

    @property
    def replica_hours(self) -> float:
        """Billed hours of replicas."""
        return self.gpu_hours / self.devices


def judged(rows: Rows, setting: Setting, stays: list[Stay], series: Series) -> Result:
    """The result of a run whose requests have all ended."""
    told = _told(rows, setting, series)
    devices = setting.profile.engine_devices
    hours = devices / _HOUR_SECONDS
    admitted = rows.admissions > 0
    prompts = int(rows.prompt[admitted].sum())
    serving = sum(stay.billed - stay.loading for stay in stays)
    return Result(
        requests=len(rows),
        attainment=_share(~told.missed),
        attainment_worst_hour=_worst(told, _HOUR_SECONDS),
        attainment_worst_five_minutes=_worst(told, _FIVE_MINUTES_SECONDS),
        ttft=Percentiles.of(told.ttft),
        tpot=Percentiles.of(told.tpot),
        misses={
            name: int(np.count_nonzero(told.missed & (told.cause == number)))
            for number, name in enumerate(CAUSES)
        },
        devices=devices,
        gpu_hours=hours * sum(stay.billed for stay in stays),
        loading_hours=hours * sum(stay.loading for stay in stays),
        draining_hours=hours * sum(stay.draining for stay in stays),
        idle_hours=hours * (serving - sum(stay.busy for stay in stays)),
        cache_hit_ratio=int(rows.cached[admitted].sum()) / prompts if prompts else 0.0,
        series=series,
        per_request=told,
    )


def _told(rows: Rows, setting: Setting, series: Series) -> Requests:
    ttft = rows.first_token - rows.arrival
    finished = rows.fate == FINISHED
    several = finished & (rows.output > 1)
    spacing = (rows.ended - rows.first_token) / np.maximum(1, rows.output - 1)
    tpot = np.where(several, spacing, np.nan)
    to_compute = np.maximum(0, rows.prompt - rows.prefix - _LONG_PROMPT_TOKENS)
    in_time = ttft <= setting.ttft_seconds + _LONG_PROMPT_SECONDS * to_compute
    steady = (rows.output < _SHORT_ANSWER_TOKENS) | (tpot <= setting.tpot_seconds)
    missed = ~(finished & in_time & steady)
    starting = series.at(rows.arrival, series.starting) > 0
    cause = np.select(
        [rows.fate == TIMED_OUT, rows.fate == CUT, rows.admissions > 1, starting],
        range(len(CAUSES) - 1),
        len(CAUSES) - 1,
    )
    return Requests(
        arrival=np.asarray(rows.arrival),
        ttft=np.asarray(ttft),
        tpot=tpot,
        missed=np.asarray(missed),
        cause=cause.astype(np.int8),
        fate=np.asarray(rows.fate),
    )


def _share(kept: NDArray[np.bool_]) -> float:
    """An empty trace misses nothing."""
    return float(kept.mean()) if len(kept) else 1.0


def _worst(told: Requests, seconds: float) -> float:
    if len(told.arrival) == 0:
        return 1.0
    bins = (told.arrival // seconds).astype(np.int64)
    arrived = np.bincount(bins)
    missed = np.bincount(bins, weights=told.missed)
    return float(1.0 - np.max(missed[arrived > 0] / arrived[arrived > 0]))
