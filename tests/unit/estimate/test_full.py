from dataclasses import replace

import pytest
from tests.plant import DECODE_PRICE as PRICE

from v4operator.estimate.full import corrected, with_sample, work_ratio
from v4operator.model.learned import FleetSample, FullReplicas


def sample(time: float, tokens: float, *, waiting: float = 10.0, replicas: int = 2) -> FleetSample:
    return FleetSample(
        time=time,
        replicas=replicas,
        decode_tokens_per_second=tokens,
        prefill_tokens_per_second=0.0,
        prompt_tokens_per_second=0.0,
        first_tokens_per_second=None,
        finished_requests_per_second=None,
        running=80.0,
        waiting=waiting,
        kv_tokens=None,
    )


def lived(*samples: FleetSample, full: FullReplicas | None = None) -> FullReplicas:
    """After all of the samples, half a minute apart."""
    known = full or FullReplicas()
    for count, each in enumerate(samples):
        known = with_sample(known, each, samples[:count], PRICE, block_seconds=30.0)
    return known


def minutes(tokens: float, count: int = 40) -> list[FleetSample]:
    return [sample(30.0 * i, tokens) for i in range(count)]


def test_before_any_evidence_the_law_stands() -> None:
    assert work_ratio(FullReplicas()) == 1.0
    assert corrected(PRICE, FullReplicas()) == PRICE


def test_full_replicas_that_serve_less_are_believed_with_time() -> None:
    few, many = lived(*minutes(1600.0, 6)), lived(*minutes(1600.0, 100))
    assert 0.9 < work_ratio(few) < 1.0
    assert work_ratio(many) == pytest.approx(0.8, abs=0.02)


def test_the_corrected_price_is_what_full_replicas_did() -> None:
    price = corrected(PRICE, lived(*minutes(1600.0, 400)))
    assert price.replicas(1600.0, 0.0) == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(
            [replace(each, waiting=1.0) for each in minutes(1600.0)], id="nothing waits to speak of"
        ),
        pytest.param(
            [replace(s, waiting=10.0 * (i % 2)) for i, s in enumerate(minutes(1600.0))],
            id="now and then nothing waits",
        ),
        pytest.param(
            [replace(s, replicas=2 + i % 2) for i, s in enumerate(minutes(1600.0))],
            id="the fleet changes",
        ),
        pytest.param(minutes(1600.0, 2), id="less than a minute"),
        pytest.param(minutes(900.0), id="less than half: another cause"),
        pytest.param(minutes(0.0), id="stalled"),
        pytest.param([sample(200.0 * i, 1600.0) for i in range(9)], id="nobody looked for minutes"),
    ],
)
def test_other_minutes_tell_nothing_of_full_replicas(samples: list[FleetSample]) -> None:
    assert lived(*samples).blocks == 0.0


def test_more_than_the_law_expects_is_no_capacity() -> None:
    assert work_ratio(lived(*minutes(2600.0))) == 1.0


def test_half_is_forgotten_in_six_hours() -> None:
    known = FullReplicas(log_ratio_sum=-2.0, blocks=10.0)
    idle = sample(0.0, 100.0, waiting=0.0)
    later = with_sample(known, idle, (), PRICE, block_seconds=6 * 3600.0)
    assert later.blocks == pytest.approx(5.0)
    assert later.log_ratio_sum == pytest.approx(-1.0)
