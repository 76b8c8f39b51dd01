"""One case of one alert, and the shapes that many alerts share, in promtool's notation.

Values come one a minute: `1x30` is 1 and thirty times the same, `0+60x30` grows by 60 each time,
`_x5` is missing, `stale` ends the series as a scrape without it does.
"""

from dataclasses import dataclass
from enum import StrEnum

Series = dict[str, str]


class Kind(StrEnum):
    """What a case shows. `tests/rules/test_cases.py` says which each alert must have."""

    FIRES = "fires and resolves"
    OTHER = "something that looks alike"
    LOAD_SWING = "a load swing"
    SCALE_UP = "a new replica"
    RESTART = "a restart"
    COUNTER_RESET = "counters that begin again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, and the minutes at which the alert fires or is silent.

    `needless`: series without which it fires all the same.
    """

    alert: str
    kind: Kind
    name: str
    series: Series
    fires: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    interval: str = "1m"
    needless: tuple[str, ...] = ()


def d(metric: str, **labels: str) -> str:
    """A series of the deployment."""
    return series(metric, namespace="n", v4deployment="d", **labels)


def r(metric: str, **labels: str) -> str:
    """A series of the replica."""
    return d(metric, replica="d-0", **labels)


def series(metric: str, **labels: str) -> str:
    """A series as PromQL spells it."""
    told = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{told}}}"


def flag(
    alert: str, beside: Series, held: str, minutes: int, *, value: str = "1", rest: str = "0"
) -> tuple[Case, Case]:
    """A series that takes a value and gives it up; and for too short, again and again."""
    on, off = minutes + 10, 40
    short = max(1, minutes - 2)
    swing = " ".join(f"{_times(value, short)} {_times(rest, 4)}" for _ in range(4))
    return (
        Case(
            alert=alert,
            kind=Kind.FIRES,
            name="fires after its time",
            series={**beside, held: f"{_times(rest, 9)} {_times(value, on)} {_times(rest, off)}"},
            fires=(minutes + 12, minutes + 19),
            silent=(9, 9 + minutes, minutes + 23),
        ),
        Case(
            alert=alert,
            kind=Kind.RESTART,
            name="it comes and goes with restarts of the operator",
            series={**beside, held: f"{_times(rest, 9)} {swing} {_times(rest, 30)}"},
            silent=(9, 10 + minutes - 1, 15 + 2 * minutes, 70),
        ),
    )


def _times(value: str, more: int) -> str:
    return f"stale _x{more}" if value == "_" else f"{value}x{more}"
