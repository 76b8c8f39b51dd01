"""Did the three things happen? Judged on what was recorded, with the figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from v4operator.cli.demo.record import Record

# The story (story/scenario.yaml): who falls ill, and when.
SICK_REPLICA = "pro-agents-3"
SICK_AFTER_SECONDS = 1020.0
_NAMED_WITHIN_SECONDS = (
    600.0  # a loss of half must be named within five minutes; twice that is late
)
_TRIPLED = 2.8  # Poisson arrivals scatter around the threefold rate
_QUIET = {"Healthy", "Unknown", "Overloaded", "MixChanged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that the demo promises."""

    name: str
    holds: bool
    sentence: str
    figures: Mapping[str, Any]


def claims(record: Record) -> tuple[Claim, ...]:
    """All three, in the order of the story."""
    return (_grew_in_time(record), _named_the_sick(record), _flagged_the_budget(record))


def _grew_in_time(record: Record) -> Claim:
    statuses = list(_statuses(record, "flash-chat"))
    truths = [t for f in record.frames if (t := f.sights["flash-chat"].truth) is not None]
    if not statuses or not truths:
        return _nothing("growth ahead of demand", "flash-chat was never seen")
    first, last, grown = statuses[0][1], statuses[-1][1], _first_growth(statuses)
    rates = [t["demandRequestsPerSecond"] for t in truths if t["demandRequestsPerSecond"]]
    ratio = rates[-1] / rates[0] if rates else 0.0
    truth = truths[-1]
    before, after = first["readyReplicas"], last["readyReplicas"]
    figures = {
        "demandRatio": round(ratio, 2),
        "replicasBefore": before,
        "replicasAfter": after,
        "firstGrowthSeconds": grown,
        "attainment": truth["attainment"],
        "objectiveBrokenAt": truth["objectiveBrokenAt"],
        "requests": truth["requests"],
    }
    kept = truth["objectiveBrokenAt"] is None and truth["attainment"] is not None
    holds = kept and ratio >= _TRIPLED and after > before
    return Claim(
        name="growth ahead of demand",
        holds=holds,
        sentence=f"flash-chat: demand x{ratio:.1f}, replicas {before} -> {after}, first growth at "
        f"{_minutes(grown)}; {100 * (truth['attainment'] or 0):.2f} % of {truth['requests']} "
        f"requests met the objective, {'never broken' if kept else 'BROKEN'}",
        figures=figures,
    )


def _named_the_sick(record: Record) -> Claim:
    named = [
        (at, status["throughput"])
        for at, status in _statuses(record, "pro-agents")
        if status["throughput"]["verdict"] == "SickReplica"
    ]
    false_alarms = sorted(_false_alarms(record))
    if not named:
        return _nothing("sick replica named", "no replica was named", falseAlarms=false_alarms)
    at, throughput = named[0]
    took = at - SICK_AFTER_SECONDS
    right = throughput["replica"] == SICK_REPLICA and 0 <= took <= _NAMED_WITHIN_SECONDS
    return Claim(
        name="sick replica named",
        holds=right and not false_alarms,
        sentence=f"pro-agents: {throughput['replica']} named {_minutes(took)} after it fell to "
        f"half speed; false alarms during the load swing and on the others: {len(false_alarms)}",
        figures={
            "replica": throughput["replica"],
            "afterSeconds": round(took, 1),
            "sentence": throughput["sentence"],
            "falseAlarms": false_alarms,
        },
    )


def _flagged_the_budget(record: Record) -> Claim:
    for frame in record.frames:
        found = frame.sights["guide-example"].condition("HBMBudgetExceeded")
        if found is not None and found["status"] == "True":
            return Claim(
                name="HBM budget flagged",
                holds=found["reason"] == "WeightsExceed",
                sentence=f"guide-example: {found['reason']}: {found['message']}",
                figures={"reason": found["reason"], "message": found["message"]},
            )
    return _nothing("HBM budget flagged", "guide-example was not flagged")


def _false_alarms(record: Record) -> Iterator[str]:
    """Verdicts that name a fault where there was none: before it fell ill, or of somebody else."""
    for frame in record.frames:
        for name, sight in frame.sights.items():
            throughput = (sight.status or {}).get("throughput", {})
            verdict, replica = throughput.get("verdict", "Unknown"), throughput.get("replica")
            ill = name == "pro-agents" and frame.elapsed >= SICK_AFTER_SECONDS
            if verdict not in _QUIET and not (ill and replica == SICK_REPLICA):
                yield f"{name}: {verdict} {replica or ''}".strip()


def _statuses(record: Record, name: str) -> Iterator[tuple[float, Mapping[str, Any]]]:
    for frame in record.frames:
        status = frame.sights[name].status
        if status is not None:
            yield frame.elapsed, status


def _first_growth(statuses: list[tuple[float, Mapping[str, Any]]]) -> float | None:
    start = statuses[0][1]["replicas"]
    return next((round(at, 1) for at, s in statuses if s["replicas"] > start), None)


def _nothing(name: str, sentence: str, **figures: Any) -> Claim:
    return Claim(name=name, holds=False, sentence=sentence, figures=figures)


def _minutes(seconds: float | None) -> str:
    return "no time" if seconds is None else f"{seconds / 60:.1f} min"
