"""The guide's figures beside ours: what is compared and what came of it. Values only."""

from dataclasses import dataclass, field

from v4operator.model.figures import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How our figure is found: a kind of computation and what it is about; the rest is `None`."""

    kind: str
    text: str | None = None
    checkpoint: str | None = None
    accelerator: str | None = None
    other: str | None = None
    devices: int = 1
    context_tokens: int = 1
    sequences: int = 1
    copies: int = 1
    concurrency: int = 1
    quantity: str | None = None
    product: str | None = None
    part: str | None = None
    since: str | None = None
    engine: str | None = None
    family: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideEntry:
    """One figure of the guide. `claim` quotes it, `figure` is its number in `unit`, if it has one.

    `errata` are numbers of the capacity study's list of contradictions.
    """

    table: str
    item: str
    claim: str
    figure: Figure | None
    unit: str | None
    question: Question
    why: str
    errata: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our answer in words, as a number in the entry's unit where it has one, and its source."""

    text: str
    source: str
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideRow:
    """One line of the comparison."""

    entry: GuideEntry
    ours: Ours
