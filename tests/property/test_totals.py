"""Counters never fall, whatever engines, replicas and clocks do."""

from math import inf
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.exported import Exported
from tests.fleets import START, demand, forecast, observation, observed, reading, replica

from v4operator.decide.decide import decide
from v4operator.estimate.slo import kept
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Scrapes
from v4operator.model.reading import Histogram
from v4operator.report.families import label_value
from v4operator.report.totals import Ledger, Totals

AMOUNT = st.one_of(st.none(), st.floats(min_value=0.0, max_value=1e12))
EDGES = (0.02, 0.05, 2.0, inf)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    counts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=4, max_size=4)))
    return Histogram(
        edges=EDGES, counts=tuple(map(float, counts)), total=0.0, count=float(counts[-1])
    )


READINGS = st.fixed_dictionaries(
    {
        "decode_tokens_total": AMOUNT,
        "first_tokens_total": AMOUNT,
        "prompt_tokens_total": AMOUNT,
        "prefill_tokens_total": AMOUNT,
        "finished_requests_total": AMOUNT,
        "preemptions_total": AMOUNT,
        "drafts_total": AMOUNT,
        "accepted_tokens_total": AMOUNT,
        "time_to_first_token": st.none() | histograms(),
        "time_per_output_token": st.none() | histograms(),
        "decode_includes_first_token": st.booleans(),
    }
)
CYCLES = st.lists(
    st.tuples(st.floats(-1000.0, 1000.0), READINGS, st.integers(0, 50), st.none() | st.just(2.0)),
    min_size=2,
    max_size=12,
)


@given(CYCLES)
def test_no_counter_ever_falls(
    cycles: list[tuple[float, dict[str, Any], int, float | None]],
) -> None:
    ledger, before = Ledger(), None
    for at, said, scrapes, price in cycles:
        member = observed(
            replica("flash-0"),
            reading=reading(**said),
            scrapes=Scrapes(good=scrapes, failed=scrapes),
        )
        seen = observation([member], now=START + at)
        told = forecast(demand(1.0), now=START + at)
        decision = decide(seen, told, PolicyMemory())[0].decision
        after = ledger.add(seen, told, decision, price)
        if before is not None:
            assert_no_lower(before, after)
        before = after


def assert_no_lower(before: Totals, after: Totals) -> None:
    assert after.device_seconds >= before.device_seconds
    assert after.unaccounted_seconds >= before.unaccounted_seconds
    assert (after.cost_usd or 0.0) >= (before.cost_usd or 0.0)
    for count, figure in before.replicas["flash-0"].items():
        assert after.replicas["flash-0"][count] >= figure, count
    for slo, held in before.kept.items():
        now = after.kept[slo]
        assert now.met >= held.met
        assert now.missed >= held.missed
        assert now.undecided >= held.undecided


@given(histograms(), histograms(), st.floats(0.001, 10.0))
def test_met_missed_and_undecided_are_all_that_came(
    one: Histogram, other: Histogram, objective: float
) -> None:
    later = Histogram(
        edges=EDGES,
        counts=tuple(a + b for a, b in zip(one.counts, other.counts, strict=True)),
        total=0.0,
        count=one.count + other.count,
    )
    found = kept(one, later, objective)
    assert found is not None
    assert found.met + found.missed + found.undecided == other.count
    assert min(found.met, found.missed, found.undecided) >= 0.0
    if objective in EDGES:
        assert found.undecided == 0.0


@given(st.lists(st.text(max_size=400), min_size=1, max_size=4, unique=True))
def test_replicas_of_any_names_are_read_back_as_they_are_labelled(names: list[str]) -> None:
    made = Exported()
    made.record(observation([observed(replica(name)) for name in names]), forecast(demand(0.5)))
    found = [s.labels["replica"] for s in made.families()["v4_replica_up"].samples]
    assert found == [label_value(name) for name in names]
    assert len(set(found)) == len(names)
