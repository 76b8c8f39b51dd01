"""Amounts with units: understood, told apart, or refused with the nearest unit."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from v4operator.api.quantity import parse_duration, parse_memory, parse_memory_budget
from v4operator.model.deployment import HbmBudget


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("130GB", 130_000_000_000),
        ("130G", 130_000_000_000),
        ("130Gi", 139_586_437_120),
        ("130GiB", 139_586_437_120),
        ("1.5Ti", 1_649_267_441_664),
        (" 80 GB ", 80_000_000_000),
        ("81559Mi", 85_520_809_984),
        ("1024", 1024),
    ],
)
def test_memory_is_read_in_the_unit_it_is_written_in(text: str, size: int) -> None:
    assert parse_memory(text) == size


def test_gb_and_gi_are_told_apart() -> None:
    assert parse_memory_budget("130GB") != parse_memory_budget("130Gi")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("130Gb", "GB"),
        ("130gib", "GiB"),
        ("130GBs", "GB"),
        ("-5GB", None),
        ("0GB", None),
        ("", None),
    ],
)
def test_a_wrong_amount_is_refused_with_the_nearest_unit(text: str, nearest: str | None) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        parse_memory(text)

    assert (caught.value.context or {})["nearest"] == nearest


def test_a_budget_is_a_share_or_bytes() -> None:
    assert parse_memory_budget("90%") == HbmBudget(ratio=0.9)
    assert parse_memory_budget("1Gi") == HbmBudget(size_bytes=2**30)


@pytest.mark.parametrize("text", ["0%", "101%", "-1%", "%", "9 0%"])
def test_a_share_lies_above_0_and_up_to_100_per_cent(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="0%"):
        parse_memory_budget(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("33ms", 0.033), ("2s", 2.0), ("8m", 480.0), ("1h30m", 5400.0), ("500us", 0.0005)],
)
def test_durations_are_go_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["2", "s", "2 s", "2sec", "-2s", "1d", "2s3", ""])
def test_a_wrong_duration_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError, match=r"a number with a unit|a unit of"):
        parse_duration(text)


def _refusal(parse: Callable[[str], object], text: str) -> PydanticCustomError | None:
    try:
        parse(text)
    except PydanticCustomError as error:
        return error
    return None


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused_with_what_is_allowed(text: str) -> None:
    for parse in (parse_memory, parse_duration, parse_memory_budget):
        refusal = _refusal(parse, text)
        assert refusal is None or (refusal.context or {})["allowed"]
