"""Alarms in the simulated fleet: the first of the incidents that `tests.bench.alarms` plays."""

from tests.bench.alarms import random_incident

INCIDENTS = 20
LEAST_RIGHT = 19  # 95 %


def test_random_incidents_are_named_by_their_cause_within_their_time() -> None:
    found = [random_incident(number) for number in range(INCIDENTS)]
    assert [f for f in found if f.early] == []
    wrong = [f for f in found if not f.right]
    assert len(wrong) <= INCIDENTS - LEAST_RIGHT, wrong
