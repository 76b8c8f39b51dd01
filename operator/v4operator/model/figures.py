"""A number and where it comes from. Every figure that decides something is one of these."""

from dataclasses import dataclass
from enum import StrEnum


class Tag(StrEnum):
    """How far a figure can be trusted, best first."""

    MEASURED = "measured"
    PUBLISHED = "published"
    DERIVED = "derived"
    ESTIMATE = "estimate"
    GUIDE = "guide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One sourced number; its unit stands in the name of the field that holds it."""

    value: float
    tag: Tag
    source: str
    date: str | None = None
    engine_version: str | None = None
