"""Series as a Prometheus answers them -> one reading per replica. Pure; no second engine knowledge.

A range selector in an instant query returns raw samples with their own times. All samples of one
scrape carry one time, so the newest time of a replica is its last scrape, and a series without a
sample at that time has gone. What the parser yields of a text is rebuilt from it and read by
`engines`.

What it is not: a client (`adapters.prometheus`), or an evaluation of PromQL.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import median_low

from v4operator.observe.engines import WANTED
from v4operator.observe.exposition import Exposition, Series

_NAME = "__name__"
_TARGET = ("job", "instance")
"""What tells two scrapes of one replica apart: Prometheus sets both on every series."""

Target = tuple[str, ...]
"""Values of those labels: who scraped what."""

_KEPT_SPACINGS = 3
"""How many scrapes a job may lose before another one that has the replica is read: as many as
before a replica counts as silent."""

_SETTLED_SECONDS = 10.0
"""A scrape reaches a remote store in pieces, within some seconds. A younger one with fewer series
than the one before is not whole yet, and a sum over part of the ranks is no sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromSeries:
    """One series: its labels, and its samples as (Unix seconds, value), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]

    @property
    def spacing_seconds(self) -> float | None:
        """The usual time between its samples; `None` where there are fewer than two."""
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(self.samples)]
        return median_low(gaps) if gaps else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSeries:
    """What one job has scraped of one replica."""

    target: Target
    series: tuple[PromSeries, ...]

    @property
    def spacing_seconds(self) -> float | None:
        """The time between two scrapes, by the series that has seen most of them."""
        return max(self.series, key=lambda each: len(each.samples)).spacing_seconds

    def is_scraped(self, now: float) -> bool:
        """Whether the job has scraped it lately, by its own pace."""
        last = max((each.samples[-1][0] for each in self.series if each.samples), default=None)
        spacing = self.spacing_seconds
        if last is None or spacing is None:
            return False
        return now - last <= _KEPT_SPACINGS * spacing


def replica_selector(label: str, replicas: Iterable[str], matchers: Mapping[str, str]) -> str:
    """A selector of every sample that any engine's reading needs, of these replicas only."""
    names = "|".join(sorted(name for name in WANTED if name))
    parts = [f'{_NAME}=~"{names}"', f'{label}=~"{alternatives(replicas)}"']
    parts += [f'{name}="{escaped(value)}"' for name, value in sorted(matchers.items())]
    return f"{{{','.join(parts)}}}"


def alternatives(values: Iterable[str]) -> str:
    """A regular expression, written as a PromQL string's inside, that matches just these."""
    return escaped("|".join(re.escape(value) for value in sorted(values)))


def escaped(text: str) -> str:
    """As it stands between the quotes of a PromQL string."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def by_replica(
    series: Iterable[PromSeries],
    label: str,
    ignored: frozenset[str],
    *,
    kept: Mapping[str, Target],
    now: float,
) -> dict[str, ReplicaSeries]:
    """The series of each replica, by the value of `label`, of one scrape target each.

    Where two jobs scrape a replica, only one counts: their sum would be twice the truth. It is the
    one in `kept` while that goes on scraping, as the other's counters were read at other times and
    would look like a restart; else the one with more series, among equals the first by name.
    Labels in `ignored` tell copies of one series apart.
    """
    found: dict[str, dict[Target, list[PromSeries]]] = {}
    for each in series:
        labels = {name: value for name, value in each.labels.items() if name not in ignored}
        target = tuple(labels.get(name, "") for name in _TARGET)
        stripped = PromSeries(labels=labels, samples=each.samples)
        found.setdefault(labels.get(label, ""), {}).setdefault(target, []).append(stripped)
    return {
        replica: _chosen(
            [ReplicaSeries(target=key, series=tuple(of)) for key, of in targets.items()],
            kept.get(replica),
            now,
        )
        for replica, targets in found.items()
    }


def _chosen(candidates: Sequence[ReplicaSeries], kept: Target | None, now: float) -> ReplicaSeries:
    same = next((each for each in candidates if each.target == kept), None)
    if same is not None and same.is_scraped(now):
        return same
    return min(candidates, key=lambda each: (-len(each.series), each.target))


def one_count(series: Sequence[PromSeries], *, since: float, until: float) -> float | str:
    """The one count that an answer holds, or what it holds instead: absent is not zero.

    Its time is to be between `since` and `until` (Unix seconds).
    """
    if len(series) != 1:
        return f"{len(series):,} series, not one" if series else "no sample, not one"
    samples = series[0].samples
    if len(samples) != 1:
        return f"{len(samples):,} samples over time, not one"
    ((at, value),) = samples
    if not isfinite(value) or value < 0.0:
        return f"{value:g}, which is no count"
    if not since <= at <= until:
        return "a sample of another time than was asked for"
    return value


def exposition(series: Sequence[PromSeries], *, now: float) -> Exposition | None:
    """The last whole scrape as the parser would have read it; `None` where there is no sample."""
    counts = Counter(time for each in series for time, _ in each.samples)
    if not counts:
        return None
    at = _last_whole(counts, now)
    samples: dict[str, list[Series]] = {}
    seen: set[tuple[tuple[str, str], ...]] = set()
    for each in series:
        value = dict(each.samples).get(at)
        identity = tuple(sorted(each.labels.items()))
        name = WANTED.get(each.labels.get(_NAME, ""))
        if value is None or not name or identity in seen:
            continue
        seen.add(identity)
        labels = {key: text for key, text in each.labels.items() if key != _NAME}
        samples.setdefault(name, []).append((labels, value))
    return Exposition(
        samples=samples,
        timestamp=at,
        malformed={},
        duplicate_series=0,
        surplus_lines=0,
        cut_line=None,
    )


def _last_whole(counts: Mapping[float, int], now: float) -> float:
    """The newest time, or the one before where the newest is still arriving."""
    newest, *older = sorted(counts, reverse=True)
    if older and counts[newest] < counts[older[0]] and now - newest < _SETTLED_SECONDS:
        return older[0]
    return newest
