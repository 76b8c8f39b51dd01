import pytest

from v4operator.simulate.request import Ending, Request
from v4operator.simulate.truth import Objective, Truth

OBJECTIVE = Objective(ttft_seconds=2.0, inter_token_latency_seconds=0.033, attainment=0.99)


def ended(
    at: float,
    *,
    ttft: float | None = 1.0,
    tpot: float = 0.02,
    output: int = 100,
    ending: Ending = Ending.FINISHED,
) -> Request:
    request = Request(at, 500, output)
    request.ending = ending
    request.first_token_at = None if ttft is None else at + ttft
    request.ended_at = at + (ttft or 0.0) + tpot * (output - 1)
    return request


@pytest.mark.parametrize(
    ("request_", "met"),
    [
        pytest.param(ended(0), True, id="in time"),
        pytest.param(ended(0, ttft=2.1), False, id="first token late"),
        pytest.param(ended(0, tpot=0.034), False, id="tokens slow"),
        pytest.param(ended(0, tpot=0.5, output=15), True, id="short answers count TTFT only"),
        pytest.param(ended(0, output=1), True, id="one token has no gap"),
        pytest.param(ended(0, ending=Ending.TIMED_OUT, ttft=None), False, id="timed out"),
        pytest.param(ended(0, ending=Ending.CUT), False, id="cut"),
    ],
)
def test_objective_is_met_by(request_: Request, met: bool) -> None:  # noqa: FBT001 - a table
    assert OBJECTIVE.met_by(request_) is met


def test_attainment_and_percentiles_are_those_of_the_span_asked_for() -> None:
    truth = Truth(OBJECTIVE)
    truth.record(ended(at, ttft=5.0) for at in range(100))
    truth.record(ended(at, ttft=1.0 if at % 20 else 1.5, tpot=0.01) for at in range(100, 200))
    late = truth.judge(since=100)
    assert (late.requests, late.missed, late.attainment) == (100, 0, 1.0)
    assert late.ttft_p50 == pytest.approx(1.0, rel=0.02)
    assert late.ttft_p95 == pytest.approx(1.0, rel=0.02)
    assert late.itl_p95 == pytest.approx(0.01, rel=0.02)
    whole = truth.judge()
    assert (whole.requests, whole.missed, whole.attainment) == (200, 100, 0.5)
    assert whole.ttft_p95 == pytest.approx(5.0, rel=0.02)
    assert truth.judge(since=100, until=150).requests == 50


def test_nothing_asked_is_not_attained_nor_missed() -> None:
    judgement = Truth(OBJECTIVE).judge()
    assert (judgement.requests, judgement.attainment, judgement.ttft_p50) == (0, None, None)
    assert Truth(OBJECTIVE).broken_at() is None


def test_the_objective_breaks_at_the_end_of_the_first_minute_that_falls_short() -> None:
    truth = Truth(OBJECTIVE)
    truth.record(ended(at / 10) for at in range(3000))
    truth.record([ended(125.0, ttft=3.0)])
    assert truth.broken_at() is None  # one in 601
    truth.record(ended(205.0, ttft=3.0) for _ in range(7))
    assert truth.broken_at() == 210.0
    assert truth.broken_at(since=210) is None


def test_a_client_that_hangs_up_is_nobodys_miss_and_a_cut_stream_is_counted() -> None:
    truth = Truth(OBJECTIVE)
    truth.record([ended(1, ending=Ending.ABORTED), ended(1, ending=Ending.CUT)])
    assert truth.judge().requests == 1
    assert truth.cut_streams == 1
