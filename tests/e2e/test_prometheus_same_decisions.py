"""One emulated fleet, two operators: by scraping and through a real Prometheus they say the same.

The emulation stamps its samples with its own clock, which runs four times as fast. Prometheus takes
samples up to ten minutes ahead of its own: the story is over after 200 s at the latest.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from tests.contract.test_standalone import FLEET, begin, status, write
from tests.e2e.emulated_fleet import emulated_fleet
from tests.rig.addresses import Block
from tests.rig.prometheus import Prometheus, prometheus
from tests.rig.waiting import eventually

LIMIT_SECONDS = 190.0
REPLICAS, SICK = 4, "flash-2"
METRICS = {
    "scraping": "{source: Scrape, interval: 4s}",
    "querying": "{source: Prometheus, prometheus: main, interval: 4s}",
}


@pytest.fixture
def control(tmp_path: Path) -> Iterator[str]:
    """The control URL of a fleet of which one replica falls ill as soon as it is warm."""
    ill = {"at": 30, "replica": SICK, "speedFactor": 0.5}
    with emulated_fleet(
        tmp_path, speed=4, rate=[[0, 8]], replicas=REPLICAS, events=[ill]
    ) as control:
        yield control


@pytest.fixture
def server(tmp_path: Path, block: Block, control: str) -> Iterator[Prometheus]:
    targets = eventually(lambda: _addresses(control), what="the replicas' addresses")
    scrapes = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "engines", "static_configs": [{"targets": targets}]}],
    }
    with prometheus(yaml.safe_dump(scrapes), folder=tmp_path, block=block) as running:
        yield running


def test_both_sources_name_the_sick_replica_and_want_the_same_count(
    tmp_path: Path, control: str, server: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = tmp_path / "entries.yaml"
    entries.write_text(yaml.safe_dump({"prometheus": [{"name": "main", "url": server.url}]}))
    monkeypatch.setenv("V4_PROMETHEUS_FILE", str(entries))
    folders = {source: tmp_path / source for source in METRICS}
    with ExitStack() as ending:
        for source, folder in folders.items():
            (folder / "manifests").mkdir(parents=True)
            write(folder / "manifests", "flash", FLEET)
            manifest = folder / "manifests" / "flash.yaml"
            told = manifest.read_text().replace("scaling: {", "scaling: {mode: Recommend, ")
            manifest.write_text(f"{told}  metrics: {METRICS[source]}\n")
            ending.callback(begin(folder, control).end)
        eventually(
            lambda: all(_names_the_sick(folder) for folder in folders.values()),
            what="both name the sick replica",
            limit_seconds=LIMIT_SECONDS,
        )
        wanted = eventually(
            lambda: _agreed([status(folder, "flash") for folder in folders.values()]),
            what="both want the same",
        )
    assert wanted["freshReplicas"] == REPLICAS
    assert wanted["desiredReplicas"] >= 1


def _names_the_sick(folder: Path) -> bool:
    told = _condition(status(folder, "flash"), "ThroughputDegraded")
    return told["reason"] == "SickReplica" and SICK in told["message"]


def _agreed(statuses: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """What decides, where it is the same in all of them."""
    found = [
        {
            "freshReplicas": each["observed"]["freshReplicas"],
            "desiredReplicas": each["desiredReplicas"],
            "verdict": _condition(each, "ThroughputDegraded")["reason"],
            "memory": each["hbm"]["verdict"],
        }
        for each in statuses
        if each is not None
    ]
    return found[0] if len(found) == len(statuses) and found[0] == found[1] else None


def _condition(told: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = told["conditions"] if told else []
    return next((c for c in conditions if c["type"] == kind), {"reason": "", "message": ""})


def _addresses(control: str) -> list[str] | None:
    fleet = httpx.get(f"{control}/v1/fleets/default/flash", trust_env=False).json()
    found = [urlsplit(each["address"]).netloc for each in fleet["replicas"] if each["address"]]
    return found if len(found) == REPLICAS else None
