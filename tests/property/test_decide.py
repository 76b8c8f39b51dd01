"""What must hold of any fleet, any demand and any memory."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fleets import (
    START,
    World,
    demand,
    forecast,
    observation,
    observed,
    reading,
    replica,
    scaling,
    settled,
    silent,
)

from v4operator.act.plan import plan
from v4operator.decide.decide import decide
from v4operator.decide.need import replicas_needed
from v4operator.model.effects import SetReplicas
from v4operator.model.memory import Drain, PolicyMemory
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.replica import Phase
from v4operator.model.verdict import Decision

DEMANDS = st.floats(0, 40) | st.sampled_from([0.0, 1.0, 3.0, float("nan"), float("inf")])


@st.composite
def replicas(draw: st.DrawFn, name: str) -> ReplicaObservation:
    phase = draw(st.sampled_from(Phase))
    if phase is Phase.READY and draw(st.booleans()):
        return silent(name)
    made = replica(
        name,
        phase,
        created_at=START - draw(st.floats(0, 3000)),
        routable=draw(st.sampled_from([True, True, True, False])),
    )
    seen = observed(made)
    if phase is Phase.READY:
        running = draw(st.none() | st.integers(0, 60).map(float))
        seen = replace(seen, reading=reading(running_requests=running))
    return seen


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    size = draw(st.integers(0, 8))
    held = [draw(replicas(f"r{index}")) for index in range(size)]
    least = draw(st.integers(0, 6))
    bounds = scaling(min_replicas=least, max_replicas=draw(st.integers(max(1, least), 12)))
    desired = draw(st.integers(0, 10) | st.just(size))
    return observation(held, desired=desired, scaling=bounds)


@st.composite
def memories(draw: st.DrawFn) -> PolicyMemory:
    known = settled(4, draw(st.integers(0, 5)), every=60.0) if draw(st.booleans()) else None
    memory = known or PolicyMemory()
    if draw(st.booleans()):
        drain = Drain(
            victim=draw(st.sampled_from(["r0", "r1", "r2"])),
            since=START - draw(st.floats(0, 900)),
            count=draw(st.integers(1, 8)),
        )
        memory = replace(memory, drain=drain)
    return memory


def count_written(seen: Observation, decision: Decision) -> int:
    """The count after the effects: the present one where nothing is written."""
    verdict = decide(seen, forecast(demand(0.0)), PolicyMemory())[0]
    effects = plan(seen, replace(verdict, decision=decision))
    written = [e.count for e in effects if isinstance(e, SetReplicas)]
    return written[0] if written else seen.workload.desired or 0


@given(observations(), memories(), DEMANDS, DEMANDS)
def test_the_count_never_leaves_the_bounds_unless_it_is_outside_already(
    seen: Observation, memory: PolicyMemory, now: float, ahead: float
) -> None:
    verdict, _ = decide(seen, forecast(demand(now, ahead)), memory)
    count, bounds = count_written(seen, verdict.decision), seen.deployment.scaling
    current = seen.workload.desired or 0
    assert min(current, bounds.min_replicas) <= count <= max(current, bounds.max_replicas)


@given(observations(), memories(), DEMANDS, st.none() | st.just("too little seen"))
def test_blind_never_shrinks_and_never_takes_a_replica_out_of_routing(
    seen: Observation, memory: PolicyMemory, now: float, unknown: str | None
) -> None:
    asked = demand(now, computable=unknown is None, reason=unknown)
    verdict, _ = decide(seen, forecast(asked), memory)
    few = len(seen.fresh) * 3 < len(seen.ready) * 2 or not seen.fresh
    if few or unknown:
        assert count_written(seen, verdict.decision) >= (seen.workload.desired or 0)
        assert verdict.decision.drain is None


@given(observations(), memories(), st.floats(0, 40), st.floats(0, 10))
def test_more_demand_never_yields_fewer_replicas(
    seen: Observation, memory: PolicyMemory, now: float, more: float
) -> None:
    less = decide(seen, forecast(demand(now)), memory)[0].decision
    greater = decide(seen, forecast(demand(now + more)), memory)[0].decision
    assert greater.desired is not None
    assert less.desired is not None
    assert greater.desired >= less.desired
    assert count_written(seen, greater) >= count_written(seen, less)


@given(observations(), memories(), DEMANDS)
def test_every_cycle_yields_one_sentence_and_never_raises(
    seen: Observation, memory: PolicyMemory, now: float
) -> None:
    decision = decide(seen, forecast(demand(now)), memory)[0].decision
    assert decision.sentence
    assert "\n" not in decision.sentence
    assert decision.inputs


@given(observations(), memories(), DEMANDS)
def test_a_shrink_never_leaves_nobody_who_is_known_to_take_requests(
    seen: Observation, memory: PolicyMemory, now: float
) -> None:
    decision = decide(seen, forecast(demand(now)), memory)[0].decision
    ready = {r.replica.name for r in seen.ready}
    others = [r for r in seen.fresh if r.replica.routable and r.replica.name != decision.drain]
    if decision.drain in ready:
        assert others


@settings(max_examples=20)
@given(st.integers(1, 20), st.floats(0.05, 0.95))
def test_at_rest_the_count_stays_what_the_demand_asks_for(count: int, part: float) -> None:
    world = World.of_size(count, demand=demand(count - 1 + part), memory=settled(count, count))
    world.run(1800, every=30)
    assert set(world.counts) <= {count, count - 1}
    assert world.counts == sorted(world.counts, reverse=True)


@settings(max_examples=20)
@given(st.integers(1, 12), st.floats(0.1, 11.5))
def test_any_steady_demand_is_reached_and_the_count_never_turns_back(
    count: int, asked: float
) -> None:
    world = World.of_size(count, demand=demand(asked))
    world.run(4 * 3600, every=30)
    ups = [b > a for a, b in zip([count, *world.counts], world.counts, strict=False) if a != b]
    assert len(set(ups)) <= 1
    assert world.desired >= asked
    assert len(set(world.counts[-60:])) == 1


@given(st.floats(0, 1e4), st.lists(st.floats(0, 1), max_size=50))
def test_the_need_carries_the_demand_and_one_fewer_does_not(
    asked: float, capacities: list[float]
) -> None:
    need = replicas_needed(asked, capacities)
    fastest = sorted(capacities, reverse=True)

    def carried(count: int) -> float:
        return sum(fastest[:count]) + max(0, count - len(fastest))

    assert carried(need) >= asked - 1e-5
    if need:
        assert carried(need - 1) < asked + 1e-9


@pytest.mark.parametrize("count", range(1, 60))
def test_a_demand_of_exactly_n_takes_n(count: int) -> None:
    assert replicas_needed(sum([0.1] * 10 * count), [1.0] * count) == count
