"""One setting of a simulated fleet: everything but the trace and the policy."""

import math
from dataclasses import dataclass, field
from typing import Literal

from v4operator.simulate.fast.truths import Truth
from v4operator.simulate.profiles import ReplicaProfile

Router = Literal["least", "affinity"]
Overload = Literal["plain", "engine-limit", "gateway"]

_NO_LIMIT = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """From `begin` to `end` scrapes fail ("missing") or repeat what was last seen ("stale").

    `ordinal` is the replica that was created as that number; `None` means all.
    """

    begin: float
    end: float
    kind: Literal["missing", "stale"] = "missing"
    ordinal: int | None = None

    def concerns(self, ordinal: int, now: float) -> bool:
        """Whether that replica's scrape suffers now."""
        return self.begin <= now < self.end and self.ordinal in {None, ordinal}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What stays the same for every policy that is compared. Times in seconds.

    `start_up_spread` is the coefficient of variation of the log-normal start-up time,
    `failed_starts` the share of starts that end in a restart instead of a ready replica, `quota`
    how many replicas find devices (`None`: all). `admission_limit` is how many requests a replica
    runs at once in the modes engine-limit and gateway; `queue_cap` how many more an engine lets
    wait (`None`: as many as reach a slot within the TTFT objective). The objectives default to the
    protocol of the simulation study, the drain to a resource's own ten minutes.
    """

    profile: ReplicaProfile
    truth: Truth = field(default_factory=Truth)
    start_up_seconds: float = 480.0
    start_up_spread: float = 0.2
    failed_starts: float = 0.0
    quota: int | None = None
    router: Router = "least"
    overload: Overload = "plain"
    admission_limit: int | None = None
    queue_cap: int | None = None
    ttft_seconds: float = 2.0
    tpot_seconds: float = 1.0 / 30.0
    seed: int = 0
    initial_replicas: int = 1
    drain_seconds: float = 600.0
    blind: tuple[Blind, ...] = ()

    def __post_init__(self) -> None:
        if self.overload != "plain" and (self.admission_limit is None or self.admission_limit < 1):
            raise ValueError(
                f"overload {self.overload!r} needs an admission limit of at least 1, "
                f"found {self.admission_limit}"
            )
        if not 0 <= self.failed_starts < 1:
            raise ValueError(f"failed starts: found {self.failed_starts}, allowed: 0 to below 1")

    @property
    def max_running(self) -> int:
        """Requests that one replica runs at once."""
        if self.overload == "plain" or self.admission_limit is None:
            return self.profile.max_running
        return min(self.profile.max_running, self.admission_limit)

    def room(self, mean_output_tokens: float) -> int:
        """Requests that a replica takes from the router, running and waiting together.

        With L running, answers of m tokens at the latency objective t leave L / (m t) slots a
        second; a queue that is to be served within the TTFT objective is that times the objective.
        """
        limit = self.max_running
        if self.overload == "plain":
            return _NO_LIMIT
        if self.overload == "gateway":
            return limit
        if self.queue_cap is not None:
            return limit + self.queue_cap
        freed = limit / max(mean_output_tokens * self.tpot_seconds, self.tpot_seconds)
        return limit + math.ceil(freed * self.ttft_seconds)
