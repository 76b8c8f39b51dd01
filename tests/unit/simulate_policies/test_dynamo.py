import pytest
from tests.unit.simulate_policies.worlds import LAW, Gateway, briefing, fleet, seen, starting

from v4operator.simulate.policies.dynamo_load import DynamoLoad, step
from v4operator.simulate.policies.dynamo_model import PerformanceModel, predicted
from v4operator.simulate.policies.dynamo_sla import DynamoSla, Worker, load_step
from v4operator.simulate.policies.telemetry import Telemetry


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        pytest.param([1.05, 0.2, 0.2], 1, id="one full worker grows although the mean is 0.48"),
        pytest.param([0.5, 0.2], -1, id="all below the lower threshold shrink"),
        pytest.param([0.7, 0.2], 0, id="in between nothing moves"),
        pytest.param([0.1], 0, id="the last one stays"),
        pytest.param([], 0, id="no metrics, no change"),
    ],
)
def test_load_moves_by_one_on_any_full_or_all_idle_workers(
    loads: list[float], expected: int
) -> None:
    assert step(loads, grow_above=1.0, shrink_below=0.6) == expected


def test_load_holds_beside_a_pending_pod() -> None:
    policy = DynamoLoad(briefing())
    replicas = (*fleet(2, kv_usage_ratio=0.1), *starting(1))
    assert policy.decide(seen(replicas, desired=3)).desired == 3


def test_load_counts_queued_prompts_against_the_pool() -> None:
    policy, telemetry = DynamoLoad(briefing(kv_capacity_tokens=10_000.0)), Telemetry()
    for now in (5.0, 10.0):
        replicas = fleet(
            2,
            kv_usage_ratio=0.5,
            waiting=6.0,
            first_tokens_total=now,
            prompt_tokens_total=1000.0 * now,
        )
        count = policy.decide(seen(replicas, now=now, telemetry=telemetry)).desired
    assert count == 3


def _worker(**changes: float) -> Worker:
    values = {
        "ttft": 0.1,
        "itl": 0.01,
        "ttft_without": 0.1,
        "itl_without": 0.02,
        "kv_without": 0.5,
    }
    return Worker(**(values | changes))


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        pytest.param([_worker(ttft=0.6)] * 2, 1, id="all first tokens late"),
        pytest.param([_worker(itl=0.06)] * 2, 1, id="all tokens late"),
        pytest.param([_worker(itl=0.06), _worker()], -1, id="one late worker alone does not grow"),
        pytest.param([_worker()] * 2, -1, id="well below with one fewer"),
        pytest.param([_worker(kv_without=1.02)] * 2, 0, id="the pool would overflow"),
        pytest.param([_worker(itl_without=0.045)] * 2, 0, id="too near to the objective"),
        pytest.param([_worker(ttft_without=0.5)] * 2, 0, id="prompts would wait too long"),
        pytest.param([_worker()], 0, id="the last one stays"),
        pytest.param([], 0, id="no metrics, no change"),
    ],
)
def test_the_sla_step_needs_all_workers(workers: list[Worker], expected: int) -> None:
    assert load_step(workers, ttft=0.5, itl=0.05) == expected


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        pytest.param([3.0], 3.0, id="the last one before anything is known"),
        pytest.param([1.0, 2.0, 3.0, 4.0], 5.0, id="steady growth goes on"),
        pytest.param([2.0, 2.0, 2.0, 2.0], 2.0, id="a level stays"),
        pytest.param([1.0, 2.0, 1.0, 2.0], 1.0, id="an alternation alternates"),
    ],
)
def test_the_predictor_learns_what_becomes_of_a_change(rates: list[float], expected: float) -> None:
    assert predicted(rates) == pytest.approx(expected)


def test_the_model_starts_from_the_profile_and_follows_samples() -> None:
    model, telemetry = PerformanceModel(LAW), Telemetry()
    assert model.itl(10.0) == pytest.approx(2.8e-3 + 10.0 * (0.41e-3 + 8.0 * 19.3e-6))
    for index in range(12):
        now, batch = 5.0 * index, 10.0 + 10.0 * (index % 5)
        latency = 5e-3 + 1e-3 * batch
        replicas = fleet(1, running=batch, decode_tokens_total=0.0)
        telemetry.record(now, replicas, Gateway())
        after = fleet(1, running=batch, decode_tokens_total=batch * 2.5 / latency)
        model.learn(seen(after, now=now + 2.5, telemetry=telemetry))
    assert model.itl(20.0) == pytest.approx(25e-3, rel=0.05)
    assert model.itl(200.0) == pytest.approx(205e-3, rel=0.15)


def test_the_forecast_sets_the_count_every_three_minutes() -> None:
    policy, telemetry, count = DynamoSla(briefing(), reactive=False), Telemetry(), 2
    counts = []
    for index in range(74):
        now = 5.0 * index
        replicas = fleet(
            2,
            first_tokens_total=4.0 * now,
            prefill_tokens_total=4000.0 * now,
            prompt_tokens_total=4000.0 * now,
            decode_tokens_total=2000.0 * now,
        )
        count = policy.decide(seen(replicas, now=now, desired=count, telemetry=telemetry)).desired
        counts.append(count)
    assert counts[:36] == [2] * 36
    assert counts[36] == 2  # eight requests a second, 4.08 a worker
    assert counts[-1] == 2


def test_the_hybrid_never_goes_below_the_forecast() -> None:
    policy, telemetry = DynamoSla(briefing(), reactive=True), Telemetry()
    for index in range(40):
        now = 5.0 * index
        replicas = fleet(
            3, first_tokens_total=4.0 * now, decode_tokens_total=2000.0 * now, running=1.0
        )
        count = policy.decide(seen(replicas, now=now, telemetry=telemetry)).desired
    assert count == 3  # the reactive part would take one; twelve requests a second need three


def test_the_hybrid_without_metrics_changes_nothing() -> None:
    policy = DynamoSla(briefing(), reactive=True)
    assert policy.decide(seen(starting(2), desired=2)).desired == 2
