"""One family of metrics as data: name, type, help, source, labels, and how its rows are read.

The tables in `series` are made of these; the exposition and docs/metrics.md are read off them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Generic, TypeVar

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

_T = TypeVar("_T")

Row = tuple[tuple[str, ...], float]
"""The values of the family's own labels, and the figure."""

_LONGEST_LABEL = 253
"""The longest name that Kubernetes takes; only names from elsewhere (files, flags) are longer."""
_HASH_DIGITS = 12
"""Of the whole text: two long names that begin alike stay two series."""


class Kind(StrEnum):
    """Types of the exposition format. `INFO` is a gauge that is 1 and says it in its labels."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"


_SUFFIXES = {Kind.GAUGE: "", Kind.COUNTER: "_total", Kind.INFO: "_info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(Generic[_T]):
    """One family. `name` is what people type, suffix included; `source` says whence the figure."""

    name: str
    kind: Kind
    help: str
    source: str
    labels: tuple[str, ...]
    rows: Callable[[_T], Iterable[Row]]

    def metric(self, scope: tuple[str, ...], seen: Iterable[tuple[tuple[str, ...], _T]]) -> Metric:
        """All its series; `scope` are the labels that name what each row is of."""
        name, names = self.name, (*scope, *self.labels)
        family = Metric(name.removesuffix(_SUFFIXES[self.kind]), self.help, self.kind.value)
        family.samples = [
            Sample(name, dict(zip(names, (*of, *values), strict=True)), figure)
            for of, each in seen
            for values, figure in self.rows(each)
        ]
        return family


def gauge(
    name: str, described: str, source: str, value: Callable[[_T], float | None]
) -> Family[_T]:
    """A gauge without labels of its own; no series where `value` gives `None`."""
    return _single(name, Kind.GAUGE, described, source, value)


def counter(
    name: str, described: str, source: str, value: Callable[[_T], float | None]
) -> Family[_T]:
    """A counter without labels of its own; no series where `value` gives `None`."""
    return _single(name, Kind.COUNTER, described, source, value)


def states(
    name: str,
    described: str,
    source: str,
    *,
    label: str,
    values: Sequence[str],
    held: Callable[[_T], str | None],
) -> Family[_T]:
    """A state set: one series a value, 1 for the one that `held` gives, none for `None`."""
    labelled = tuple(((value,), value) for value in values)

    def rows(seen: _T) -> Iterator[Row]:
        state = held(seen)
        if state is not None:
            for labels, value in labelled:
                yield labels, 1.0 if value == state else 0.0

    return Family(
        name=name, kind=Kind.GAUGE, help=described, source=source, labels=(label,), rows=rows
    )


def label_value(text: str) -> str:
    """The text as a label may hold it: at most 253 characters, the end replaced by a hash.

    What is no Unicode text (half of a surrogate pair) could not be written and is replaced.
    """
    if text.isascii() and len(text) <= _LONGEST_LABEL:
        return text
    raw = text.encode("utf-8", "replace")
    if len(text) <= _LONGEST_LABEL:
        return raw.decode()
    digits = sha256(raw).hexdigest()[:_HASH_DIGITS]
    return f"{raw.decode()[: _LONGEST_LABEL - _HASH_DIGITS - 1]}~{digits}"


def _single(
    name: str,
    kind: Kind,
    described: str,
    source: str,
    value: Callable[[_T], float | None],
) -> Family[_T]:
    def rows(seen: _T) -> Iterator[Row]:
        figure = value(seen)
        if figure is not None:
            yield (), float(figure)

    return Family(name=name, kind=kind, help=described, source=source, labels=(), rows=rows)
