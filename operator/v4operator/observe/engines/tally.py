"""Figures by data-parallel rank, summed out of series, with a reason for each that is not there.

The engines' tables say which series a figure comes from; the rules here hold for all of them:

* absent is not zero: no series gives no figure, with the reason the table states;
* NaN, infinite and negative values are no figures either; one of them leaves the replica's figure
  unknown, because a sum without it would be a wrong sum;
* a line that could not be read leaves the figure of its name unknown for the same reason;
* a rank without a series while others have theirs adds nothing (engines create a series at its
  first use), and is named in `missing`;
* series that tell only tensor, pipeline or expert ranks apart are copies of one figure: the
  highest counts, they are never summed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, isfinite

from v4operator.model.reading import Histogram, MissingFigure, RankReading
from v4operator.observe.exposition import Exposition, Labels

HISTOGRAM_PARTS = ("bucket", "sum", "count")
_RANK_DIGITS = 4  # the largest published deployment has 320 ranks; longer "numbers" are garbage
_RATIO_SLACK = 1e-3  # engines divide token counts: a ratio may end a rounding error above 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one figure comes from.

    `figure` is the field of `EngineReading`, `sample` the sample name, `older` its names in earlier
    releases, newest first; `absent` is why a healthy engine may have no such series. All releases
    known export it with `beside`: where that is there alone, the figure is gone, not late.
    Of a label in `only` those values count (a label that is not there reads as ""), of one in
    `without` all others. A `ratio` cannot exceed 1.
    """

    figure: str
    sample: str
    absent: str
    older: tuple[str, ...] = ()
    beside: str | None = None
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    without: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ratio: bool = False

    def counts(self, labels: Labels) -> bool:
        """Whether a series belongs to the figure."""
        return all(labels.get(name, "") in values for name, values in self.only.items()) and all(
            labels.get(name, "") not in values for name, values in self.without.items()
        )

    @property
    def samples(self) -> tuple[str, ...]:
        """Every name it had or has, the present one first."""
        return (self.sample, *self.older)

    def fault(self, value: float) -> str | None:
        """Why a value cannot be this figure, if it cannot."""
        if not isfinite(value) or value < 0 or (self.ratio and value > 1 + _RATIO_SLACK):
            return f"{self.sample} is {value:g}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ByRank:
    """One figure by rank. `gap` says why the replica as a whole has none."""

    figure: str
    values: Mapping[int, float]
    gap: str | None
    ratio: bool = False

    def map(self, change: Callable[[int, float], float]) -> "ByRank":
        """The same figure with every rank's value changed."""
        return replace(self, values={rank: change(rank, v) for rank, v in self.values.items()})


class Tally:
    """Reads figures off one exposition and notes those that are not there."""

    def __init__(
        self, exposition: Exposition, *, rank_label: str, copy_labels: frozenset[str] = frozenset()
    ) -> None:
        self.exposition = exposition
        self._rank_label = rank_label
        self._copy_labels = copy_labels
        self._missing: dict[str, str] = {}
        self._spoiled = frozenset(exposition.malformed) | _cut_names(exposition)

    @property
    def missing(self) -> tuple[MissingFigure, ...]:
        """Everything noted so far, in the order of noting."""
        return tuple(MissingFigure(name=n, reason=r) for n, r in self._missing.items())

    @property
    def is_cut(self) -> bool:
        """Whether the text ends within a line, so that a series may only seem to be absent."""
        return self.exposition.cut_line is not None

    def note(self, figure: str, reason: str) -> None:
        """Remember that a figure is not there, and why."""
        self._missing.setdefault(figure, reason)

    def spoiled(self, sample: str) -> str | None:
        """Why the series of a name cannot be summed: one of its lines is malformed or cut off."""
        return f"a line of {sample} could not be read" if sample in self._spoiled else None

    def rank(self, labels: Labels) -> int | None:
        """The data-parallel rank; 0 where no label tells, `None` where it is no number."""
        text = labels.get(self._rank_label, "")
        if text in {"", "None"}:
            return 0
        number = text.isascii() and text.isdigit() and len(text) <= _RANK_DIGITS
        return int(text) if number else None

    def by_rank(self, source: Source) -> ByRank:
        """One figure by rank, not yet noted as missing where it has a gap."""
        source = replace(source, sample=self.present(*source.samples))
        highest: dict[tuple[int, frozenset[tuple[str, str]]], float] = {}
        fault = None
        for labels, value in self.exposition.series(source.sample):
            rank = self.rank(labels)
            if rank is None or not source.counts(labels):
                continue
            fault = fault or source.fault(value)
            apart = frozenset(kv for kv in labels.items() if kv[0] not in self._copy_labels)
            highest[rank, apart] = max(value, highest.get((rank, apart), value))
        sums: dict[int, float] = {}
        for (rank, _), value in highest.items():
            sums[rank] = sums.get(rank, 0.0) + value
        good = {rank: value for rank, value in sums.items() if source.fault(value) is None}
        gap = self.spoiled(source.sample) or fault or (None if sums else self._absence(source))
        return ByRank(figure=source.figure, values=good, gap=gap, ratio=source.ratio)

    def present(self, *names: str) -> str:
        """The first of these sample names that has series; the very first where none has.

        Only the very first where the text is cut off: what is not there says nothing then.
        """
        if self.is_cut:
            return names[0]
        return next((name for name in names if self.exposition.series(name)), names[0])

    def has(self, source: Source) -> bool:
        """Whether a line of the figure is there, readable or not."""
        name = self.present(*source.samples)
        return bool(self.exposition.series(name)) or name in self._spoiled

    def _absence(self, source: Source) -> str:
        beside = source.beside
        if beside is None or self.exposition.series(source.sample):
            return source.absent
        if not self.exposition.series(beside) or self.is_cut:
            return source.absent
        names = " or ".join(source.samples)
        return f"no {names} beside {beside}: not exported by this release, or renamed"

    def whole(self, figure: ByRank) -> float | None:
        """The replica's figure: the sum over ranks, of a ratio the fullest rank's.

        Noted as missing where there is none.
        """
        if figure.gap is not None:
            self.note(figure.figure, figure.gap)
            return None
        values = figure.values.values()
        return min(1.0, max(values)) if figure.ratio else sum(values)

    def wholes(self, *figures: ByRank) -> dict[str, float | None]:
        """The replica's figures under their names."""
        return {figure.figure: self.whole(figure) for figure in figures}

    def ranks(self, figures: tuple[ByRank, ...]) -> tuple[RankReading, ...]:
        """The figures of each rank that has any; `figures` are the six of `RankReading`."""
        numbers = sorted({rank for figure in figures for rank in figure.values})
        for figure in figures:
            for rank in numbers:
                if figure.values and rank not in figure.values:
                    self.note(f"ranks[{rank}].{figure.figure}", figure.gap or "no series yet")
        return tuple(
            RankReading(rank=rank, **{figure.figure: figure.values.get(rank) for figure in figures})
            for rank in numbers
        )

    def histogram(self, figure: str, families: tuple[str, ...], absent: str) -> Histogram | None:
        """One histogram summed over all its series; noted as missing where there is none.

        `families` are its names, the present one first; the first that is there counts.
        """
        family = self.present(*(f"{name}_bucket" for name in families)).removesuffix("_bucket")
        parts = {part: self.exposition.series(f"{family}_{part}") for part in ("sum", "count")}
        buckets: dict[float, list[float]] = {}
        for labels, value in self.exposition.series(f"{family}_bucket"):
            buckets.setdefault(_edge(labels.get("le", "")), []).append(value)
        if not buckets or not all(parts.values()):
            self.note(figure, absent)
            return None
        spoiled = [self.spoiled(f"{family}_{part}") for part in HISTOGRAM_PARTS]
        if any(spoiled):
            self.note(figure, next(filter(None, spoiled)))
            return None
        whole = max(map(len, buckets.values()))
        edges = sorted(edge for edge, values in buckets.items() if len(values) == whole)
        counts = [sum(buckets[edge]) for edge in edges]
        total, count = (sum(value for _, value in parts[part]) for part in ("sum", "count"))
        if not _is_cumulative(edges, counts) or not isfinite(total):
            self.note(figure, f"the buckets of {family} are not cumulative up to +Inf")
            return None
        return Histogram(edges=tuple(edges), counts=tuple(counts), total=total, count=count)


def label_number(labels: Labels, name: str) -> float | None:
    """A positive number held in a label, as vLLM's cache_config_info does; "None" is no number."""
    try:
        value = float(labels.get(name, ""))
    except ValueError:
        return None
    return value if isfinite(value) and value > 0 else None


def first_label(exposition: Exposition, name: str) -> str | None:
    """The value of a label in the first series that has it."""
    for family in exposition.samples.values():
        for labels, _ in family:
            if labels.get(name):
                return labels[name]
    return None


def notes(exposition: Exposition) -> tuple[str, ...]:
    """What of the text could not be used, in words."""
    counts = (
        (sum(exposition.malformed.values()), "malformed lines skipped"),
        (exposition.duplicate_series, "duplicate series: the first counts"),
        (exposition.cut_line is not None, "last line not read: it has no line feed, so may be cut"),
    )
    return tuple(f"{int(count)} {what}" for count, what in counts if count)


def _cut_names(exposition: Exposition) -> frozenset[str]:
    """The names in whose family the text ends without a line feed: their last series may be cut."""
    written = re.split(r"[{\s]", exposition.cut_line or "", maxsplit=1)[0]
    name = re.sub(r"^(sglang|vllm)_", r"\1:", written)
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return (
        frozenset({name, *(f"{stem}_{part}" for part in HISTOGRAM_PARTS)}) if name else frozenset()
    )


def _edge(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return inf


def _is_cumulative(edges: list[float], counts: list[float]) -> bool:
    rising = all(low <= high for low, high in pairwise(counts))
    return rising and edges[-1] == inf and isfinite(counts[-1]) and counts[0] >= 0
