"""Which of the requests since the last look kept their objective. Pure.

Read off the engines' own buckets: what lies in the bucket that the objective cuts is undecided and
told as such, never guessed. No rate, no ratio, no judgement: those are over windows, and rules make
them.

The inter-token latency is promised as a request's mean per token, and so it is judged: by
`time_per_output_token`. The engines' `inter_token_latency` is not that: vLLM observes steps, of
which one makes several tokens under speculative decoding (vllm#47382, vllm#52853), and a single
token that waits for somebody's prefill breaks no promise.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf, isclose

from v4operator.model.deployment import Objectives
from v4operator.model.reading import EngineReading, Histogram

# An objective and an edge that print alike are alike: 0.1 s written as 100ms is not quite 0.1.
_SAME = 1e-9


class Slo(StrEnum):
    """What is promised."""

    TTFT = "ttft"
    INTER_TOKEN_LATENCY = "inter-token-latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Requests by whether they kept the objective."""

    met: float = 0.0
    missed: float = 0.0
    undecided: float = 0.0

    def plus(self, other: "Kept") -> "Kept":
        """Both together."""
        return Kept(
            met=self.met + other.met,
            missed=self.missed + other.missed,
            undecided=self.undecided + other.undecided,
        )


def histograms(reading: EngineReading) -> dict[Slo, Histogram]:
    """What a reading tells of each objective; one of which it tells nothing is left out."""
    told = {
        Slo.TTFT: reading.time_to_first_token,
        Slo.INTER_TOKEN_LATENCY: reading.time_per_output_token,
    }
    return {slo: histogram for slo, histogram in told.items() if histogram is not None}


def promised_seconds(slo: Slo, objectives: Objectives) -> float:
    """The latency that is promised."""
    seconds = {
        Slo.TTFT: objectives.ttft_seconds,
        Slo.INTER_TOKEN_LATENCY: objectives.inter_token_latency_seconds,
    }
    return seconds[slo]


def kept(
    before: Histogram | None, after: Histogram | None, objective_seconds: float
) -> Kept | None:
    """What came between two states of a histogram, cut at the objective.

    An objective on an edge (`le`) decides all of it. `None` where one is absent, the edges are
    others, or a bucket fell.
    """
    if before is None or after is None or before.edges != after.edges:
        return None
    came = [late - early for early, late in zip(before.counts, after.counts, strict=True)]
    if any(low > high for low, high in pairwise((0.0, *came))):
        return None
    met = _up_to(after.edges, came, objective_seconds)
    over = came[-1] - _before(after.edges, came, objective_seconds)
    return Kept(met=met, missed=over, undecided=came[-1] - met - over)


def _up_to(edges: tuple[float, ...], counts: list[float], objective: float) -> float:
    """Those in buckets that end at the objective or before it."""
    within = [
        count
        for edge, count in zip(edges, counts, strict=True)
        if edge <= objective or isclose(edge, objective, rel_tol=_SAME)
    ]
    return within[-1] if within else 0.0


def _before(edges: tuple[float, ...], counts: list[float], objective: float) -> float:
    """Those that are not surely above: up to the first edge at the objective or beyond it.

    The last bucket has no end: nothing in it is surely above an objective that lies in it.
    """
    for edge, count in zip(edges, counts, strict=True):
        if edge != inf and (edge >= objective or isclose(edge, objective, rel_tol=_SAME)):
            return count
    return counts[-1]
