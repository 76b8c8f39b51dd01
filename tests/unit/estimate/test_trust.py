"""How far a published speed is relied on, factor by factor."""

from dataclasses import replace
from datetime import date

import pytest

from v4operator.estimate.trust import age_months, trust
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.figures import Figure, Tag
from v4operator.model.step import StepTime

MEASURED = Figure(
    value=0.0, tag=Tag.MEASURED, source="a run", date="2026-11-01", engine_version="0.5.23"
)
PROFILE = PerformanceProfile(
    checkpoint="flash",
    engine="sglang",
    accelerator="b200",
    devices=4,
    step=StepTime(
        base_seconds=0.003,
        per_sequence_seconds=0.0003,
        per_kv_token_seconds=0.0,
        per_prefill_token_seconds=0.00002,
    ),
    max_running_requests=256,
    source=MEASURED,
    note=None,
)
NOVEMBER = date(2026, 11, 1)


def confidence(
    figure: Figure = MEASURED,
    *,
    checkpoint: str = "flash",
    engine: str = "sglang",
    version: str | None = "0.5.23",
    as_of: date = NOVEMBER,
) -> float:
    profile = replace(PROFILE, source=figure)
    return trust(
        profile, checkpoint=checkpoint, engine=engine, engine_version=version, as_of=as_of
    ).confidence


def test_a_fresh_measurement_of_the_very_thing_is_trusted_most() -> None:
    assert confidence() == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("found", "factor"),
    [
        (confidence(replace(MEASURED, tag=Tag.PUBLISHED)), 0.8 / 0.9),
        (confidence(replace(MEASURED, tag=Tag.DERIVED)), 0.7 / 0.9),
        (confidence(replace(MEASURED, tag=Tag.ESTIMATE)), 0.4 / 0.9),
        (confidence(replace(MEASURED, tag=Tag.GUIDE)), 0.2 / 0.9),
        (confidence(replace(MEASURED, value=0.1)), 0.9),
        (confidence(replace(MEASURED, date=None)), 0.5),
        (confidence(as_of=date(2027, 3, 3)), 0.5),
        (confidence(as_of=date(2026, 1, 1)), 1.0),
        (confidence(engine="vllm"), 0.5),
        (confidence(version="0.5.15"), 0.8),
        (confidence(version="0.5.23.post0"), 1.0),
        (confidence(version=None), 1.0),
        (confidence(checkpoint="flash-0731"), 0.7),
    ],
    ids=[
        "published",
        "derived",
        "estimate",
        "guide",
        "fit error",
        "undated",
        "four months old",
        "date ahead",
        "other engine",
        "other release",
        "same release",
        "no release",
        "other checkpoint",
    ],
)
def test_each_difference_has_its_factor(found: float, factor: float) -> None:
    assert found == pytest.approx(0.9 * factor, rel=0.005)


def test_every_factor_is_told_with_its_reason() -> None:
    found = trust(PROFILE, checkpoint="other", engine="vllm", engine_version="0.33", as_of=NOVEMBER)
    assert found.reasons == (
        "measured from a run (0.90)",
        "the fit is 0 % off on average (1.00)",
        "0 months old (1.00)",
        "of sglang, not vllm (0.50)",
        "of flash (0.70)",
    )


@pytest.mark.parametrize(
    ("written", "months"), [("2026-08", 3.02), ("2026-08-13", 2.63), ("2026", 9.99), (None, None)]
)
def test_ages_count_from_the_first_day_that_a_date_can_mean(
    written: str | None, months: float | None
) -> None:
    found = age_months(replace(MEASURED, date=written), NOVEMBER)
    assert found == (months if months is None else pytest.approx(months, abs=0.01))
