"""Throughput verdicts over hours of a synthetic fleet: faults are named, healthy load is not."""

from math import cos, pi
from typing import Any

import pytest
from tests.plant import FAULTS, FLASH, Fleet, scaled, swing

from v4operator.model.forecast import Forecast, ThroughputVerdict

FAULT_AT = 1800.0
LATE_FAULT_AT = 7200.0  # when the reference has closed over the whole swing


def slowed(names: str, ratio: float, since: float = FAULT_AT) -> dict[str, Any]:
    """Replicas whose names end in one of the digits decode only `ratio` of what they should."""

    def slow(name: str, time: float) -> float:
        return 1.0 / ratio if name[-1] in names and time > since else 1.0

    return {"slow": slow}


def first_fault(fleet: Fleet, hours: float) -> Forecast | None:
    return next((f for f in fleet.run(hours) if f.throughput.verdict in FAULTS), None)


def verdicts(fleet: Fleet, hours: float) -> set[ThroughputVerdict]:
    return {f.throughput.verdict for f in fleet.run(hours)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_hours_of_healthy_swings_raise_nothing(seed: int) -> None:
    assert first_fault(Fleet(rate=swing, seed=seed), 2.0) is None


def test_changing_prompts_and_a_daily_curve_raise_nothing() -> None:
    fleet = Fleet(
        rate=lambda t: swing(t) * (1.0 + 0.3 * cos(2 * pi * t / 14400)),
        prompt=lambda t: 1200.0 + 800.0 * cos(t / 3000),
    )
    assert first_fault(fleet, 4.0) is None


@pytest.mark.parametrize("factor", [1 / 3, 3.0], ids=["prior 3x too fast", "prior 3x too slow"])
def test_a_wrong_prior_raises_nothing(factor: float) -> None:
    assert first_fault(Fleet(rate=swing, prior=scaled(FLASH, factor)), 1.0) is None


@pytest.mark.parametrize(
    ("ratio", "within"),
    [
        pytest.param(0.5, 300.0, id="half speed"),
        pytest.param(0.65, 300.0, id="35 % less"),
        pytest.param(0.85, 900.0, id="15 % less"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_slow_replica_of_four_is_named_in_time(ratio: float, within: float, seed: int) -> None:
    fleet = Fleet(rate=swing, seed=seed, **slowed("2", ratio))
    found = first_fault(fleet, 0.8)
    assert found is not None
    assert found.throughput.verdict is ThroughputVerdict.SICK_REPLICA
    assert found.throughput.replica == "flash-2"
    assert FAULT_AT < found.now <= FAULT_AT + within


def test_the_sentence_gives_the_figures_and_the_peers() -> None:
    *_, last = Fleet(rate=lambda _t: 6.0, **slowed("2", 0.5)).run(0.7)
    assert last.throughput.sentence.startswith("replica flash-2 decodes ")
    assert "% of the " in last.throughput.sentence
    assert "; its 3 peers are at " in last.throughput.sentence
    sick = last.replicas[2]
    assert sick.efficiency_ratio == pytest.approx(0.5, abs=0.08)
    assert sick.speed_ratio == pytest.approx(0.5, abs=0.08)
    assert [r.speed_ratio for r in last.replicas if r.name != "flash-2"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("factor", [1 / 3, 3.0], ids=["prior 3x too fast", "prior 3x too slow"])
def test_peers_show_a_sick_replica_while_the_prior_is_wrong(factor: float) -> None:
    fleet = Fleet(rate=swing, prior=scaled(FLASH, factor), **slowed("2", 0.5, since=0.0))
    found = first_fault(fleet, 0.5)
    assert found is not None
    assert found.throughput.replica == "flash-2"
    assert found.now <= 900.0


def test_a_cured_replica_is_cleared() -> None:
    fleet = Fleet(
        rate=swing,
        slow=lambda name, t: 2.0 if name == "flash-2" and 1800.0 < t < 3000.0 else 1.0,
    )
    found = {f.now: f.throughput.verdict for f in fleet.run(1.5)}
    assert found[3000.0] is ThroughputVerdict.SICK_REPLICA
    assert found[5400.0] not in FAULTS


@pytest.mark.parametrize(
    ("ratio", "within"),
    [pytest.param(0.65, 300.0, id="35 %"), pytest.param(0.85, 900.0, id="15 %")],
)
def test_a_loss_of_all_is_told_against_the_reference(ratio: float, within: float) -> None:
    found = first_fault(Fleet(rate=swing, **slowed("0123", ratio, LATE_FAULT_AT)), 2.5)
    assert found is not None
    assert found.throughput.verdict is ThroughputVerdict.DEGRADED
    assert found.now <= LATE_FAULT_AT + within
    assert "replicas are behind" in found.throughput.sentence
    assert found.throughput.sentence.endswith("when it was new")


def test_of_two_replicas_the_slow_one_is_degraded_and_not_sick() -> None:
    fleet = Fleet(
        rate=lambda t: swing(t) / 2, names=("flash-0", "flash-2"), **slowed("2", 0.5, LATE_FAULT_AT)
    )
    found = first_fault(fleet, 2.3)
    assert found is not None
    assert found.throughput.verdict is ThroughputVerdict.DEGRADED
    assert found.throughput.replica == "flash-2"
    assert found.now <= LATE_FAULT_AT + 300.0


def test_a_slow_leak_is_sized_for_and_reported() -> None:
    fleet = Fleet(
        rate=swing, slow=lambda _n, t: 1.0 + 0.1 * max(0.0, t - LATE_FAULT_AT) / 3600.0, seed=2
    )
    course = list(fleet.run(6.0))
    new, old = course[int(LATE_FAULT_AT / 5.0)], course[-1]
    assert new.capacity is not None
    assert old.capacity is not None
    # after four hours a step takes 1.4 times as long; the sizing fit lags by less than 10 %
    shrunk = old.capacity.decode_tokens_per_second / new.capacity.decode_tokens_per_second
    assert 1 / 1.4 - 0.05 < shrunk < 1.1 / 1.4 + 0.02
    assert old.throughput.verdict is ThroughputVerdict.DEGRADED
    assert old.throughput.efficiency_ratio == pytest.approx(1 / 1.4, abs=0.06)


def test_fewer_accepted_draft_tokens_are_named_as_the_cause() -> None:
    fleet = Fleet(
        rate=swing,
        accept=lambda _n, t: 1.8 if t > LATE_FAULT_AT else 2.5,
        **slowed("0123", 1.8 / 2.5, LATE_FAULT_AT),
    )
    found = first_fault(fleet, 2.4)
    assert found is not None
    assert found.throughput.verdict is ThroughputVerdict.ACCEPTANCE_DROPPED
    assert "tokens a step, normally 2.50" in found.throughput.sentence


def test_a_replica_without_a_token_is_stalled() -> None:
    fleet = Fleet(rate=swing, stuck=lambda name, t: name == "flash-1" and t > FAULT_AT)
    found = first_fault(fleet, 0.6)
    assert found is not None
    assert found.throughput.verdict is ThroughputVerdict.STALLED
    assert found.throughput.replica == "flash-1"
    assert found.replicas[1].speed_ratio == 0.0
    assert found.now <= FAULT_AT + 60.0


def test_longer_prompts_that_slow_every_request_are_a_change_of_mix() -> None:
    fleet = Fleet(rate=lambda _t: 8.0, prompt=lambda t: 8000.0 if t > 3600.0 else 1200.0)
    found = verdicts(fleet, 1.2)
    assert ThroughputVerdict.MIX_CHANGED in found
    assert not found & FAULTS


def test_too_much_load_is_overload_and_no_fault() -> None:
    found = verdicts(Fleet(rate=lambda t: 6.0 if t < 1800.0 else 16.0), 1.0)
    assert ThroughputVerdict.OVERLOADED in found
    assert not found & FAULTS


def test_the_first_minutes_of_a_fresh_replica_raise_nothing() -> None:
    fleet = Fleet(
        rate=swing,
        ready_at={"flash-3": FAULT_AT},
        slow=lambda name, t: 3.0 if name == "flash-3" and 0 <= t - FAULT_AT < 180.0 else 1.0,
    )
    assert first_fault(fleet, 1.0) is None


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_prior_is_corrected_within_the_hour(factor: float) -> None:
    right = list(Fleet(rate=swing).run(1.0))[-1].capacity
    found = list(Fleet(rate=swing, prior=scaled(FLASH, factor)).run(1.0))[-1].capacity
    assert right is not None
    assert found is not None
    assert found.decode_tokens_per_second == pytest.approx(right.decode_tokens_per_second, rel=0.05)
    assert found.source == "fitted on this fleet"


def test_silent_replicas_are_unknown_with_the_reason() -> None:
    *_, last = Fleet(rate=swing, silent=lambda name, t: name == "flash-1" and t > 900.0).run(0.3)
    assert last.replicas[1].verdict is ThroughputVerdict.UNKNOWN
    assert last.replicas[1].sentence == (
        "replica flash-1 gives no fresh metrics: connection refused"
    )
    assert last.demand.computable
