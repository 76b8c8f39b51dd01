"""Names of any kind become labels that can be written, and stay apart."""

import pytest

from v4operator.report.families import label_value


@pytest.mark.parametrize(
    "name", ["flash", 'quo"te', "new\nline", "back\\slash", "Größe", "x" * 253]
)
def test_a_name_that_can_be_written_stays_as_it_is(name: str) -> None:
    assert label_value(name) == name


def test_a_long_name_ends_in_a_hash_and_stays_another_than_its_neighbour() -> None:
    one, other = label_value("x" * 10_000 + "a"), label_value("x" * 10_000 + "b")
    assert len(one) == len(other) == 253
    assert one != other
    assert one[:240] == other[:240] == "x" * 240


@pytest.mark.parametrize("name", ["\ud800", "ü\udcff" * 200])
def test_what_is_no_text_is_replaced(name: str) -> None:
    label_value(name).encode()
    assert len(label_value(name)) <= 253
