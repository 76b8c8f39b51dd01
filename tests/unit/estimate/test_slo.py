"""Requests against their objective, off cumulative buckets."""

from itertools import pairwise
from math import inf

import pytest
from tests.exported import recorded
from tests.fleets import deployment, reading

from v4operator.estimate.slo import Kept, Slo, histograms, kept, promised_seconds
from v4operator.model.reading import Histogram

EDGES = (0.5, 1.0, 2.5, inf)
NOTHING = Histogram(edges=EDGES, counts=(0.0, 0.0, 0.0, 0.0), total=0.0, count=0.0)


def histogram(*counts: float, edges: tuple[float, ...] = EDGES) -> Histogram:
    return Histogram(edges=edges, counts=counts, total=0.0, count=counts[-1])


SEEN = histogram(1.0, 3.0, 8.0, 10.0)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        pytest.param(1.0, Kept(met=3.0, missed=7.0), id="on an edge nothing is undecided"),
        pytest.param(
            1.0 + 1e-12, Kept(met=3.0, missed=7.0), id="a rounding error beside an edge is on it"
        ),
        pytest.param(
            2.0, Kept(met=3.0, missed=2.0, undecided=5.0), id="between edges the bucket is open"
        ),
        pytest.param(
            0.1, Kept(met=0.0, missed=9.0, undecided=1.0), id="below the first edge none is met"
        ),
        pytest.param(
            9.0, Kept(met=8.0, missed=0.0, undecided=2.0), id="above the last edge none is missed"
        ),
    ],
)
def test_what_came_is_met_missed_or_undecided(objective: float, expected: Kept) -> None:
    assert kept(NOTHING, SEEN, objective) == expected


def test_only_what_came_in_between_counts() -> None:
    later = histogram(2.0, 5.0, 10.0, 13.0)
    assert kept(SEEN, later, 1.0) == Kept(met=2.0, missed=1.0)
    assert kept(SEEN, SEEN, 1.0) == Kept()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, SEEN, id="no earlier histogram"),
        pytest.param(SEEN, None, id="no later histogram"),
        pytest.param(SEEN, NOTHING, id="a bucket fell"),
        pytest.param(
            histogram(1.0, 1.0, edges=(1.0, inf)), SEEN, id="the buckets are others than before"
        ),
        pytest.param(
            histogram(0.0, 3.0, 3.0, 3.0), histogram(3.0, 3.0, 3.0, 3.0), id="a sum went wrong"
        ),
    ],
)
def test_what_cannot_be_subtracted_is_unknown(
    before: Histogram | None, after: Histogram | None
) -> None:
    assert kept(before, after, 1.0) is None


def test_each_objective_is_judged_by_its_own_histogram() -> None:
    latency = histogram(1.0, 1.0, 1.0, 1.0)
    told = histograms(reading(time_to_first_token=SEEN, time_per_output_token=latency))
    assert told == {Slo.TTFT: SEEN, Slo.INTER_TOKEN_LATENCY: latency}
    assert histograms(reading(time_to_first_token=SEEN)) == {Slo.TTFT: SEEN}


def test_steps_and_single_tokens_are_not_what_is_promised() -> None:
    assert histograms(reading(inter_token_latency=SEEN)) == {}


def test_each_objective_has_its_seconds() -> None:
    promised = deployment().objectives
    assert promised_seconds(Slo.TTFT, promised) == 2.0
    assert promised_seconds(Slo.INTER_TOKEN_LATENCY, promised) == 0.033


@pytest.mark.parametrize(
    ("run", "last"), [("vllm-0.32.0-cpu-during", 6), ("sglang-0.5.23-cpu-during", 9)]
)
def test_of_a_recorded_run_every_finished_request_is_judged(run: str, last: int) -> None:
    readings = [recorded(f"{run}-{number:02}") for number in range(2, last + 1)]
    told = [histograms(each)[Slo.INTER_TOKEN_LATENCY] for each in readings]
    judged = [found for pair in pairwise(told) if (found := kept(*pair, 0.033)) is not None]
    finished = [each.finished_requests_total or 0.0 for each in readings]
    assert len(judged) == len(readings) - 1
    assert finished[-1] > finished[0]
    assert sum(k.met + k.missed + k.undecided for k in judged) == finished[-1] - finished[0]
