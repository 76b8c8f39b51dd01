"""The shrink window: what was needed lately, and whether enough of it was seen. Pure.

A blind cycle leaves no recommendation, so a stretch of blindness is a hole in the window; a process
that has just started has no window at all. Both forbid a shrink, for different reasons.
"""

from dataclasses import replace

from v4operator.model.memory import PolicyMemory, Recommendation, ScaleEvent

# Cycles are folded into this many entries per window: memory and time stay bounded for any window.
_ENTRIES = 60

# A hole of a quarter of the window is blindness, not a late scrape. The same part is the least time
# between two shrinks: at the default of ten minutes 150 s, in which the moved load shows in a
# demand averaged over the last 90-180 s (policy study, section 2).
_PART = 4

# Cycles are a poll apart: of a window of a few polls a quarter is less than that, and two cycles
# and a late one are no blindness.
_LEAST_HOLE_POLLS = 2.5


def part_seconds(window_seconds: float) -> float:
    """The part of the window that paces shrinks and bounds holes."""
    return window_seconds / _PART


def most_hole_seconds(window_seconds: float, interval_seconds: float) -> float:
    """A longer stretch without a recommendation is blindness; polls are an interval apart."""
    return max(part_seconds(window_seconds), _LEAST_HOLE_POLLS * interval_seconds)


def with_recommendation(
    known: tuple[Recommendation, ...], *, now: float, replicas: int, window_seconds: float
) -> tuple[Recommendation, ...]:
    """`known` and one more, without those that ended before the window began."""
    kept = tuple(r for r in known if r.until > now - window_seconds)
    last = kept[-1] if kept else None
    if last and now - last.time < window_seconds / _ENTRIES:
        merged = replace(last, until=now, replicas=max(last.replicas, replicas))
        return (*kept[:-1], merged)
    return (*kept, Recommendation(time=now, until=now, replicas=replicas))


def highest(known: tuple[Recommendation, ...], now: float, window_seconds: float) -> int:
    """The highest recommendation within the window; 0 if there is none."""
    within = (r.replicas for r in known if r.until > now - window_seconds)
    return max(within, default=0)


def longest_hole_seconds(known: tuple[Recommendation, ...], *, since: float, now: float) -> float:
    """The longest stretch between `since` and `now` without a recommendation."""
    longest, seen_until = 0.0, since
    for entry in known:
        longest = max(longest, entry.time - seen_until)
        seen_until = max(seen_until, entry.until)
    return max(longest, now - seen_until)


def with_count(memory: PolicyMemory, count: int | None, now: float) -> tuple[ScaleEvent, ...]:
    """The scale events known, and one more if the count is not what it was."""
    if memory.count is None or count is None or count == memory.count:
        return memory.events
    return (*memory.events, ScaleEvent(time=now, before=memory.count, after=count))


def within(
    events: tuple[ScaleEvent, ...], now: float, window_seconds: float
) -> tuple[ScaleEvent, ...]:
    """The events of the window."""
    return tuple(e for e in events if e.time > now - window_seconds)


def last_shrink(events: tuple[ScaleEvent, ...]) -> float | None:
    """When the count last fell."""
    return next((e.time for e in reversed(events) if e.after < e.before), None)
