import pytest
from tests.unit.simulate_policies.worlds import briefing, fleet, seen

from v4operator.simulate.policies.kpa import KnativeConcurrency
from v4operator.simulate.policies.telemetry import Telemetry


def _kpa(**knobs: float) -> KnativeConcurrency:
    return KnativeConcurrency(briefing(), concurrency=10.0, **knobs)


def test_twice_the_target_on_one_pod_is_panic_and_asks_for_three() -> None:
    kpa = _kpa()
    assert kpa.candidate(7.0, 14.1, ready=1, now=0.0) == 3
    assert kpa.panics


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(59.0, 3, id="within the stable window nothing shrinks"),
        pytest.param(61.0, 1, id="after it the stable count holds"),
    ],
)
def test_panic_ends_a_stable_window_after_the_last_overload(seconds: float, expected: int) -> None:
    kpa = _kpa()
    kpa.candidate(7.0, 14.1, ready=1, now=0.0)
    assert kpa.candidate(3.0, 3.0, ready=2, now=seconds) == expected


def test_overload_prolongs_the_panic() -> None:
    kpa = _kpa()
    kpa.candidate(7.0, 14.1, ready=1, now=0.0)
    kpa.candidate(7.0, 14.1, ready=1, now=50.0)
    assert kpa.candidate(1.0, 1.0, ready=3, now=100.0) == 3


def test_a_tick_at_most_halves_the_ready_pods() -> None:
    assert _kpa().candidate(0.0, 0.0, ready=9, now=0.0) == 4


def test_the_delay_keeps_the_highest_candidate() -> None:
    kpa, telemetry = _kpa(delay_seconds=100.0), Telemetry()
    for now, running in ((0.0, 21.0), (70.0, 7.0), (101.0, 7.0), (171.0, 0.0)):
        step = kpa.decide(seen(fleet(1, running=running), now=now, telemetry=telemetry))
        if now < 100.0:
            assert step.desired == 3
    assert step.desired == 1


def test_without_data_there_is_no_decision() -> None:
    telemetry = Telemetry()
    state = seen(fleet(3, running=1.0), telemetry=telemetry)
    late = type(state)(now=500.0, desired=3, replicas=state.replicas, telemetry=telemetry)
    assert _kpa().decide(late).desired == 3
