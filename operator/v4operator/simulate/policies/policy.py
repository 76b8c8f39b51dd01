"""What a scaling policy is to the harness: what it may see, and what it may ask for.

A policy sees scraped metrics and what Kubernetes says about replicas, never the simulator's truth.
"""

from dataclasses import dataclass
from typing import Protocol

from v4operator.model.step import StepTime
from v4operator.simulate.policies.figures import ReplicaFigures
from v4operator.simulate.policies.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """What whoever configures a policy knows beforehand: the objective and the catalogue's figures.

    `law` and `kv_capacity_tokens` are the catalogue's, which the simulated truth may contradict.
    `quota` is the most replicas that there are devices for, `gateway` whether one holds the excess
    back and tells how much.
    """

    law: StepTime
    max_running: int
    kv_capacity_tokens: float
    ttft_seconds: float
    inter_token_latency_seconds: float
    attainment: float
    minimum: int
    quota: int
    start_up_seconds: float
    gateway: bool = False

    def within(self, replicas: int) -> int:
        """The count within minimum and quota."""
        return min(max(replicas, self.minimum), self.quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The world at one decision.

    `desired` is the count that the workload holds, `replicas` what Kubernetes says now (their
    phases; figures are to be taken from `telemetry`, which is as old as its last scrape).
    """

    now: float
    desired: int
    replicas: tuple[ReplicaFigures, ...]
    telemetry: Telemetry

    @property
    def ready(self) -> tuple[ReplicaFigures, ...]:
        """Replicas that serve and are not on their way out."""
        return tuple(r for r in self.replicas if r.phase == "ready")

    @property
    def coming(self) -> int:
        """Replicas asked for that do not serve yet."""
        return max(0, self.desired - len(self.ready))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a policy asks for: a count, who goes if it falls, and whom to route to or not.

    `admission_limit` is the running requests of one replica that it tells a gateway to admit;
    heeded only where a run is about just that, as all policies else meet the same limit.
    """

    desired: int
    victim: str | None = None
    routable: tuple[tuple[str, bool], ...] = ()
    admission_limit: int | None = None


class Policy(Protocol):
    """A policy in the loop. It keeps its own state from one decision to the next."""

    @property
    def period_seconds(self) -> float:
        """Seconds between two decisions."""
        ...

    @property
    def scrape_seconds(self) -> float:
        """Seconds between two scrapes of its metrics path."""
        ...

    def decide(self, seen: Seen) -> Step:
        """The count to ask for now."""
        ...
