import pytest

from v4operator.estimate.startup import time_to_ready, watch
from v4operator.model.learned import StartUps
from v4operator.model.replica import Phase, Replica

FLASH, PRO = "deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Pro"


def replica(name: str, *, created: float = 0.0, ready: float | None = None) -> Replica:
    phase = Phase.STARTING if ready is None else Phase.READY
    return Replica(name=name, address="", phase=phase, created_at=created, ready_at=ready)


def started(*durations: float) -> StartUps:
    return StartUps(durations_seconds=durations)


@pytest.mark.parametrize(
    ("checkpoint", "seen", "seconds", "source"),
    [
        pytest.param(FLASH, (), 480.0, "prior for V4-Flash", id="Flash, nothing seen"),
        pytest.param(PRO, (), 900.0, "prior for V4-Pro", id="Pro, nothing seen"),
        pytest.param(FLASH, (300.0,), 390.0, "median of 1 start and the prior", id="one"),
        pytest.param(FLASH, (100.0, 110.0), 110.0, "median of 2 starts and the prior", id="two"),
        pytest.param(
            FLASH, (200.0, 210.0, 220.0, 5000.0), 220.0, "median of 4 starts and the prior",
            id="one very long start",
        ),
    ],
)  # fmt: skip
def test_time_to_ready_is_the_median_of_starts_and_prior(
    checkpoint: str, seen: tuple[float, ...], seconds: float, source: str
) -> None:
    found = time_to_ready(started(*seen), checkpoint)
    assert (found.seconds, found.source) == (seconds, source)


def test_a_replica_seen_on_its_way_up_teaches_its_duration_once() -> None:
    seen = watch(StartUps(), [replica("a", created=100.0)])
    seen = watch(seen, [replica("a", created=100.0, ready=400.0)])
    seen = watch(seen, [replica("a", created=100.0, ready=400.0)])
    assert seen.durations_seconds == (300.0,)


def test_a_replica_found_ready_teaches_nothing() -> None:
    seen = watch(StartUps(), [replica("a", created=100.0, ready=101.0)])
    assert seen.durations_seconds == ()


def test_a_start_that_never_ends_teaches_nothing() -> None:
    seen = watch(StartUps(), [replica("a")])
    assert watch(seen, []) == StartUps()


def test_only_the_last_nine_starts_are_kept() -> None:
    seen = started(*(float(n) for n in range(1, 10)))
    seen = watch(seen, [replica("a", created=0.0)])
    seen = watch(seen, [replica("a", created=0.0, ready=50.0)])
    assert seen.durations_seconds == (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 50.0)
