from dataclasses import replace
from typing import Any

import pytest
from tests.plant import DEPLOYMENT, FLASH, profile, replica_with

from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.evidence import Flow
from v4operator.estimate.fleet import FleetView, fleet_throughput
from v4operator.estimate.reference import new_reference
from v4operator.estimate.throughput import decode_cost
from v4operator.estimate.verdicts import Court, replica_forecasts, stall_seconds
from v4operator.estimate.wording import count, length, per_cent, rate, rounded
from v4operator.model.forecast import Mix, ReplicaForecast, ThroughputVerdict
from v4operator.model.learned import FleetSample, Standing, Track
from v4operator.model.observation import Observation, Workload

NOW = 10_000.0
REFERENCE = replace(
    new_reference(fit_from_prior(profile(FLASH))), accept_length=2.5, accept_seconds=1800.0
)
JUDGED = Standing(
    judged_at=NOW,
    observed_tokens_per_second=1610.0,
    expected_tokens_per_second=1610.0,
    sequences=54.0,
    context_tokens=8900.0,
    peers=3,
)
SLOW = replace(
    JUDGED,
    observed_tokens_per_second=821.0,
    peer_deviation=-0.67,
    behind_peers=True,
    peer_score=1.2,
)


def told(standings: dict[str, Standing], confidence: float = 0.9) -> tuple[ReplicaForecast, ...]:
    replicas = tuple(replica_with(name, NOW) for name in standings)
    observation = Observation(
        now=NOW,
        deployment=DEPLOYMENT,
        workload=Workload(desired=1, version="1", replicas=()),
        replicas=replicas,
    )
    tracks = [Track(name=name, ready_at=0.0, standing=s) for name, s in standings.items()]
    court = Court(
        now=NOW,
        reference=REFERENCE,
        confidence=confidence,
        stall_seconds=30.0,
        standings=standings,
    )
    return replica_forecasts(observation, tracks, dict.fromkeys(standings, Flow()), court)


def fleet(replicas: tuple[ReplicaForecast, ...], **changes: Any) -> tuple[ThroughputVerdict, str]:
    view = FleetView(
        now=NOW,
        sample=None,
        history=(),
        law=FLASH,
        cost=decode_cost(
            FLASH,
            Mix(prompt_tokens=1.0, prefill_tokens=1.0, decode_tokens=1.0, context_tokens=1.0),
        ),
        objectives=DEPLOYMENT.objectives,
        confidence=0.9,
    )
    found = fleet_throughput(replicas, replace(view, **changes))
    return found.verdict, found.sentence


def test_a_sick_replica_is_named_with_its_figures_and_its_peers() -> None:
    peers = {
        f"flash-{i}": replace(JUDGED, observed_tokens_per_second=tps)
        for i, tps in ((0, 1580.0), (1, 1610.0), (3, 1640.0))
    }
    found = told({**peers, "flash-2": SLOW})[3]
    assert found.verdict is ThroughputVerdict.SICK_REPLICA
    assert found.sentence == (
        "replica flash-2 decodes 821 tok/s, 51 % of the 1,610 tok/s expected at batch 54 and "
        "8.9k context; its 3 peers are at 98-102 %"
    )
    assert found.speed_ratio == pytest.approx(0.512, abs=0.001)


@pytest.mark.parametrize(
    ("peers", "end"),
    [
        pytest.param({}, "its peers have no load to compare with now", id="none has load"),
        pytest.param({"a": JUDGED}, "its 1 peer is at 100 %", id="one"),
        pytest.param({"a": JUDGED, "b": JUDGED}, "its 2 peers are at 100 %", id="two alike"),
    ],
)
def test_the_sentence_fits_the_number_of_peers(peers: dict[str, Standing], end: str) -> None:
    assert told({**peers, "z": SLOW})[-1].sentence.endswith(end)


def test_a_verdict_outlives_a_lull_but_not_a_quarter_of_an_hour() -> None:
    lull, idle = (told({"a": replace(SLOW, judged_at=NOW - ago)})[0] for ago in (600.0, 1000.0))
    assert lull.verdict is ThroughputVerdict.SICK_REPLICA
    assert lull.expected_tokens_per_second is None
    assert idle.verdict is ThroughputVerdict.UNKNOWN
    assert idle.sentence == "replica a has too little load to be judged"


def test_without_fit_and_peers_a_replica_is_calibrating() -> None:
    found = told({"a": replace(JUDGED, peers=0)}, confidence=0.3)[0]
    assert (found.verdict, found.efficiency_ratio) == (ThroughputVerdict.UNKNOWN, None)
    assert found.sentence == "replica a: calibrating, nothing to compare with"
    assert told({"a": JUDGED}, confidence=0.3)[0].verdict is ThroughputVerdict.HEALTHY


@pytest.mark.parametrize(
    ("accept", "verdict"),
    [
        pytest.param(1.5, ThroughputVerdict.ACCEPTANCE_DROPPED, id="explains the loss"),
        pytest.param(2.2, ThroughputVerdict.SICK_REPLICA, id="explains a fifth of it"),
        pytest.param(2.5, ThroughputVerdict.SICK_REPLICA, id="has not fallen"),
        pytest.param(None, ThroughputVerdict.SICK_REPLICA, id="no speculative decoding"),
    ],
)
def test_acceptance_is_the_cause_only_if_it_explains_most_of_the_loss(
    accept: float | None, verdict: ThroughputVerdict
) -> None:
    assert told({"a": replace(SLOW, accept_length=accept)})[0].verdict is verdict


def test_a_stall_waits_for_the_longest_prompt() -> None:
    assert stall_seconds(20e-6, None) == 30.0
    assert stall_seconds(20e-6, 1_000_000) == pytest.approx(70.0)


def degraded(name: str) -> dict[str, Standing]:
    return {name: replace(JUDGED, behind_reference=True, observed_tokens_per_second=1200.0)}


@pytest.mark.parametrize(
    ("standings", "verdict", "start"),
    [
        pytest.param(
            {"a": JUDGED, **degraded("b"), **degraded("c")},
            ThroughputVerdict.DEGRADED,
            "2 of 3 replicas are behind; replica b decodes 1,200 tok/s",
            id="most are behind",
        ),
        pytest.param(
            {"a": JUDGED, **degraded("b")}, ThroughputVerdict.DEGRADED, "replica b", id="one of two"
        ),
        pytest.param(
            {"a": JUDGED, "b": JUDGED, "c": JUDGED, **degraded("d")},
            ThroughputVerdict.HEALTHY,
            "3 of 4 replicas judged healthy at 94 % of the expected",
            id="one of four, by the reference alone",
        ),
        pytest.param(
            {"a": JUDGED, "b": JUDGED, "c": JUDGED, "d": replace(SLOW, accept_length=1.3)},
            ThroughputVerdict.ACCEPTANCE_DROPPED,
            "replica d",
            id="one of four accepts less",
        ),
    ],
)
def test_the_fleet_is_judged_by_how_many_are_behind(
    standings: dict[str, Standing], verdict: ThroughputVerdict, start: str
) -> None:
    found, sentence = fleet(told(standings))
    assert found is verdict
    assert sentence.startswith(start)


def sample(**figures: Any) -> FleetSample:
    values: dict[str, Any] = {
        "time": NOW,
        "replicas": 2,
        "decode_tokens_per_second": 3000.0,
        "prefill_tokens_per_second": 3000.0,
        "prompt_tokens_per_second": 3000.0,
        "first_tokens_per_second": 5.0,
        "finished_requests_per_second": 5.0,
        "running": 60.0,
        "waiting": 0.0,
        "kv_tokens": 60_000.0,
    }
    return FleetSample(**(values | figures))


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param(sample(), ThroughputVerdict.HEALTHY, id="within capacity"),
        pytest.param(sample(running=170.0), ThroughputVerdict.OVERLOADED, id="batch too large"),
        pytest.param(sample(waiting=7.0), ThroughputVerdict.HEALTHY, id="a few on their way"),
        pytest.param(sample(waiting=20.0), ThroughputVerdict.OVERLOADED, id="a queue"),
        pytest.param(None, ThroughputVerdict.HEALTHY, id="nothing seen"),
    ],
)
def test_overload_is_a_batch_above_the_objective_or_a_queue(
    seen: FleetSample | None, verdict: ThroughputVerdict
) -> None:
    cost = decode_cost(
        FLASH,
        Mix(prompt_tokens=0.0, prefill_tokens=0.0, decode_tokens=1.0, context_tokens=1e3),
    )
    assert fleet(told({"a": JUDGED, "b": JUDGED}), sample=seen, cost=cost)[0] is verdict


def test_a_queue_before_replicas_with_room_points_at_what_admits() -> None:
    cost = decode_cost(
        FLASH,
        Mix(prompt_tokens=0.0, prefill_tokens=0.0, decode_tokens=1.0, context_tokens=1e3),
    )
    held, full = (
        fleet(told({"a": JUDGED, "b": JUDGED}), sample=sample(running=n, waiting=400.0), cost=cost)
        for n in (6.0, 140.0)
    )
    assert held[1].startswith("requests wait although there is room: 3 running requests a replica")
    assert held[1].endswith(
        "400 waiting; look at what admits them: a gateway, or the engines themselves"
    )
    assert full[1].startswith("the fleet is at its capacity")


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        pytest.param({}, ThroughputVerdict.HEALTHY, id="the same mix"),
        pytest.param(
            {"prefill_tokens_per_second": 0.0, "decode_tokens_per_second": 9000.0},
            ThroughputVerdict.HEALTHY,
            id="a little more prefill",
        ),
        pytest.param({"running": 1.0}, ThroughputVerdict.HEALTHY, id="nothing ran before"),
    ],
)
def test_small_changes_of_the_mix_are_not_told(
    before: dict[str, float], verdict: ThroughputVerdict
) -> None:
    history = (sample(time=NOW - 600.0, **before), sample())
    assert fleet(told({"a": JUDGED, "b": JUDGED}), history=history)[0] is verdict


def test_a_change_of_mix_is_told_with_both_mixes() -> None:
    history = (sample(time=NOW - 600.0), sample(prefill_tokens_per_second=30_000.0))
    verdict, sentence = fleet(told({"a": JUDGED, "b": JUDGED}), history=history)
    assert verdict is ThroughputVerdict.MIX_CHANGED
    assert sentence == (
        "the mix has changed: at batch 30 a request decodes 48 tok/s where the mix before gave "
        "64, as the model expects of 10.0 prompt tokens computed per decoded one (before: 1.0) "
        "and 1.0k context (before: 1.0k)"
    )


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        pytest.param(rate(1614.0), "1,610 tok/s", id="three digits"),
        pytest.param(rate(0.0), "0 tok/s", id="nothing"),
        pytest.param(per_cent(None), "an unknown share", id="no share"),
        pytest.param(length(512.0), "512", id="short"),
        pytest.param(length(8912.0), "8.9k", id="thousands"),
        pytest.param(count(1, "start", "starts"), "1 start", id="one"),
        pytest.param(f"{rounded(0.012345)}", "0.0123", id="small"),
    ],
)
def test_figures_are_rounded_for_people(shown: str, text: str) -> None:
    assert shown == text
