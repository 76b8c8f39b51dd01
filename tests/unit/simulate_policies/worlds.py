"""Builders of what a policy sees: replicas with figures, a telemetry, and a briefing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from v4operator.model.step import StepTime
from v4operator.simulate.policies.policy import Briefing, Policy, Seen, Step
from v4operator.simulate.policies.telemetry import Telemetry

LAW = StepTime(
    base_seconds=2.8e-3,
    per_sequence_seconds=0.41e-3,
    per_kv_token_seconds=0.45e-9,
    per_prefill_token_seconds=19.3e-6,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A replica's metrics; those of an idle one unless they are given."""

    name: str
    phase: str = "ready"
    created_at: float = -1000.0
    ready_at: float | None = -500.0
    routable: bool = True
    answered: bool = True
    running: float = 0.0
    waiting: float = 0.0
    kv_usage_ratio: float = 0.0
    resident_tokens: float = 0.0
    decode_tokens_total: float = 0.0
    first_tokens_total: float = 0.0
    prompt_tokens_total: float = 0.0
    prefill_tokens_total: float = 0.0
    finished_total: float = 0.0
    finished_decode_tokens_total: float = 0.0
    retractions_total: float = 0.0
    accept_length: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What waits outside."""

    queued: float = 0.0
    rejected_total: float = 0.0


def briefing(**changes: Any) -> Briefing:
    values = Briefing(
        law=LAW,
        max_running=256,
        kv_capacity_tokens=4e6,
        ttft_seconds=2.0,
        inter_token_latency_seconds=1 / 30,
        attainment=0.99,
        minimum=1,
        quota=100,
        start_up_seconds=480.0,
    )
    return replace(values, **changes)


def fleet(count: int, **figures: Any) -> tuple[Figures, ...]:
    return tuple(Figures(name=f"r{i}", **figures) for i in range(count))


def starting(count: int) -> tuple[Figures, ...]:
    return tuple(
        Figures(name=f"s{i}", phase="starting", ready_at=None, answered=False) for i in range(count)
    )


def seen(
    replicas: Iterable[Figures],
    *,
    now: float = 0.0,
    desired: int | None = None,
    telemetry: Telemetry | None = None,
    queued: float = 0.0,
) -> Seen:
    """One more scrape at `now` of those replicas, and the decision at the same moment."""
    held = tuple(replicas)
    known = telemetry or Telemetry()
    known.record(now, held, Gateway(queued=queued))
    count = len(held) if desired is None else desired
    return Seen(now=now, desired=count, replicas=held, telemetry=known)


def drive(
    policy: Policy,
    load: Iterable[tuple[Figures, ...]],
    *,
    desired: int,
) -> list[int]:
    """The counts asked for over successive periods; each becomes the workload's count at once."""
    telemetry = Telemetry()
    counts = []
    for index, replicas in enumerate(load):
        step: Step = policy.decide(
            seen(
                replicas,
                now=index * policy.period_seconds,
                desired=desired,
                telemetry=telemetry,
            )
        )
        desired = step.desired
        counts.append(desired)
    return counts
