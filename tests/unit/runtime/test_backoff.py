from __future__ import annotations

import pytest

from v4operator.runtime.backoff import Backoff

_BACKOFF = Backoff(base_seconds=0.1, cap_seconds=30.0)


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [
        (1, 0.0, 0.1),
        (2, 0.0, 0.2),
        (4, 0.0, 0.8),
        (9, 0.0, 25.6),
        (10, 0.0, 30.0),
        (10_000, 0.0, 30.0),
        (0, 0.0, 0.1),
        (10, 0.5, 22.5),
        (1, 1.0, 0.05),
    ],
    ids=[
        "first",
        "second",
        "fourth",
        "below the cap",
        "at the cap",
        "no overflow",
        "none at all",
        "chance shortens",
        "never below half",
    ],
)
def test_the_pause_doubles_up_to_its_cap(failures: int, chance: float, seconds: float) -> None:
    assert _BACKOFF.seconds(failures, chance) == pytest.approx(seconds)
