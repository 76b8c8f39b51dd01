"""Prefix caches: a replica's own, lost with it, and worth staying for."""

from tests.unit.simulate_fast.worlds import FLASH, holding, trace_of

from v4operator.simulate.fast.fleet import FleetSimulation, Setting

# One conversation: each prompt is the one before, its answer, and 100 tokens more.
TURNS = 6
PROMPTS = [2000 + 150 * turn for turn in range(TURNS)]
PREFIXES = [0] + [2050 + 150 * turn for turn in range(TURNS - 1)]


def conversation(sessions: int, *, apart: float = 10.0) -> FleetSimulation:
    """That many conversations that take turns, on two replicas."""
    order = [(turn * apart + s * 0.5, s, turn) for turn in range(TURNS) for s in range(sessions)]
    trace = trace_of(
        [at for at, _, _ in order],
        prompt=[PROMPTS[turn] for _, _, turn in order],
        output=50,
        session=[s for _, s, _ in order],
        prefix=[PREFIXES[turn] for _, _, turn in order],
        seconds=100.0,
    )
    return FleetSimulation(trace, Setting(profile=FLASH, router="affinity", initial_replicas=2))


def test_a_session_that_stays_finds_all_of_its_prefix() -> None:
    result = conversation(3).result()

    assert result.cache_hit_ratio == sum(PREFIXES) / sum(PROMPTS)


def test_the_cache_goes_with_its_replica() -> None:
    fleet = conversation(3)
    fleet.advance(25.0)
    fleet.set_desired(1)

    kept = fleet.result().cache_hit_ratio

    assert 0 < kept < sum(PREFIXES) / sum(PROMPTS)
    assert fleet._state.home.tolist() == [0, 0, 0]


def test_a_new_replica_in_the_same_place_begins_cold() -> None:
    fleet = conversation(1)
    fleet.advance(15.0)
    home = int(fleet._state.home[0])
    assert fleet._state.cache[home, 0].tokens > 0
    fleet.set_routable(f"replica-{1 - home}", routable=False)
    fleet.set_desired(1, victim=f"replica-{home}")
    fleet.set_desired(2)

    fleet.advance(600.0)

    assert [int(fleet._state.cache[slot, 0].tokens) for slot in (0, 1)] == [0, 0]


def test_without_a_session_the_prefix_is_held_everywhere() -> None:
    trace = trace_of([0.0, 5.0], prompt=1000, prefix=[600, 600], seconds=20.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH, initial_replicas=2))

    assert fleet.result().cache_hit_ratio == 0.6
    assert sum(replica.prefill_tokens_total for replica in fleet.metrics()) == 800


def test_the_last_prompt_token_is_always_computed() -> None:
    trace = trace_of([0.0], prompt=1000, prefix=[1000], seconds=20.0)
    fleet = FleetSimulation(trace, Setting(profile=FLASH))
    fleet.result()

    assert fleet.metrics()[0].prefill_tokens_total == 1


def test_the_least_recently_used_session_makes_room() -> None:
    trace = trace_of(
        [0.0, 10.0, 20.0, 30.0, 40.0],
        prompt=[1000, 1000, 1000, 1200, 1200],
        session=[0, 1, 2, 0, 2],
        prefix=[0, 0, 0, 1050, 1050],
        seconds=60.0,
    )
    fleet = FleetSimulation(trace, Setting(profile=holding(3000)))
    fleet.result()

    assert fleet._state.requests.cached.tolist() == [0, 0, 0, 0, 1050]


def test_a_session_leaves_home_when_the_queue_there_costs_more_than_its_prefix_saves() -> None:
    trace = trace_of(
        [0.0, 10.0, 10.5, 11.0],
        prompt=[500, 600, 40_000, 1000],
        output=[10, 100, 2000, 10],
        session=[0, 0, 0, 0],
        prefix=[0, 510, 510, 510],
        seconds=60.0,
    )
    fleet = FleetSimulation(trace, Setting(profile=FLASH, router="affinity", initial_replicas=2))
    fleet.set_routable("replica-1", routable=False)
    fleet.advance(5.0)
    fleet.set_routable("replica-1", routable=True)
    fleet.result()

    assert fleet._state.requests.slot.tolist() == [0, 0, 0, 1]
    assert fleet._state.requests.cached.tolist() == [0, 510, 510, 0]
