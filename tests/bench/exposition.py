"""The operator's own exposition at 500 deployments of 20 replicas: time, size, memory, the loop.

The baseline is prometheus_client's `generate_latest` on the very same series, made beforehand: what
is above it is ours. Both run in turns, what counts is CPU time and of each the fastest round. A
scrape runs beside an event loop in its own thread, as in the operator, to see how long that waits.
`python tests/bench/exposition.py`; status 1 where a bar is missed.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import monotonic, process_time

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.exported import everything_known

_DEPLOYMENTS, _REPLICAS = 500, 20
_ROUNDS = 3
_RATIO_BAR = 2.0
"""Reading a figure and naming its series may cost as much again as writing it down."""
_MEBIBYTES_BAR = 1024.0
"""Within a container of 2 GiB, with the fleet itself in it."""
_LOOP_SECONDS_BAR = 1.0
"""A poll interval is 5 s and a lease is renewed every 2 s; the loop must not miss one."""
_TICK_SECONDS = 0.01
_MEBIBYTE = 2**20


class Ready(Collector):
    """Series that were made before they are asked for."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def main() -> int:
    """Print the figures and compare them with their bars."""
    fleet = everything_known(_DEPLOYMENTS, _REPLICAS)
    before = _peak_mebibytes()
    text = generate_latest(_registry(fleet))
    grown = _peak_mebibytes() - before
    delay = asyncio.run(_longest_wait(_registry(fleet)))
    ready = Ready(list(fleet.collect()))
    series = sum(len(metric.samples) for metric in ready.collect())
    ours, theirs = _compared(_registry(fleet), _registry(ready))
    print(f"{series:,} series, {len(text) / _MEBIBYTE:.0f} MiB of text")
    print(f"{ours:.2f} s, {ours / series * 1e6:.1f} us a series; baseline {theirs:.2f} s")
    print(f"ratio {ours / theirs:.2f} (bar {_RATIO_BAR:.1f})")
    print(f"memory of one scrape {grown:.0f} MiB (bar {_MEBIBYTES_BAR:.0f})")
    print(f"longest wait of the loop meanwhile {delay:.3f} s (bar {_LOOP_SECONDS_BAR:.1f})")
    missed = ours / theirs > _RATIO_BAR or grown > _MEBIBYTES_BAR or delay > _LOOP_SECONDS_BAR
    return int(missed)


def _registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def _compared(ours: CollectorRegistry, theirs: CollectorRegistry) -> tuple[float, float]:
    best = [float("inf"), float("inf")]
    for _ in range(_ROUNDS):
        for index, registry in enumerate((ours, theirs)):
            best[index] = min(best[index], _seconds(partial(generate_latest, registry)))
    return best[0], best[1]


async def _longest_wait(registry: CollectorRegistry) -> float:
    """How late the loop woke at worst while another thread scraped."""
    scraping = asyncio.create_task(asyncio.to_thread(generate_latest, registry))
    worst = 0.0
    while not scraping.done():
        due = monotonic() + _TICK_SECONDS
        await asyncio.sleep(_TICK_SECONDS)
        worst = max(worst, monotonic() - due)
    await scraping
    return worst


def _seconds(run: Callable[[], object]) -> float:
    start = process_time()
    run()
    return process_time() - start


def _peak_mebibytes() -> float:
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
