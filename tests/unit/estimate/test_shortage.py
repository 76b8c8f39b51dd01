import pytest

from v4operator.estimate.shortage import least_used_share, with_block
from v4operator.model.learned import Shortage

HOUR = 120  # half minutes


def lived(*hours: tuple[float, int]) -> Shortage:
    """After hours of that much work on so many ready replicas."""
    shortage = Shortage()
    for work, ready in hours:
        for _ in range(HOUR):
            shortage = with_block(shortage, work_replicas=work, ready=ready, block_seconds=30.0)
    return shortage


def test_only_work_beyond_the_ready_replicas_is_short() -> None:
    enough, short = lived((3.0, 4)), lived((3.0, 2))
    assert enough.short_replica_seconds == 0.0
    assert short.short_replica_seconds == pytest.approx(3600.0, rel=0.01)
    assert short.work_replica_seconds == pytest.approx(10800.0, rel=0.01)
    assert short.seconds == pytest.approx(3600.0, rel=0.01)


def test_lost_requests_are_short_though_replicas_seemed_enough() -> None:
    lost = with_block(Shortage(), work_replicas=3.0, ready=4, lost_replicas=0.5, block_seconds=30.0)
    assert lost.short_replica_seconds == pytest.approx(15.0)


def test_half_of_a_week_is_forgotten_in_the_next() -> None:
    week = 7 * 86400.0
    once = with_block(Shortage(), work_replicas=2.0, ready=1, block_seconds=30.0)
    later = with_block(once, work_replicas=0.0, ready=1, block_seconds=week)
    assert later.short_replica_seconds == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("attainment", "share"),
    [
        pytest.param(0.99, 0.03, id="99 %"),
        pytest.param(0.999, 0.003, id="99.9 %"),
        pytest.param(0.95, 0.03, id="a lower one is for requests that no fleet serves in time"),
        pytest.param(1.0, 0.0, id="all: no replica is too many"),
    ],
)
def test_before_any_evidence_the_share_follows_the_objective(
    attainment: float, share: float
) -> None:
    assert least_used_share(Shortage(), attainment) == pytest.approx(share)


def test_just_the_allowed_shortage_changes_nothing() -> None:
    allowed = Shortage(
        short_replica_seconds=500.0, work_replica_seconds=100_000.0, seconds=50_000.0
    )
    assert least_used_share(allowed, 0.99) == pytest.approx(0.03)


def test_calm_holds_fewer_replicas_and_a_shortage_more_both_within_bounds() -> None:
    fresh = least_used_share(Shortage(), 0.99)
    assert least_used_share(lived((3.0, 4)), 0.99) == pytest.approx(fresh * 4 / 3, rel=0.01)
    assert least_used_share(lived(*[(3.0, 4)] * 100), 0.99) == pytest.approx(4.0 * fresh)
    assert least_used_share(lived((3.0, 2)), 0.99) == pytest.approx(fresh / 6.0)


def test_a_fleet_without_work_is_not_short() -> None:
    assert least_used_share(lived((0.0, 0)), 0.99) > least_used_share(Shortage(), 0.99)
