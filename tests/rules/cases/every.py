"""All cases, by alert."""

from tests.rules.cases import memory, objectives, operating, scaling, throughput
from tests.rules.cases.case import Case

CASES: tuple[Case, ...] = (
    *operating.CASES,
    *throughput.CASES,
    *memory.CASES,
    *objectives.CASES,
    *scaling.CASES,
)


def of(alert: str) -> tuple[Case, ...]:
    """The cases of one alert."""
    return tuple(case for case in CASES if case.alert == alert)
