"""The operator in the loop: what it is given, and that what it says is carried out."""

from typing import Any

import pytest
from tests.unit.simulate_policies.worlds import LAW, Figures, briefing, fleet, seen, starting

from v4operator.model.replica import Phase
from v4operator.simulate.policies.ours import Ours, reading_of, replica_of
from v4operator.simulate.policies.policy import Seen, Step
from v4operator.simulate.policies.registry import POLICIES
from v4operator.simulate.policies.telemetry import Telemetry

PROFILE = "flash-fp8-4xh200"


def ours(*, gateway: bool = False) -> Ours:
    made = POLICIES["ours"].build(PROFILE, briefing(gateway=gateway))
    assert isinstance(made, Ours)
    return made


def traffic(now: float, rate: float, **more: float) -> dict[str, Any]:
    """A replica that begins and ends `rate` requests a second of 1,000 and 500 tokens.

    As many run as the law of the catalogue says: N = a X / (1 - (b + 2 d) X) for X tokens a second.
    """
    tokens = 500.0 * rate
    each = LAW.per_sequence_seconds + 2.0 * LAW.per_prefill_token_seconds
    running = LAW.base_seconds * tokens / (1.0 - each * tokens)
    return {
        "first_tokens_total": rate * now,
        "prompt_tokens_total": 1000.0 * rate * now,
        "prefill_tokens_total": 1000.0 * rate * now,
        "decode_tokens_total": 500.0 * rate * now,
        "finished_total": rate * now,
        "finished_decode_tokens_total": 500.0 * rate * now,
        "running": running,
        "resident_tokens": 1250.0 * running,
        **more,
    }


def course(policy: Ours, count: int, rate: float, *, queued: float = 0.0) -> list[Step]:
    telemetry, steps = Telemetry(), []
    for index in range(1, 21):
        now = policy.period_seconds * index
        replicas = fleet(count, **traffic(now, rate))
        waits = queued * max(0, index - 10)
        steps.append(policy.decide(seen(replicas, now=now, telemetry=telemetry, queued=waits)))
    return steps


def test_a_reading_carries_every_figure_of_the_scrape() -> None:
    figures = Figures(name="r", **traffic(10.0, 2.0, waiting=3.0, kv_usage_ratio=0.4))
    reading = reading_of(figures)
    assert (reading.running_requests, reading.waiting_requests) == (figures.running, 3.0)
    assert reading.kv_usage_ratio == 0.4
    assert reading.decode_tokens_total == 10_000.0
    assert not reading.decode_includes_first_token
    assert reading.first_tokens_total == reading.finished_requests_total == 20.0
    assert reading.prompt_tokens_total == reading.prefill_tokens_total == 20_000.0
    assert reading.resident_tokens == figures.resident_tokens
    assert reading.accept_length is None


@pytest.mark.parametrize("phase", ["pending", "starting", "ready", "draining"])
def test_a_phase_means_the_same_to_the_operator(phase: str) -> None:
    replica = replica_of(Figures(name="r", phase=phase, routable=False))
    assert (replica.phase, replica.routable) == (Phase(phase), False)


def test_a_steady_load_that_fits_changes_nothing() -> None:
    assert {step.desired for step in course(ours(gateway=True), 4, 1.8)} == {4}


def test_a_load_beyond_the_fleet_grows_it() -> None:
    assert course(ours(), 2, 3.5)[-1].desired > 2


def test_a_queue_at_the_gateway_counts_as_demand() -> None:
    calm = course(ours(gateway=True), 3, 3.0)[-1].desired
    rush = course(ours(gateway=True), 3, 3.0, queued=100.0)[-1].desired
    assert rush > calm + 1


def test_without_a_gateway_its_figures_are_not_looked_at() -> None:
    assert course(ours(), 3, 3.0, queued=100.0)[-1] == course(ours(), 3, 3.0)[-1]


def test_blind_it_never_shrinks() -> None:
    policy, telemetry = ours(), Telemetry()
    silent = tuple(Figures(name=f"r{i}", answered=False) for i in range(5))
    counts = set()
    for index in range(200):
        state = seen(silent, now=15.0 * index, telemetry=telemetry)
        counts.add(policy.decide(state).desired)
    assert counts == {5}


def test_a_drain_takes_the_victim_out_of_routing_and_then_lowers_the_count() -> None:
    policy, telemetry = ours(gateway=True), Telemetry()
    unrouted: set[str] = set()
    for index in range(1, 200):
        now = 15.0 * index
        replicas = tuple(
            Figures(
                name=f"r{i}",
                routable=f"r{i}" not in unrouted,
                **(traffic(now, 0.2) | ({"running": 0.0} if f"r{i}" in unrouted else {})),
            )
            for i in range(4)
        )
        step = policy.decide(seen(replicas, now=now, telemetry=telemetry))
        if step.desired < 4:
            break
        unrouted |= {name for name, routable in step.routable if not routable}
    assert step.desired == 3
    assert {step.victim} == unrouted


def test_what_was_decided_can_be_asked_for() -> None:
    policy = ours()
    assert policy.last is None
    state: Seen = seen((*fleet(1), *starting(1)), desired=2)
    policy.decide(state)
    assert policy.last is not None
    assert policy.last[1].decision.current == 2
