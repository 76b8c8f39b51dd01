"""What `decide` remembers from one cycle to the next. Nothing here is needed to be safe.

An empty memory is that of a process that has just started: it has not seen a whole shrink window,
so it does not shrink. What must survive a restart (the fits) lives in `Learned`, not here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Replicas that were needed at `time` (Unix seconds), before bounds and vetoes.

    Several cycles may share one: `time` is the first of them, `until` the last, `replicas` their
    highest.
    """

    time: float
    until: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A replica on its way out: chosen at `since`, when the workload held `count` replicas."""

    victim: str
    since: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleEvent:
    """The count of the workload was seen to change, whoever changed it."""

    time: float
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMemory:
    """Memory of one deployment's policy; `recommendations` and `events` are oldest first.

    `first_seen` is when this process first decided for the deployment (`None`: never yet),
    `count` what the workload held in the previous cycle.
    """

    first_seen: float | None = None
    recommendations: tuple[Recommendation, ...] = ()
    drain: Drain | None = None
    events: tuple[ScaleEvent, ...] = ()
    count: int | None = None
