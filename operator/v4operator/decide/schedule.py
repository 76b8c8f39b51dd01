"""The floor that schedules put under the number of replicas. Pure; `now` is an argument."""

from dataclasses import replace
from datetime import datetime, timedelta

from cronsim import CronSim

from v4operator.model.deployment import Scaling, Schedule


def in_force(scaling: Scaling, now: float, start_up_seconds: float) -> tuple[Scaling, str]:
    """The bounds that hold, and the name of what set the lower one.

    A schedule counts from one start-up before it begins, so that its replicas are ready when it
    does. The highest floor counts, never above the maximum.
    """
    floors = [(scaling.min_replicas, "minReplicas")]
    floors += [
        (schedule.min_replicas, f"schedule {schedule.name}")
        for schedule in scaling.schedules
        if _holds(schedule, now) or _holds(schedule, now + start_up_seconds)
    ]
    least, source = max(floors, key=lambda floor: floor[0])
    return replace(scaling, min_replicas=min(least, scaling.max_replicas)), source


def _holds(schedule: Schedule, now: float) -> bool:
    """Whether the last start before `now` is less than the duration ago."""
    local = datetime.fromtimestamp(now, schedule.zone)
    # A start on this very minute is the last one; the iterator looks strictly before.
    starts = CronSim(schedule.start, local + timedelta(microseconds=1), reverse=True)
    last = next(starts, None)
    return last is not None and now - last.timestamp() < schedule.duration_seconds
