"""The recent past of one replica: readings joined into rates and means. No clock, no judgement.

A window is a running account. Between two readings each figure collects an amount (tokens, or a
gauge integrated over time) and the seconds for which it was known; what lies between any two
readings is then a difference of two accounts, whatever their distance, and the parts add up to the
whole. What happened while an engine restarted is unknown, never negative and never a spike.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from v4operator.model.observation import Interval
from v4operator.model.reading import EngineReading, RankReading
from v4operator.observe.arrivals import arrived_per_second

SPAN_SECONDS = 1200.0
"""How far back a window reaches: the slow verdicts look at 5 minutes, a trend at 10 to 15."""

MAX_READINGS = 1300
"""Bound on memory: one reading a second over the whole span, and a little more."""

_MAX_GAUGE_GAP_SECONDS = 120.0
"""Twice the longest sensible poll interval. Over a longer silence a straight line between two
values of a gauge is a guess; counters still tell what happened in it."""

_MIN_KNOWN_RATIO = 0.5
"""A figure known for less than half of an interval would speak for time it has not seen."""

_LEAST_FINISH_SECONDS = 30.0
"""Counters that move when a request ends leap: between two polls they tell nothing, over a minute
(of which half must be seen) they are right in the mean. By its polls such an engine would look
stalled."""

_SPANS = (1, 2, 4)
"""Polls over which a change is looked for: one shows a leap, four one that chance hides in one."""

_Figure = Callable[[EngineReading], float | None]


def _decode(reading: EngineReading) -> float | None:
    return reading.decode_tokens_total


def _kv_tokens(reading: EngineReading) -> float | None:
    """Context held by the running requests, as told or as a share of the pool."""
    if reading.resident_tokens is not None:
        return reading.resident_tokens
    if reading.kv_usage_ratio is None or reading.kv_capacity_tokens is None:
        return None
    return reading.kv_usage_ratio * reading.kv_capacity_tokens


_RUNNING_COUNTERS: tuple[_Figure, ...] = (
    _decode,
    attrgetter("prompt_tokens_total"),
    attrgetter("first_tokens_total"),
    attrgetter("finished_requests_total"),
)
"""Counters that only a restart of the engine makes fall. Others are partly differences of two
families (prompt tokens less cached ones) and may dip by a few when a scrape falls between two."""

_COUNTERS: dict[str, _Figure] = {
    "prompt_tokens_per_second": attrgetter("prompt_tokens_total"),
    "prefill_tokens_per_second": attrgetter("prefill_tokens_total"),
    "first_tokens_per_second": attrgetter("first_tokens_total"),
    "finished_requests_per_second": attrgetter("finished_requests_total"),
    "preemptions_per_second": attrgetter("preemptions_total"),
}

_GAUGES: dict[str, _Figure] = {
    "running_mean": attrgetter("running_requests"),
    "waiting_mean": attrgetter("waiting_requests"),
    "kv_usage_mean_ratio": attrgetter("kv_usage_ratio"),
    "kv_tokens_mean": _kv_tokens,
}

_FIGURES = (*_GAUGES, "decode_tokens_per_second", *_COUNTERS)


@dataclass(frozen=True, slots=True)
class _Part:
    """An amount, and the weight (for most: seconds) over which it came together."""

    amount: float
    weight: float


_UNKNOWN = _Part(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Point:
    """One reading, and the accounts as they stood when it was taken."""

    at: float
    seen_at: float
    reading: EngineReading
    accounts: tuple[_Part, ...]
    accepted: _Part


class ReplicaWindow:
    """Readings of one replica over the last `SPAN_SECONDS`, oldest first."""

    def __init__(self) -> None:
        self._points: list[_Point] = []
        self._up_since: float | None = None

    @property
    def latest(self) -> EngineReading | None:
        """The newest reading."""
        return self._points[-1].reading if self._points else None

    @property
    def latest_at(self) -> float | None:
        """Time of the newest reading, in Unix seconds."""
        return self._points[-1].at if self._points else None

    @property
    def up_since(self) -> float | None:
        """Time of the first reading of the process that answers now: later after each restart."""
        return self._up_since

    def add(self, at: float, reading: EngineReading, *, seen_at: float | None = None) -> bool:
        """Append a reading taken at `at`; false where it is not newer than the newest one.

        `seen_at` is when it arrived here, which is later than `at` by the way it took.
        """
        arrival = at if seen_at is None else seen_at
        if not self._points:
            blank = (_UNKNOWN,) * len(_FIGURES)
            self._points.append(_Point(at, arrival, reading, blank, _UNKNOWN))
            self._up_since = at
            return True
        last = self._points[-1]
        if at <= last.at:
            return False
        if restarted(last.reading, reading):
            self._up_since = at
            self._points.append(_Point(at, arrival, reading, last.accounts, last.accepted))
        else:
            self._points.append(_joined(last, at, arrival, reading))
        self._forget(at)
        return True

    def intervals_since(self, time: float) -> tuple[Interval, ...]:
        """The intervals between neighbouring readings that were seen after `time`, oldest first.

        By arrival and not by their end, or a reading that is on its way while somebody looks would
        fall between two looks.
        """
        first = max(1, bisect_right(self._points, time, key=_seen_at))
        return tuple(_between(a, b) for a, b in pairwise(self._points[first - 1 :]))

    def over(self, seconds: float, now: float) -> Interval | None:
        """What happened in the last `seconds`; `None` where less than half of them was seen."""
        first = bisect_left(self._points, now - seconds, key=_at)
        end = bisect_right(self._points, now, key=_at)
        if end - first < 2:  # noqa: PLR2004 - an interval has two ends
            return None
        start, stop = self._points[first], self._points[end - 1]
        if stop.at - start.at < _MIN_KNOWN_RATIO * seconds:
            return None
        return _between(start, stop)

    def newest(self, within_seconds: float) -> tuple[Interval, ...]:
        """What happened over the last one, two and four polls, no longer than `within_seconds`."""
        last = self._points[-1:]
        starts = (self._points[-1 - polls] for polls in _SPANS if polls < len(self._points))
        joined = (_between(start, end) for start in starts for end in last)
        return tuple(interval for interval in joined if interval.seconds <= within_seconds)

    def _forget(self, now: float) -> None:
        old = bisect_left(self._points, now - SPAN_SECONDS, key=_at)
        surplus = max(old, len(self._points) - MAX_READINGS)
        if surplus > 0:
            del self._points[:surplus]


def restarted(before: EngineReading, after: EngineReading) -> bool:
    """Whether another process answers than before: a running counter fell, in sum or in a rank."""
    if any(_fell(figure(before), figure(after)) for figure in _RUNNING_COUNTERS):
        return True
    earlier = {rank.rank: rank for rank in before.ranks}
    return before.engine != after.engine or any(
        _rank_restarted(earlier[rank.rank], rank) for rank in after.ranks if rank.rank in earlier
    )


def continues(before: EngineReading, after: EngineReading) -> bool:
    """Whether counters of the two may be subtracted: the same process, with the same ranks."""
    return not restarted(before, after) and _same_ranks(before, after)


def _rank_restarted(before: RankReading, after: RankReading) -> bool:
    return _fell(before.decode_tokens_total, after.decode_tokens_total) or _fell(
        before.prompt_tokens_total, after.prompt_tokens_total
    )


def _same_ranks(before: EngineReading, after: EngineReading) -> bool:
    """With ranks that come and go a sum leaps without a token made: no step to take a rate over."""
    return [rank.rank for rank in before.ranks] == [rank.rank for rank in after.ranks]


def _at(point: _Point) -> float:
    return point.at


def _seen_at(point: _Point) -> float:
    return point.seen_at


def _fell(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and after < before


def _joined(last: _Point, at: float, seen_at: float, reading: EngineReading) -> _Point:
    """The accounts after one more reading of the same process."""
    if not _same_ranks(last.reading, reading):
        return _Point(at, seen_at, reading, last.accounts, last.accepted)
    seconds = at - last.at
    parts = _parts(last.reading, reading, seconds)
    accounts = tuple(
        _Part(old.amount + new.amount, old.weight + new.weight)
        for old, new in zip(last.accounts, parts, strict=True)
    )
    new = _accepted(last.reading, reading, seconds)
    accepted = _Part(last.accepted.amount + new.amount, last.accepted.weight + new.weight)
    return _Point(at, seen_at, reading, accounts, accepted)


def _parts(before: EngineReading, after: EngineReading, seconds: float) -> Iterator[_Part]:
    """What each figure collected, in the order of `_FIGURES`."""
    for figure in _GAUGES.values():
        yield _integral(figure(before), figure(after), seconds)
    yield _decoded(before, after, seconds)
    for figure in _COUNTERS.values():
        yield _increase(figure(before), figure(after), seconds)


def _integral(before: float | None, after: float | None, seconds: float) -> _Part:
    """A gauge between two readings, as a trapezoid."""
    if before is None or after is None or seconds > _MAX_GAUGE_GAP_SECONDS:
        return _UNKNOWN
    return _Part((before + after) / 2 * seconds, seconds)


def _increase(before: float | None, after: float | None, seconds: float) -> _Part:
    if before is None or after is None or after < before:
        return _UNKNOWN
    return _Part(after - before, seconds)


def _decoded(before: EngineReading, after: EngineReading, seconds: float) -> _Part:
    """Decode tokens, without the first token of each request where it is counted among them.

    The two counters may be read a moment apart, so their difference is held at zero.
    """
    decoded = _increase(before.decode_tokens_total, after.decode_tokens_total, seconds)
    if not after.decode_includes_first_token or decoded is _UNKNOWN:
        return decoded
    first = _increase(before.first_tokens_total, after.first_tokens_total, seconds)
    return _Part(max(0.0, decoded.amount - first.amount), seconds)


def _accepted(before: EngineReading, after: EngineReading, seconds: float) -> _Part:
    """Tokens per draft, the engine's own token included: 1 + accepted / drafts (vLLM's counters).

    SGLang has a gauge of the same meaning instead; it is 0 where nothing is drafted.
    """
    drafts = _increase(before.drafts_total, after.drafts_total, seconds)
    accepted = _increase(before.accepted_tokens_total, after.accepted_tokens_total, seconds)
    if drafts is not _UNKNOWN and accepted is not _UNKNOWN:
        return _Part(drafts.amount + accepted.amount, drafts.amount)
    return _integral(before.accept_length or None, after.accept_length or None, seconds)


def _between(start: _Point, end: _Point) -> Interval:
    """The interval between two readings: the later account less the earlier one."""
    least = _MIN_KNOWN_RATIO * (end.at - start.at)
    figures = {
        name: _ratio(earlier, later, least)
        for name, earlier, later in zip(_FIGURES, start.accounts, end.accounts, strict=True)
    }
    accept_length = _ratio(start.accepted, end.accepted, 0.0)
    if end.at - start.at < _LEAST_FINISH_SECONDS:
        figures |= dict.fromkeys(map(_rate_of, end.reading.counted_at_finish or ()))
    return Interval(
        start=start.at,
        end=end.at,
        accept_length=accept_length,
        arrived_requests_per_second=arrived_per_second(
            figures["first_tokens_per_second"], start.reading, end.reading, end.at - start.at
        ),
        **figures,
    )


def _rate_of(counter: str) -> str:
    return counter.replace("_total", "_per_second")


def _ratio(start: _Part, end: _Part, least: float) -> float | None:
    weight = end.weight - start.weight
    if weight <= 0.0 or weight < least:
        return None
    return (end.amount - start.amount) / weight
