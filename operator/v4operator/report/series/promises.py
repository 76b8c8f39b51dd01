"""What is exported of objectives: what is promised, and what kept it."""

from collections.abc import Iterator

from v4operator.estimate.slo import Slo, promised_seconds
from v4operator.report.families import Family, Kind, Row
from v4operator.report.seen import Seen


def _kept(seen: Seen) -> Iterator[Row]:
    """An objective of which no engine tells has no series."""
    for slo, kept in seen.totals.kept.items():
        yield (slo.value, "met"), kept.met
        yield (slo.value, "missed"), kept.missed
        yield (slo.value, "undecided"), kept.undecided


def _objectives(seen: Seen) -> Iterator[Row]:
    for slo in Slo:
        yield (slo.value,), promised_seconds(slo, seen.observation.deployment.objectives)


def _targets(seen: Seen) -> Iterator[Row]:
    for slo in Slo:
        yield (slo.value,), seen.observation.deployment.objectives.attainment


PROMISES: tuple[Family[Seen], ...] = (
    Family(
        name="v4_slo_requests_total",
        kind=Kind.COUNTER,
        help="Requests by whether they kept the objective; undecided where it lies between two "
        "edges of the engine's buckets.",
        source="the engines' histograms",
        labels=("slo", "verdict"),
        rows=_kept,
    ),
    Family(
        name="v4_slo_objective_seconds",
        kind=Kind.GAUGE,
        help="The latency that is promised.",
        source="the spec",
        labels=("slo",),
        rows=_objectives,
    ),
    Family(
        name="v4_slo_target_ratio",
        kind=Kind.GAUGE,
        help="The share that is promised to keep it.",
        source="the spec",
        labels=("slo",),
        rows=_targets,
    ),
)
