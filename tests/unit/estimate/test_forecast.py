import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from tests.plant import DEPLOYMENT, FLASH, HBM, Fleet, interval, profile, replica_with, swing

from v4operator.estimate.forecast import forecast
from v4operator.estimate.mix import mix_of
from v4operator.estimate.tracking import follow
from v4operator.model.deployment import Deployment, Objectives
from v4operator.model.forecast import Forecast, Mix, ThroughputVerdict
from v4operator.model.learned import FleetSample, FullReplicas, Learned, Track, key_of_fit
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.replica import Phase, Workload

NOW = 100_000.0
KEY = key_of_fit(DEPLOYMENT)


def observation(
    *replicas: ReplicaObservation, now: float = NOW, deployment: Deployment = DEPLOYMENT
) -> Observation:
    workload = Workload(
        desired=len(replicas), version="1", replicas=tuple(r.replica for r in replicas)
    )
    return Observation(now=now, deployment=deployment, workload=workload, replicas=replicas)


def learned_from(hours: float) -> tuple[Forecast, Learned]:
    fleet = Fleet(rate=swing)
    *_, last = fleet.run(hours)
    return last, fleet.learned


def test_the_first_forecast_stands_on_the_catalogue() -> None:
    found, learned = forecast(
        observation(replica_with("a", NOW)), Learned.empty(KEY), HBM, profile(FLASH)
    )
    assert found.step == FLASH
    assert found.capacity is not None
    assert found.capacity.source == "catalogue"
    assert (found.start_up_seconds, found.start_up_source) == (480.0, "prior for V4-Flash")
    assert found.findings == ()
    assert learned.first_seen_at == NOW


def test_without_a_profile_a_finding_says_so() -> None:
    found, _ = forecast(observation(), Learned.empty(KEY), HBM, None)
    assert [f.reason for f in found.findings] == ["NoPerformanceProfile"]
    assert found.capacity is not None
    assert found.throughput.verdict is ThroughputVerdict.UNKNOWN
    assert found.throughput.sentence == "there is no replica"


def test_a_ttft_that_no_number_of_replicas_keeps_is_a_finding() -> None:
    strict = replace(
        DEPLOYMENT,
        objectives=Objectives(
            ttft_seconds=0.1, inter_token_latency_seconds=1 / 30, attainment=0.99
        ),
    )
    seen = observation(replica_with("a", NOW, prefill=9000.0), deployment=strict)
    found, _ = forecast(seen, Learned.empty(KEY), HBM, profile(FLASH))
    assert [f.reason for f in found.findings] == ["TTFTUnattainable"]
    assert found.findings[0].message == (
        "a typical prompt of 8,798 computed tokens takes 0.2 s on an idle replica, "
        "the objective is 0.1 s"
    )


def test_expected_and_observed_tokens_cover_the_same_intervals() -> None:
    poll = interval(NOW - 5.0, NOW, running=20.0, decode=1600.0, prefill=0.0, kv_tokens=0.0)
    reset = interval(NOW - 10.0, NOW - 5.0, decode=None)
    seen = replace(replica_with("a", NOW), intervals=(reset, poll))
    found, _ = forecast(observation(seen), Learned.empty(KEY), HBM, profile(FLASH))
    assert found.replicas[0].observed_decode_tokens == pytest.approx(8000.0)
    expected = 5.0 * 20.0 / (2.8e-3 + 20.0 * 0.41e-3)
    assert found.replicas[0].expected_decode_tokens == pytest.approx(expected)


@pytest.mark.parametrize(
    ("figures", "tokens"),
    [
        pytest.param({"running": None}, 0.0, id="no batch size"),
        pytest.param({"prefill": None}, 0.0, id="no prompt tokens of any kind"),
        pytest.param({"prefill": None, "prompt": 100.0}, 7500.0, id="all prompt tokens instead"),
        pytest.param({"kv_tokens": None}, 7500.0, id="context assumed"),
    ],
)
def test_an_interval_counts_if_its_step_time_can_be_told(
    figures: dict[str, Any], tokens: float
) -> None:
    seen = observation(replica_with("a", NOW, **figures))
    assert follow(seen, (), FLASH, 1000.0).flows["a"].observed_tokens == pytest.approx(tokens)


def test_a_started_again_replica_loses_its_track() -> None:
    old = Track(name="a", ready_at=1.0, stalled_seconds=99.0)
    again = follow(observation(replica_with("a", NOW, ready_at=2.0)), (old,), FLASH, 1000.0)
    same = follow(
        observation(replica_with("a", NOW, ready_at=1.0, decode=0.0, prefill=0.0)),
        (old,),
        FLASH,
        1e3,
    )
    assert again.tracks[0].stalled_seconds == 0.0
    assert same.tracks[0].stalled_seconds == pytest.approx(104.0)


def test_a_new_key_starts_the_fits_anew_and_keeps_the_rest() -> None:
    _, learned = learned_from(0.3)
    changed = replace(
        DEPLOYMENT, memory=replace(DEPLOYMENT.memory, engine_args=("--max-running-requests", "64"))
    )
    seen = observation(replica_with("flash-0", NOW), deployment=changed)
    learned = replace(learned, full=FullReplicas(log_ratio_sum=-2.0, blocks=10.0))
    found, after = forecast(seen, learned, HBM, profile(FLASH))
    assert found.step == FLASH
    assert after.full == FullReplicas()
    assert after.key == key_of_fit(changed) != learned.key
    assert after.first_seen_at == learned.first_seen_at
    assert after.sizing is not None
    assert after.sizing.cells == ()


def test_what_was_learned_is_plain_json() -> None:
    _, learned = learned_from(0.3)
    assert json.loads(json.dumps(asdict(learned)))["key"] == KEY
    assert len(learned.history) <= 31
    assert learned.sizing is not None
    assert len(learned.sizing.cells) <= 32


def test_history_reaches_back_a_quarter_of_an_hour() -> None:
    last, learned = learned_from(0.6)
    assert last.now - learned.history[0].time <= 930.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"phase": Phase.STARTING}, "replica a is starting", id="starting"),
        pytest.param(
            {"phase": Phase.UNSCHEDULABLE, "reason": "no nvidia.com/gpu free"},
            "replica a is unschedulable: no nvidia.com/gpu free",
            id="unschedulable",
        ),
        pytest.param(
            {"ready_at": NOW - 60.0},
            "replica a became ready a moment ago and is not judged yet",
            id="fresh",
        ),
        pytest.param({}, "replica a has too little load to be judged", id="idle"),
    ],
)
def test_an_unknown_replica_says_why(change: dict[str, Any], sentence: str) -> None:
    base = replica_with("a", NOW, running=0.0, decode=0.0)
    seen = replace(base, replica=replace(base.replica, **change))
    found, _ = forecast(observation(seen), Learned.empty(KEY), HBM, profile(FLASH))
    assert found.replicas[0].verdict is ThroughputVerdict.UNKNOWN
    assert found.replicas[0].sentence == sentence
    assert found.replicas[0].speed_ratio == 1.0
    assert found.replicas[0].efficiency_ratio is None


def test_a_replica_without_a_running_count_says_so() -> None:
    seen = observation(replica_with("a", NOW, decode=None))
    found, _ = forecast(seen, Learned.empty(KEY), HBM, profile(FLASH))
    assert found.replicas[0].sentence == "replica a gives no running count of decode tokens"


def fleet_sample(**figures: Any) -> FleetSample:
    values: dict[str, Any] = {
        "decode_tokens_per_second": 0.0,
        "prefill_tokens_per_second": 0.0,
        "prompt_tokens_per_second": 0.0,
        "first_tokens_per_second": None,
        "finished_requests_per_second": None,
        "running": 0.0,
        "waiting": 0.0,
        "kv_tokens": None,
    }
    return FleetSample(time=NOW, replicas=1, **(values | figures))


def test_before_anything_came_the_mix_is_the_benchmarks() -> None:
    for history in ((), (fleet_sample(),)):
        mix = mix_of(history)
        assert (mix.prompt_tokens, mix.decode_tokens) == (8192.0, 1024.0)
        assert mix.context_tokens == 8192.0 + 512.0


def test_the_mix_follows_the_counters_within_minutes() -> None:
    minute = fleet_sample(
        prompt_tokens_per_second=10_000.0,
        prefill_tokens_per_second=4000.0,
        decode_tokens_per_second=3000.0,
        first_tokens_per_second=10.0,
        running=40.0,
        kv_tokens=60_000.0,
    )
    mix = mix_of([minute] * 30)
    assert mix.prompt_tokens == pytest.approx(1000.0, rel=0.01)
    assert mix.prefill_tokens == pytest.approx(400.0, rel=0.03)
    assert mix.decode_tokens == pytest.approx(300.0, rel=0.01)
    assert mix.context_tokens == pytest.approx(1500.0)


def test_the_first_requests_of_an_idle_fleet_tell_their_own_mix() -> None:
    idle = fleet_sample(first_tokens_per_second=0.0)
    learned = replace(Learned.empty(KEY), history=(idle,), block_started_at=NOW)
    short = replica_with("a", NOW, first=60.0, prompt=12_000.0, prefill=12_000.0, decode=1800.0)
    found, _ = forecast(observation(short), learned, HBM, profile(FLASH))
    assert found.mix is not None
    assert found.mix.prompt_tokens < 250.0
    assert found.mix.decode_tokens < 40.0


def test_an_idle_fleet_keeps_the_mix_that_it_had() -> None:
    before = Mix(
        prompt_tokens=300.0, prefill_tokens=300.0, decode_tokens=50.0, context_tokens=325.0
    )
    learned = replace(Learned.empty(KEY), mix=before, block_started_at=NOW - 30.0)
    quiet = replica_with("a", NOW, first=0.0, prompt=0.0, prefill=0.0, decode=0.0)
    found, learned = forecast(observation(quiet), learned, HBM, profile(FLASH))
    assert found.mix == before
    assert learned.mix == before


def test_answers_are_counted_between_starts_and_finishes() -> None:
    growing = fleet_sample(
        decode_tokens_per_second=3000.0,
        first_tokens_per_second=8.0,
        finished_requests_per_second=4.0,
    )
    assert mix_of([growing] * 30).decode_tokens == pytest.approx(500.0, rel=0.01)


def test_the_first_minute_already_tells_the_mix() -> None:
    minute = {"decode": 1500.0, "prefill": 4000.0, "first": 10.0, "kv_tokens": 20_000.0}
    found, learned = forecast(
        observation(replica_with("a", NOW, **minute)), Learned.empty(KEY), HBM, profile(FLASH)
    )
    assert learned.history == ()
    assert found.mix is not None
    assert found.mix.decode_tokens < 200.0
    assert found.mix.context_tokens == pytest.approx(1000.0)


def test_replicas_that_became_ready_teach_the_start_up_time() -> None:
    starting = replica_with("a", NOW, ready_at=NOW)
    starting = replace(
        starting, replica=replace(starting.replica, phase=Phase.STARTING, ready_at=None)
    )
    _, learned = forecast(observation(starting), Learned.empty(KEY), HBM, profile(FLASH))
    ready = replica_with("a", NOW + 60.0, ready_at=NOW + 60.0)
    ready = replace(ready, replica=replace(ready.replica, created_at=NOW - 240.0))
    found, _ = forecast(observation(ready, now=NOW + 60.0), learned, HBM, profile(FLASH))
    assert found.start_up_seconds == pytest.approx(390.0)
    assert found.demand.horizon_seconds == pytest.approx(395.0)
    assert found.start_up_source == "median of 1 start and the prior"


def test_a_block_that_is_due_closes_and_an_early_one_goes_on() -> None:
    seen = observation(replica_with("a", NOW))
    _, learned = forecast(seen, Learned.empty(KEY), HBM, profile(FLASH))
    for elapsed, samples in ((10.0, 0), (30.0, 1), (50.0, 1), (60.0, 2)):
        _, learned = forecast(replace(seen, now=NOW + elapsed), learned, HBM, profile(FLASH))
        assert len(learned.history) == samples
