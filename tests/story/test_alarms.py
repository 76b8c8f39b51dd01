"""Alarms in the simulated fleet: a few of the incidents that `tests.bench.alarms` plays in full."""

import pytest
from tests.bench.alarms import noisy, tried


@pytest.mark.parametrize(
    ("truth", "kind", "loss"),
    [
        pytest.param("linear", "one slow", 0.35, id="a third slower, alone"),
        pytest.param("captured", "all slow", 0.35, id="a third slower, all"),
    ],
)
def test_a_loss_is_named_by_its_cause_within_its_time(truth: str, kind: str, loss: float) -> None:
    found = tried(noisy(truth, 0.05), kind, loss, 1)
    assert found.early == 0
    assert found.right, found.told
