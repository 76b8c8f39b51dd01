import pytest
from tests.unit.simulate_policies.worlds import briefing, fleet, seen, starting

from v4operator.simulate.policies.telemetry import Telemetry
from v4operator.simulate.policies.wva_hop import Hop
from v4operator.simulate.policies.wva_model import WvaModel
from v4operator.simulate.policies.wva_saturation import Thresholds, WvaSaturation, step
from v4operator.simulate.policies.wva_tokens import WvaTokens, change


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        pytest.param([(0.75, 0.0)] * 3, 1, id="5 % spare is below the trigger"),
        pytest.param([(0.30, 0.0)] * 3, -1, id="two would still have 35 % spare"),
        pytest.param([(0.50, 0.0)] * 3, 0, id="two would have 5 % spare"),
        pytest.param([(0.90, 0.0)] * 2, 1, id="all saturated leaves nothing spare"),
        pytest.param([(0.30, 2.5)] * 3, 1, id="the queue's spare counts too"),
        pytest.param([(0.10, 1.5)] * 3, 0, id="the moved queue forbids a shrink"),
        pytest.param([(0.10, 0.0)], 0, id="the last one stays"),
    ],
)
def test_saturation_moves_by_one_on_spare_kv_and_queue(
    loads: list[tuple[float, float]], expected: int
) -> None:
    assert step(loads, Thresholds()) == expected


@pytest.mark.parametrize(
    ("demand", "ready", "coming", "expected"),
    [
        pytest.param(190e3, 2, 0, 1, id="23.5k are missing"),
        pytest.param(190e3, 2, 1, 0, id="the one that comes has them"),
        pytest.param(130e3, 4, 0, -2, id="214k are spare"),
    ],
)
def test_tokens_move_by_what_is_required_or_spare(
    demand: float, ready: int, coming: int, expected: int
) -> None:
    assert change(100e3, demand, ready=ready, coming=coming, up=0.85, down=0.70) == expected


def test_the_second_hop_is_a_loop_late() -> None:
    hop = Hop()
    assert [hop.follow(4, 3, now) for now in (0.0, 15.0)] == [3, 4]


def test_the_second_hop_swallows_one_more_above_ten() -> None:
    hop = Hop()
    assert [hop.follow(12, 11, now) for now in (0.0, 15.0)] == [11, 11]


def test_saturation_holds_while_a_replica_starts() -> None:
    policy = WvaSaturation(briefing())
    replicas = (*fleet(2, kv_usage_ratio=0.78), *starting(1))
    counts = [policy.decide(seen(replicas, now=now, desired=3)).desired for now in (0.0, 15.0)]
    assert counts == [3, 3]


def test_saturation_spreads_the_gateways_queue() -> None:
    policy = WvaSaturation(briefing())
    for now in (0.0, 15.0):
        count = policy.decide(seen(fleet(2), now=now, queued=8.0)).desired
    assert count == 3


def _traffic(now: float, **more: float) -> dict[str, float]:
    """One request a second of 1,000 prompt and 500 answer tokens on each replica."""
    return {
        "first_tokens_total": now,
        "prompt_tokens_total": 1000.0 * now,
        "prefill_tokens_total": 1000.0 * now,
        "decode_tokens_total": 500.0 * now,
        **more,
    }


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param(0.79, 3, id="a full pool grows"),
        pytest.param(0.001, 1, id="an idle one shrinks"),
    ],
)
def test_tokens_follow_the_share_of_the_pool_that_is_held(held: float, expected: int) -> None:
    policy, telemetry = WvaTokens(briefing(kv_capacity_tokens=1e6)), Telemetry()
    for now in (15.0, 30.0, 45.0, 60.0):
        replicas = fleet(
            2, kv_usage_ratio=held, waiting=6.0 if held > 0.5 else 0.0, **_traffic(now)
        )
        count = policy.decide(seen(replicas, now=now, telemetry=telemetry)).desired
    assert count == expected


def test_the_model_sizes_for_the_latency_objective() -> None:
    policy, telemetry = WvaModel(briefing(), use_ratio=1.0), Telemetry()
    each = policy.requests_per_second(1000.0, 500.0)
    assert each == pytest.approx(68.08 / (1 / 30) / 500.0, rel=1e-3)  # 30.53 ms / 0.4486 ms
    for now in (15.0, 30.0, 45.0, 60.0, 75.0):
        replicas = fleet(10, **_traffic(now))
        count = policy.decide(seen(replicas, now=now, telemetry=telemetry)).desired
    assert count == 3  # ten requests a second at four a replica


def test_the_model_keeps_the_count_before_anything_came() -> None:
    policy = WvaModel(briefing())
    for now in (0.0, 15.0):
        assert policy.decide(seen(fleet(4), now=now)).desired == 4
