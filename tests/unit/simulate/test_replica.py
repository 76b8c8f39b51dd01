"""The step model against published measurements and against itself (simulation study, 2.3)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import pytest

from v4operator.simulate.profiles import PROFILES, ReplicaProfile
from v4operator.simulate.replica import Replica
from v4operator.simulate.request import Ending, Request

MAIN = PROFILES["flash-fp8-4xh200"]
PROMPT, OUTPUT = 8192, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a closed loop of clients measured between warm-up and end."""

    tpot_ms: float
    ttft_seconds: float
    tokens_per_second: float
    mean_running: float
    replica: Replica


def closed_loop(
    profile: ReplicaProfile, clients: int, *, turns: int = 12, prompt: int = PROMPT
) -> Closed:
    """`clients` that each ask again as soon as they are answered, started one after the other."""
    patient = replace(profile, client_timeout_seconds=math.inf)
    replica = Replica(patient, start=0.0)
    alone = 0.02 + profile.step.per_prefill_token_seconds * prompt
    starts = iter([index * alone for index in range(clients)])
    answered: list[Request] = []
    running: list[tuple[float, int]] = []
    for _ in _events(replica, starts, prompt, answered):
        if len(answered) >= clients * turns:
            break
        running.append((replica.now, replica.snapshot().load.running))
    warm = answered[len(answered) // 2].ended_at or 0.0
    measured = [r for r in answered if (r.ended_at or 0.0) > warm]
    span = replica.now - warm
    area = sum(
        (after - before) * count
        for (before, count), (after, _) in pairwise(running)
        if before >= warm
    )
    return Closed(
        tpot_ms=1000 * median(r.tpot_seconds or 0.0 for r in measured),
        ttft_seconds=median(r.ttft_seconds or 0.0 for r in measured),
        tokens_per_second=len(measured) * (prompt + OUTPUT) / span,
        mean_running=area / span,
        replica=replica,
    )


def _events(
    replica: Replica, starts: Iterator[float], prompt: int, answered: list[Request]
) -> Iterator[None]:
    start = next(starts, math.inf)
    while True:
        at = min(start, replica.next_event_at)
        replica.advance(at)
        if at == start:
            replica.submit(Request(at, prompt, OUTPUT))
            start = next(starts, math.inf)
        for request in replica.take_ended():
            answered.append(request)
            replica.submit(Request(request.ended_at or at, prompt, OUTPUT))
        yield


# Running requests by Little's law from the published throughput at concurrency 1 to 4096, the
# slots of the recipe, and the published median TPOT (SGLang cookbook v0.5.15).
@pytest.mark.parametrize(
    ("running", "slots", "measured_ms"),
    [
        pytest.param(1, 256, 3.3, id="concurrency 1"),
        pytest.param(13, 256, 9.0, id="concurrency 16"),
        pytest.param(57, 256, 41.3, id="concurrency 64"),
        pytest.param(127, 128, 83.5, id="concurrency 256"),
        pytest.param(259, 259, 147.5, id="concurrency 1024"),
        pytest.param(300, 257, 147.1, id="concurrency 4096"),
    ],
)
def test_tpot_is_within_a_fifth_of_what_was_published(
    running: int, slots: int, measured_ms: float
) -> None:
    result = closed_loop(replace(MAIN, max_running=slots), running, turns=6)
    assert result.tpot_ms == pytest.approx(measured_ms, rel=0.20)


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        pytest.param("flash-fp8-4xh200", 15_800, id="flash fp8 on 4 x H200"),
        pytest.param("flash-fp4-4xh200", 18_000, id="flash fp4 on 4 x H200"),
        pytest.param("flash-fp4-8xh100", 18_100, id="flash fp4 on 8 x H100"),
        pytest.param("flash-fp4-4xb200", 32_500, id="flash fp4 on 4 x B200"),
        pytest.param("pro-fp4-8xb200", 32_400, id="pro on 8 x B200"),
        pytest.param("pro-fp4-8xh200", 4_500, id="pro on 8 x H200, KV-starved"),
    ],
)
def test_saturation_is_within_a_tenth_of_what_was_published(name: str, measured: float) -> None:
    result = closed_loop(PROFILES[name], 300, turns=5)
    assert result.tokens_per_second == pytest.approx(measured, rel=0.10)


def test_first_token_of_a_lone_request_comes_when_published() -> None:
    assert closed_loop(MAIN, 1).ttft_seconds == pytest.approx(0.178, rel=0.15)


@pytest.mark.parametrize("clients", [32, 128, 512])
def test_a_small_kv_pool_holds_the_running_requests_at_fifteen(clients: int) -> None:
    result = closed_loop(PROFILES["pro-fp4-8xh200"], clients, turns=4)
    assert 13 <= result.mean_running <= 16
    assert 29.0 * 0.9 <= result.tpot_ms <= 30.1 * 1.1
    assert result.replica.snapshot().counters.retractions > 0


def test_busy_time_is_the_work_that_was_done() -> None:
    flat = replace(MAIN, prefill_context_tokens=math.inf)
    result = closed_loop(flat, 40, turns=3)
    counters, law = result.replica.snapshot().counters, flat.step
    without_context = replace(flat, step=replace(law, per_kv_token_seconds=0.0))
    flat_counters = closed_loop(without_context, 40, turns=3).replica.snapshot().counters
    assert flat_counters.busy_seconds == pytest.approx(
        law.base_seconds * flat_counters.steps
        + law.per_sequence_seconds * flat_counters.decode_tokens
        + law.per_prefill_token_seconds * flat_counters.prefill_tokens,
        rel=0.01,
    )
    assert counters.busy_seconds > 0
    assert counters.busy_seconds + counters.idle_seconds <= result.replica.now + 1e-6


def test_running_requests_follow_littles_law() -> None:
    replica = Replica(MAIN, start=0.0)
    asked = iter([Request(index * 0.8, 2000, 500) for index in range(400)])
    request: Request | None = next(asked)
    area = 0.0
    for tick in range(18_000):
        while request is not None and request.arrival <= tick * 0.02:
            replica.submit(request)
            request = next(asked, None)
        replica.advance(tick * 0.02)
        load = replica.snapshot().load
        area += 0.02 * (load.running + load.waiting)
    ended = replica.take_ended()
    at_the_door = MAIN.overhead_seconds * len(ended)
    spent = sum((r.ended_at or 0.0) - r.arrival for r in ended) - at_the_door
    assert len(ended) == 400
    assert area == pytest.approx(spent, rel=0.01)


def test_two_half_loaded_replicas_are_not_slower_than_one() -> None:
    def tpot(shares: int) -> float:
        replicas = [Replica(MAIN, start=0.0) for _ in range(shares)]
        for index in range(200):
            replicas[index % shares].submit(Request(index * 0.7, 4000, 400))
        ended = []
        for replica in replicas:
            replica.advance(1e6)
            ended += replica.take_ended()
        return median(r.tpot_seconds or 0.0 for r in ended)

    assert tpot(2) < tpot(1)


def test_above_saturation_first_tokens_come_later_and_later() -> None:
    replica = Replica(replace(MAIN, client_timeout_seconds=math.inf), start=0.0)
    for index in range(3000):
        replica.submit(Request(index * 0.25, PROMPT, OUTPUT))
    replica.advance(1e7)
    ttft = [r.ttft_seconds or 0.0 for r in replica.take_ended()]
    thirds = [median(ttft[i * 1000 : (i + 1) * 1000]) for i in range(3)]
    assert thirds[0] < thirds[1] < thirds[2]
    assert thirds[2] > 100


def test_half_speed_doubles_every_step_from_the_next_on() -> None:
    sound, sick = Replica(MAIN, start=0.0), Replica(MAIN, start=0.0)
    for replica in (sound, sick):
        replica.submit(Request(0.0, 100, 1001))
    sick.set_speed(1.0, 0.5)
    for replica in (sound, sick):
        replica.advance(1e6)
    (fast,), (slow,) = sound.take_ended(), sick.take_ended()
    whole, late = (fast.ended_at or 0.0), (slow.ended_at or 0.0)
    assert late == pytest.approx(1.0 + 2 * (whole - 1.0), abs=0.01)
    assert fast.first_token_at == slow.first_token_at


def test_a_stall_freezes_counters_and_a_release_goes_on() -> None:
    replica = Replica(MAIN, start=0.0)
    request = Request(0.0, 100, 2000)
    replica.submit(request)
    replica.set_stalled(2.0, stalled=True)
    replica.advance(3.0)
    frozen = replica.snapshot().counters.decode_tokens
    replica.advance(90.0)
    stalled = replica.snapshot()
    assert (stalled.counters.decode_tokens, stalled.load.running) == (frozen, 1)
    assert stalled.counters.idle_seconds < 0.1
    replica.set_stalled(90.0, stalled=False)
    replica.advance(1e4)
    assert request.ending is Ending.FINISHED
    assert (request.ended_at or 0.0) > 90 + (2000 - frozen) * MAIN.step.base_seconds


def test_clients_of_a_stalled_replica_lose_patience_after_two_minutes() -> None:
    replica = Replica(MAIN, start=0.0)
    replica.set_stalled(0.0, stalled=True)
    requests = [Request(float(at), 100, 10) for at in range(3)]
    for request in requests:
        replica.submit(request)
    replica.advance(200.0)
    assert [request.ending for request in requests] == [Ending.TIMED_OUT] * 3
    assert [request.ended_at for request in requests] == [120.0, 121.0, 122.0]
    assert replica.snapshot().counters.timed_out == 3
    replica.set_stalled(200.0, stalled=False)
    late = Request(201.0, 100, 10)
    replica.submit(late)
    replica.advance(300.0)
    assert late.ending is Ending.FINISHED


def test_a_request_that_can_never_fit_is_rejected_and_counted() -> None:
    replica = Replica(PROFILES["pro-fp4-8xh200"], start=0.0)
    request = Request(0.0, 139_000, 2000)
    replica.submit(request)
    assert request.ending is Ending.REJECTED
    assert replica.snapshot().counters.rejected == 1
    assert replica.outstanding_tokens == 0


@pytest.mark.parametrize("leaves_at", [0.01, 0.05, 0.5], ids=["at the door", "prefill", "decode"])
def test_a_client_that_goes_frees_its_slot(leaves_at: float) -> None:
    replica = Replica(MAIN, start=0.0)
    request, stays = Request(0.0, 8000, 1000), Request(0.0, 50, 400)
    replica.submit(request)
    replica.submit(stays)
    replica.abort(leaves_at, request)
    replica.advance(0.6)
    assert request.ending is Ending.ABORTED
    assert replica.snapshot().load.running == 1
    replica.abort(0.6, request)
    replica.advance(60.0)
    load = replica.snapshot().load
    assert (load.running, load.held_tokens, replica.outstanding_tokens) == (0, 0, 0)
    assert replica.snapshot().counters.aborted == 1
    assert stays.ending is Ending.FINISHED


def test_a_client_that_goes_in_the_middle_of_a_long_prefill_frees_it() -> None:
    replica = Replica(MAIN, start=0.0)
    request = Request(0.0, 50_000, 10)
    replica.submit(request)
    replica.advance(0.3)
    assert replica.snapshot().load.held_tokens == 50_000
    replica.abort(0.3, request)
    replica.advance(1.0)
    assert request.ending is Ending.ABORTED
    assert 16_000 <= replica.snapshot().counters.prefill_tokens < 50_000
    assert replica.snapshot().load.held_tokens == 0


def test_a_prefill_in_progress_is_the_first_to_be_retracted() -> None:
    tight = replace(MAIN, kv_capacity_tokens=2000, chunk_tokens=100, watermark_ratio=0.0)
    replica = Replica(tight, start=0.0)
    old, young = Request(0.0, 900, 600), Request(0.0, 1090, 5)
    replica.submit(old)
    replica.submit(young)
    replica.advance(1e3)
    counters = replica.snapshot().counters
    assert (old.ending, young.ending) == (Ending.FINISHED, Ending.FINISHED)
    assert (counters.retractions, counters.retracted_output_tokens) == (1, 0)
    assert (old.ended_at or 0.0) < (young.first_token_at or 0.0)
    assert counters.prefill_tokens > 900 + 1090


def test_an_end_of_the_process_cuts_every_request() -> None:
    replica = Replica(replace(MAIN, max_running=2), start=0.0)
    requests = [Request(0.0, 20_000, 500) for _ in range(4)]
    for request in requests:
        replica.submit(request)
    replica.advance(0.1)
    replica.cut(0.1)
    assert [request.ending for request in requests] == [Ending.CUT] * 4
    assert len(replica.take_ended()) == 4


def test_cached_tokens_cost_no_prefill() -> None:
    cold, warm = Request(0.0, 8000, 2), Request(0.0, 8000, 2, 7000)
    for request in (cold, warm):
        replica = Replica(MAIN, start=0.0)
        replica.submit(request)
        replica.advance(60.0)
        counters = replica.snapshot().counters
        assert counters.prefill_tokens == 8000 - request.cached_tokens
        assert counters.prompt_tokens == 8000
    assert (warm.ttft_seconds or 0.0) < 0.3 * (cold.ttft_seconds or 0.0)


def test_gauges_of_the_log_line_are_up_to_forty_steps_old() -> None:
    replica = Replica(MAIN, start=0.0)
    replica.submit(Request(0.0, 100, 1000))
    ages = set()
    for tick in range(60, 200):
        replica.advance(tick * 0.01)
        snapshot = replica.snapshot()
        ages.add(round((snapshot.time - snapshot.logged.time) / 0.0032))
        assert snapshot.logged.running == 1
        assert snapshot.logged.tokens_per_second == pytest.approx(311, rel=0.02)
    assert max(ages) in {39, 40}
    replica.advance(60.0)
    assert replica.snapshot().logged.running == 0


def test_tokens_of_one_request_can_be_followed() -> None:
    replica = Replica(MAIN, start=0.0)
    request = Request(0.0, 100, 50)
    replica.submit(request)
    assert replica.next_token_at == math.inf
    replica.advance(0.021)
    seen = []
    while request.ending is None:
        replica.advance(replica.next_token_at)
        seen.append(replica.generated(request))
    assert seen == list(range(1, 51))


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_speed_that_makes_no_sense_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="speed factor"):
        Replica(MAIN, start=0.0).set_speed(1.0, factor)


def test_a_request_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        Request(0.0, 0, 5)
