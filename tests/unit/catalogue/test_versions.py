"""Releases are compared by their numbers."""

import pytest

from v4operator.catalogue.versions import at_least, in_force, release
from v4operator.model.figures import Figure, Tag


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("0.33.0", (0, 33, 0, 0)),
        ("0.33", (0, 33, 0, 0)),
        ("0.5.23.post1", (0, 5, 23, 1)),
        ("0.32.0+cpu118", (0, 32, 0, 0)),
        ("latest", None),
        ("", None),
    ],
)
def test_a_release_is_its_numbers(version: str, numbers: tuple[int, ...] | None) -> None:
    assert release(version) == numbers


@pytest.mark.parametrize(
    ("version", "minimum", "outcome"),
    [("0.33.0", "0.33", True), ("0.9", "0.10", False), ("latest", "0.1", False)],
)
def test_newer_is_compared_by_number(*, version: str, minimum: str, outcome: bool) -> None:
    assert at_least(version, minimum) is outcome


def test_the_newest_figure_that_is_not_too_new_is_in_force() -> None:
    figures = [
        Figure(value=value, tag=Tag.PUBLISHED, source="", engine_version=since)
        for value, since in [(0.92, "0.22"), (0.90, "0.20"), (0.5, None)]
    ]
    found = [in_force(figures, version) for version in ("0.33", "0.21.1", "0.19")]
    assert [figure and figure.value for figure in found] == [0.92, 0.90, None]
