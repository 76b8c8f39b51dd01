"""The tables of docs/metrics.md out of those that the exposition is made of.

`python -m tests.metrics_page` writes them between their marks; a test compares. What stands around
them is written by hand.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from tests.exported import everything_known

from v4operator.report.families import Family
from v4operator.report.reconciles import ReconcileMetrics
from v4operator.report.series import CATALOGUED, DEPLOYMENT, PROBLEMS, REPLICA, built
from v4operator.runtime.clock import SystemClock
from v4operator.runtime.metrics import (
    ElectionMetrics,
    ReflectorMetrics,
    RequestMetrics,
    WorkQueueMetrics,
)

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
DEPLOYMENTS, REPLICAS = 50, 8
"""What the page says the number of series for."""

_T = TypeVar("_T")
_UNITS = (
    ("_dollars_per_million_tokens", "US dollars per 10^6 tokens"),
    ("_dollars_per_hour", "US dollars an hour"),
    ("_tokens_per_second", "tokens/s"),
    ("_timestamp_seconds", "Unix seconds"),
    ("_info", "1"),
    ("_dollars", "US dollars"),
    ("_seconds", "s"),
    ("_bytes", "bytes"),
    ("_tokens", "tokens"),
    ("_requests", "requests"),
    ("_replicas", "replicas"),
    ("_ratio", "ratio"),
)
_SUFFIXES = {"counter": "_total", "info": "_info"}


def page(text: str) -> str:
    """`text` with what stands between its marks made anew."""
    made = {
        "size": _size(),
        "operator": _table(built("")) + _rows((CATALOGUED,)),
        "deployment": _table(*DEPLOYMENT) + _rows((PROBLEMS,)),
        "replica": _table(*REPLICA),
        "process": _process(),
    }
    for name, part in made.items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = marked.subn(rf"\g<1>{part}\g<2>", text)
        assert found == 1, f"{PAGE.name} has {found} places for {name}"
    return text


def series_of(deployments: int, replicas: int) -> int:
    """Series of fleets of which everything is known."""
    found = everything_known(deployments, replicas).collect()
    return sum(len(family.samples) for family in found)


def _size() -> str:
    alone, with_one = series_of(1, 0), series_of(1, 1)
    return (
        f"{DEPLOYMENTS} deployments of {REPLICAS} replicas of which everything is known are "
        f"{series_of(DEPLOYMENTS, REPLICAS):,} series:\n"
        f"about {alone} of a deployment and {with_one - alone} of a replica.\n"
    )


def _table(*families: Family[_T]) -> str:
    head = "| name | type | labels | unit | meaning | from |\n|---|---|---|---|---|---|\n"
    return head + _rows(families)


def _rows(families: Iterable[Family[_T]]) -> str:
    return "".join(
        f"| `{family.name}` | {family.kind.value} | {', '.join(_code(family.labels))} "
        f"| {_unit(family.name)} | {family.help} | {family.source} |\n"
        for family in families
    )


def _code(words: Iterable[str]) -> Iterator[str]:
    return (f"`{word}`" for word in words)


def _unit(name: str) -> str:
    stem = name.removesuffix("_total")
    return next((unit for suffix, unit in _UNITS if stem.endswith(suffix)), "")


def _process() -> str:
    registry = CollectorRegistry()
    WorkQueueMetrics(registry, "v4deployment", SystemClock())
    ReconcileMetrics(registry)
    ElectionMetrics(registry, "v4-operator")
    ReflectorMetrics(registry)
    RequestMetrics(registry, "host")
    rows = "".join(sorted(map(_process_row, registry.collect())))
    return f"| name | type | meaning |\n|---|---|---|\n{rows}"


def _process_row(metric: Metric) -> str:
    name = metric.name + _SUFFIXES.get(metric.type, "")
    return f"| `{name}` | {metric.type} | {metric.documentation} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
