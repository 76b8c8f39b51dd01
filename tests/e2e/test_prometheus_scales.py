"""Scaling through a real Prometheus alone: up with the demand, and down by a drain when it falls.

As in `test_prometheus_same_decisions` the emulation runs four times as fast, and is over in time.
Prometheus finds the replicas through a file, as it would through a cluster's discovery.
"""

import json
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
# Requests a second by emulated second: a third of a replica's work, that of two and more, little.
RATE = [[0, 2], [40, 2], [44, 9], [120, 9], [124, 1]]
PACE = "{minReplicas: 1, maxReplicas: 4, behavior: {shrinkWindow: 40s, drainTimeout: 120s}}"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[str]:
    """The control URL of a fleet of one, whose replicas start in twenty seconds."""
    with emulated_fleet(
        tmp_path, speed=4, rate=RATE, replicas=1, startUp={"seconds": 20}
    ) as control:
        yield control


@pytest.fixture
def found(tmp_path: Path, control: str) -> Path:
    """The file that Prometheus finds its targets in."""
    path = tmp_path / "targets.json"
    _find(path, control)
    return path


@pytest.fixture
def server(tmp_path: Path, block: Block, found: Path) -> Iterator[Prometheus]:
    discovery = {"files": [str(found)], "refresh_interval": "1s"}
    scrapes = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "engines", "file_sd_configs": [discovery]}],
    }
    with prometheus(yaml.safe_dump(scrapes), folder=tmp_path, block=block) as running:
        yield running


def test_a_fleet_that_only_prometheus_sees_grows_with_the_demand_and_is_drained_after_it(
    tmp_path: Path,
    control: str,
    found: Path,
    server: Prometheus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = tmp_path / "entries.yaml"
    entries.write_text(yaml.safe_dump({"prometheus": [{"name": "main", "url": server.url}]}))
    monkeypatch.setenv("V4_PROMETHEUS_FILE", str(entries))
    (tmp_path / "manifests").mkdir()
    write(tmp_path / "manifests", "flash", FLEET)
    manifest = tmp_path / "manifests" / "flash.yaml"
    head, _, _ = manifest.read_text().partition("  scaling:")
    metrics = "{source: Prometheus, prometheus: main, interval: 4s}"
    manifest.write_text(f"{head}  scaling: {PACE}\n  metrics: {metrics}\n")

    def fresh() -> int:
        _find(found, control)
        told = status(tmp_path, "flash")
        return 0 if told is None else told["observed"]["freshReplicas"]

    with ExitStack() as ending:
        ending.callback(begin(tmp_path, control).end)
        eventually(
            lambda: fresh() > 1, what="a second one is seen through it", limit_seconds=LIMIT_SECONDS
        )
        eventually(
            lambda: _find(found, control) == 1, what="one is left", limit_seconds=LIMIT_SECONDS
        )
        truth = _asked(control, "/truth")
    assert truth["cutStreams"] == 0


def _find(path: Path, control: str) -> int:
    """Tell Prometheus what is there now; how many replicas that are."""
    replicas = _asked(control)["replicas"]
    targets = [urlsplit(each["address"]).netloc for each in replicas if each["address"]]
    path.with_suffix(".part").write_text(json.dumps([{"targets": targets}]))
    path.with_suffix(".part").rename(path)
    return len(replicas)


def _asked(control: str, what: str = "") -> dict[str, Any]:
    url = f"{control}/v1/fleets/default/flash{what}"
    told: dict[str, Any] = httpx.get(url, trust_env=False).json()
    return told
