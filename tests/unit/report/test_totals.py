"""What accumulates over cycles: device time, money, kept promises, and counters of replicas."""

from collections.abc import Iterable
from math import inf
from typing import Any

import pytest
from tests.fleets import (
    START,
    demand,
    forecast,
    observation,
    observed,
    reading,
    replica,
    replica_forecast,
    serving,
)

from v4operator.decide.decide import decide
from v4operator.estimate.slo import Kept, Slo
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import ReplicaObservation, Scrapes
from v4operator.model.reading import EngineReading, Histogram, RankReading
from v4operator.model.replica import Phase
from v4operator.report.replica_totals import ReplicaCount
from v4operator.report.totals import Ledger, Totals


def cycle(
    ledger: Ledger,
    fleet: Iterable[ReplicaObservation],
    *,
    at: float = 0.0,
    usd_per_hour: float | None = None,
    **told: Any,
) -> Totals:
    seen = observation(fleet, now=START + at)
    expected = forecast(demand(1.0), now=START + at, **told)
    verdict, _ = decide(seen, expected, PolicyMemory())
    return ledger.add(seen, expected, verdict.decision, usd_per_hour)


def one(name: str = "flash-0", **of: Any) -> list[ReplicaObservation]:
    """A fleet of one whose engine says this."""
    return [observed(replica(name), reading=reading(**of))]


def first_tokens(*counts: float) -> Histogram:
    return Histogram(edges=(2.0, inf), counts=counts, total=0.0, count=counts[-1])


def test_device_time_is_that_of_what_existed_since_the_last_cycle() -> None:
    ledger = Ledger()
    assert cycle(ledger, serving(2)).device_seconds == 0.0
    assert cycle(ledger, serving(3), at=10.0).device_seconds == 10.0 * 2 * 4
    assert cycle(ledger, serving(3), at=15.0).device_seconds == 80.0 + 5.0 * 3 * 4


def test_a_replica_that_was_not_placed_holds_no_device() -> None:
    ledger = Ledger()
    waiting = [observed(replica("a", Phase.UNSCHEDULABLE)), observed(replica("b", Phase.STARTING))]
    cycle(ledger, waiting)
    assert cycle(ledger, waiting, at=10.0).device_seconds == 40.0


def test_a_gap_is_told_and_not_integrated_over() -> None:
    ledger = Ledger()
    cycle(ledger, serving(1))
    assert cycle(ledger, serving(1), at=120.0).device_seconds == 480.0
    after = cycle(ledger, serving(1), at=241.0)
    assert (after.device_seconds, after.unaccounted_seconds) == (480.0, 121.0)
    assert cycle(ledger, serving(1), at=251.0).device_seconds == 520.0


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    ledger = Ledger()
    cycle(ledger, serving(1), at=50.0)
    after = cycle(ledger, serving(1), at=40.0)
    assert (after.device_seconds, after.unaccounted_seconds) == (0.0, 0.0)


def test_money_is_device_time_at_its_price_and_unknown_without_one() -> None:
    ledger = Ledger()
    cycle(ledger, serving(1))
    assert cycle(ledger, serving(1), at=90.0).cost_usd is None
    assert cycle(ledger, serving(1), at=180.0, usd_per_hour=2.0).cost_usd == pytest.approx(0.2)
    assert cycle(ledger, serving(1), at=270.0).cost_usd == pytest.approx(0.2)


def test_promises_are_counted_from_the_second_reading_on() -> None:
    ledger = Ledger()
    cycle(ledger, one(time_to_first_token=first_tokens(90.0, 100.0)))
    after = cycle(ledger, one(time_to_first_token=first_tokens(95.0, 106.0)))
    assert after.kept == {Slo.TTFT: Kept(met=5.0, missed=1.0)}


def test_an_objective_has_a_series_from_its_first_histogram_on_and_none_without() -> None:
    ledger = Ledger()
    assert cycle(ledger, one()).kept == {}
    assert cycle(ledger, one(time_to_first_token=first_tokens(3.0, 3.0))).kept == {Slo.TTFT: Kept()}


def test_the_same_reading_twice_counts_once() -> None:
    ledger = Ledger()
    cycle(ledger, one(time_to_first_token=first_tokens(0.0, 0.0)))
    fleet = one(time_to_first_token=first_tokens(2.0, 2.0), finished_requests_total=5.0)
    assert cycle(ledger, fleet).kept == cycle(ledger, fleet).kept == {Slo.TTFT: Kept(met=2.0)}


def test_what_a_departed_replica_kept_stays_with_the_deployment() -> None:
    ledger = Ledger()
    cycle(ledger, one("gone", time_to_first_token=first_tokens(0.0, 0.0)))
    cycle(ledger, one("gone", time_to_first_token=first_tokens(7.0, 7.0)))
    after = cycle(ledger, one("new", time_to_first_token=first_tokens(50.0, 50.0)))
    assert after.kept == {Slo.TTFT: Kept(met=7.0)}
    assert set(after.replicas) == {"new"}


RESTARTED: dict[str, Any] = {"decode_tokens_total": 10.0}
RUNNING: dict[str, Any] = {"decode_tokens_total": 500.0}


def test_a_restart_of_the_engine_takes_nothing_away_and_adds_nothing() -> None:
    ledger = Ledger()
    before = first_tokens(90.0, 100.0)
    cycle(ledger, one(time_to_first_token=before, finished_requests_total=90.0, **RUNNING))
    later = first_tokens(92.0, 102.0)
    cycle(ledger, one(time_to_first_token=later, finished_requests_total=92.0, **RUNNING))
    fresh = first_tokens(1.0, 1.0)
    cycle(ledger, one(time_to_first_token=fresh, finished_requests_total=1.0, **RESTARTED))
    on = first_tokens(4.0, 4.0)
    after = cycle(ledger, one(time_to_first_token=on, finished_requests_total=4.0, **RESTARTED))
    assert after.kept == {Slo.TTFT: Kept(met=5.0)}
    assert after.replicas["flash-0"][ReplicaCount.FINISHED] == 5.0


def rank(number: int) -> RankReading:
    absent = dict.fromkeys(set(RankReading.__dataclass_fields__) - {"rank"})
    return RankReading(rank=number, **absent)


def test_a_rank_that_appears_brings_no_tokens_of_its_past() -> None:
    ledger = Ledger()
    cycle(ledger, one(decode_tokens_total=100.0, ranks=(rank(0),)))
    cycle(ledger, one(decode_tokens_total=5000.0, ranks=(rank(0), rank(1))))
    after = cycle(ledger, one(decode_tokens_total=5010.0, ranks=(rank(0), rank(1))))
    assert after.replicas["flash-0"][ReplicaCount.GENERATED] == 10.0


def counted(*readings: EngineReading) -> Totals:
    ledger = Ledger()
    totals = [cycle(ledger, [observed(replica("flash-0"), reading=r)]) for r in readings]
    return totals[-1]


@pytest.mark.parametrize(
    ("count", "before", "after", "expected"),
    [
        pytest.param(
            ReplicaCount.GENERATED,
            {"decode_tokens_total": 100.0, "first_tokens_total": 7.0},
            {"decode_tokens_total": 130.0, "first_tokens_total": 9.0},
            32.0,
            id="first tokens are added where the engine counts them apart",
        ),
        pytest.param(
            ReplicaCount.GENERATED,
            {
                "decode_tokens_total": 100.0,
                "first_tokens_total": 7.0,
                "decode_includes_first_token": True,
            },
            {
                "decode_tokens_total": 130.0,
                "first_tokens_total": 9.0,
                "decode_includes_first_token": True,
            },
            30.0,
            id="and not where it counts them in",
        ),
        pytest.param(
            ReplicaCount.PROMPT,
            {"prompt_tokens_total": 10.0},
            {"prompt_tokens_total": 25.0},
            15.0,
            id="prompt tokens",
        ),
        pytest.param(
            ReplicaCount.PREFIX_HIT,
            {"prompt_tokens_total": 100.0, "prefill_tokens_total": 60.0},
            {"prompt_tokens_total": 200.0, "prefill_tokens_total": 90.0},
            70.0,
            id="prompt tokens that were not computed are hits",
        ),
        pytest.param(
            ReplicaCount.PREFIX_HIT,
            {"prompt_tokens_total": 100.0},
            {"prompt_tokens_total": 200.0},
            None,
            id="hits are unknown where computed tokens are",
        ),
        pytest.param(
            ReplicaCount.PREEMPTIONS,
            {"preemptions_total": 1.0},
            {"preemptions_total": 4.0},
            3.0,
            id="preemptions",
        ),
        pytest.param(
            ReplicaCount.PREEMPTIONS, {}, {"preemptions_total": 4.0}, 0.0, id="a first sight is 0"
        ),
        pytest.param(
            ReplicaCount.DRAFTS, {"drafts_total": 1.0}, {"drafts_total": 5.0}, 4.0, id="drafts"
        ),
        pytest.param(
            ReplicaCount.ACCEPTED,
            {"accepted_tokens_total": 2.0},
            {"accepted_tokens_total": 9.0},
            7.0,
            id="accepted tokens",
        ),
        pytest.param(ReplicaCount.DRAFTS, {}, {}, None, id="no speculation, no series"),
    ],
)
def test_a_counter_is_the_difference_of_readings(
    count: ReplicaCount, before: dict[str, Any], after: dict[str, Any], expected: float | None
) -> None:
    assert counted(reading(**before), reading(**after)).replicas["flash-0"].get(count) == expected


def test_a_difference_of_two_counters_that_dips_waits_for_what_it_had() -> None:
    hits = [(100.0, 60.0), (130.0, 60.0), (130.0, 65.0), (140.0, 65.0)]
    ledger = Ledger()
    found = [
        cycle(ledger, one(prompt_tokens_total=prompt, prefill_tokens_total=computed)).replicas[
            "flash-0"
        ][ReplicaCount.PREFIX_HIT]
        for prompt, computed in hits
    ]
    assert found == [0.0, 30.0, 30.0, 35.0]


def test_compared_and_expected_tokens_come_from_the_forecast() -> None:
    ledger = Ledger()
    told = replica_forecast("flash-0", expected_decode_tokens=50.0, observed_decode_tokens=-1.0)
    cycle(ledger, one(), replicas=(told,))
    after = cycle(ledger, one(), replicas=(told,)).replicas["flash-0"]
    assert (after[ReplicaCount.EXPECTED], after[ReplicaCount.COMPARED]) == (100.0, 0.0)


def scraped(good: int, failed: int) -> list[ReplicaObservation]:
    return [observed(replica("flash-0"), scrapes=Scrapes(good=good, failed=failed))]


def test_scrapes_are_counted_on_when_the_replica_moves() -> None:
    ledger = Ledger()
    for good, failed in ((3, 1), (5, 1), (1, 0), (4, 2)):
        totals = cycle(ledger, scraped(good, failed))
    counts = totals.replicas["flash-0"]
    assert (counts[ReplicaCount.GOOD_SCRAPES], counts[ReplicaCount.FAILED_SCRAPES]) == (9.0, 3.0)


def test_the_totals_of_a_cycle_do_not_change_with_the_next() -> None:
    ledger = Ledger()
    first = cycle(ledger, one(finished_requests_total=1.0))
    held = first.decisions["hold"]
    cycle(ledger, one(finished_requests_total=9.0), at=5.0)
    assert first.decisions["hold"] == held
    assert first.replicas["flash-0"][ReplicaCount.FINISHED] == 0.0
