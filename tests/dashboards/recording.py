"""Hours of the operator's metrics in a minute: emulated fleets on a fast clock, scraped and kept.

The operator and the engines are processes as a user starts them. Each scrape is stamped with the
emulated clock and becomes a block of a real Prometheus, so that every rate is what it would be.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.rig.addresses import Block
from tests.rig.component import Component
from tests.rig.invoke import invoke
from tests.rig.waiting import eventually

from v4operator.runtime.clock import AcceleratedClock

Series = dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]]

SCRAPE_SECONDS = 15.0  # emulated; what a Prometheus is set to in most clusters
_SPEED = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was scraped, and the emulated times between which it lies, in Unix seconds.

    `names` are those that samples carry, and those of families that had none yet.
    """

    series: Series
    names: frozenset[str]
    start: float
    end: float


def record(
    scenario: Path, manifests: Path, *, seconds: float, folder: Path, block: Block
) -> Recording:
    """Let the scenario run for so many emulated seconds and scrape the operator all along."""
    series: Series = {}
    with _running(scenario, manifests, folder, block) as (clock, scrape):
        start = due = clock.now()
        while due < start + seconds:
            time.sleep(max(0.0, due - clock.now()) / clock.speed)
            exposition = scrape()
            _take(exposition, clock.now(), series)
            due += SCRAPE_SECONDS
        names = frozenset(name for name, _ in series) | _described(exposition)
    return Recording(series=series, names=names, start=start, end=due - SCRAPE_SECONDS)


def write_blocks(recording: Recording, folder: Path) -> Path:
    """The data folder of a Prometheus that holds the recording and nothing else."""
    text, data = folder / "recording.om", folder / "prometheus-data"
    text.write_text("\n".join([*_lines(recording.series), "# EOF", ""]))
    invoke("promtool", "tsdb", "create-blocks-from", "openmetrics", text, data)
    return data


@contextmanager
def _running(
    scenario: Path, manifests: Path, folder: Path, block: Block
) -> Iterator[tuple[AcceleratedClock, Callable[[], str]]]:
    emulator = _component("emulate", folder, str(scenario), "--speed", str(_SPEED))
    emulator.start()
    try:
        control = eventually(lambda: _control(emulator), what="the emulator is up")
        port = block.free_port()
        operator = _component(
            *(
                "run",
                folder,
                "--standalone",
                str(manifests),
                "--status-dir",
                str(folder / "status"),
            ),
            *("--scaling", "emulated", "--emulator", control, "--log-format", "json"),
            *("--listen-host", block.host, "--listen-port", str(port)),
        )
        operator.start()
        try:
            with httpx.Client(base_url=f"http://{block.host}:{port}", trust_env=False) as api:
                scrape = partial(_scrape, operator, api)
                eventually(
                    lambda: "v4_deployment_info{" in scrape(),
                    what="the operator tells of its deployments",
                    not_yet=(httpx.HTTPError,),
                )
                yield _clock(control), scrape
        finally:
            operator.terminate()
    finally:
        emulator.terminate()


def _component(verb: str, folder: Path, *arguments: str) -> Component:
    return Component(
        verb,
        (sys.executable, "-m", "v4operator", verb, *arguments),
        log=folder / f"{verb}.log",
        environment={**os.environ, "HOME": str(folder)},
    )


def _control(emulator: Component) -> str | None:
    emulator.check()
    for line in emulator.log.read_text().splitlines():
        if line.startswith("{"):
            return str(json.loads(line)["control"])
    return None


def _clock(control: str) -> AcceleratedClock:
    body = httpx.get(f"{control}/v1/clock", trust_env=False).raise_for_status().json()
    return AcceleratedClock(epoch=body["epoch"], origin=body["origin"], speed=body["speed"])


def _scrape(operator: Component, api: httpx.Client) -> str:
    try:
        return api.get("/metrics").raise_for_status().text
    except httpx.HTTPError:
        operator.check()  # where it has ended, its last words are the better message
        raise


def _take(exposition: str, at: float, series: Series) -> None:
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            series.setdefault(key, []).append((at, sample.value))


def _described(exposition: str) -> frozenset[str]:
    return frozenset(
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(exposition)
    )


def _lines(series: Series) -> Iterator[str]:
    for (name, labels), samples in sorted(series.items()):
        told = ",".join(
            f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in labels
        )
        for at, value in samples:
            yield f"{name}{{{told}}} {value!r} {at:.3f}"
