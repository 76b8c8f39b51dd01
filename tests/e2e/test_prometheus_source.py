"""A real Prometheus scrapes an emulated fleet; the operator sees that fleet through it alone."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from tests.contract.test_standalone import FLEET, begin, status, until, write
from tests.e2e.emulated_fleet import emulated_fleet
from tests.rig.addresses import Block
from tests.rig.prometheus import prometheus


def test_a_fleet_is_seen_through_a_real_prometheus_and_unknown_when_it_dies(
    tmp_path: Path, block: Block, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    ending = ExitStack()
    request.addfinalizer(ending.close)
    control = ending.enter_context(emulated_fleet(tmp_path, speed=1))
    targets = until(lambda: _addresses(control), "the replicas' addresses")
    scrapes = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "engines", "static_configs": [{"targets": targets}]}],
    }
    with prometheus(yaml.safe_dump(scrapes), folder=tmp_path, block=block) as server:
        entries = {"prometheus": [{"name": "main", "url": server.url, "default": True}]}
        (tmp_path / "entries.yaml").write_text(yaml.safe_dump(entries))
        monkeypatch.setenv("V4_PROMETHEUS_FILE", str(tmp_path / "entries.yaml"))
        ending.callback(begin(tmp_path, control).end)
        write(tmp_path / "manifests", "flash", FLEET)
        manifest = tmp_path / "manifests" / "flash.yaml"
        source = "  metrics: {source: Prometheus, interval: 1s}\n"
        manifest.write_text(manifest.read_text() + source)
        until(lambda: _with_fresh(tmp_path, 3), "all replicas fresh")
        until(lambda: _decoding(tmp_path), "a rate of the running counters")

        os.kill(server.component.pid, 9)
        blind = until(lambda: _with_fresh(tmp_path, 0), "blind")
    assert blind["readyReplicas"] == 3
    assert blind["replicas"] == 3
    available = next(c for c in blind["conditions"] if c["type"] == "MetricsAvailable")
    assert available["status"] == "False"


def _addresses(control: str) -> list[str] | None:
    fleet = httpx.get(f"{control}/v1/fleets/default/flash", trust_env=False).json()
    found = [urlsplit(each["address"]).netloc for each in fleet["replicas"] if each["address"]]
    return found if len(found) == 3 else None


def _decoding(folder: Path) -> float | None:
    told = status(folder, "flash")
    return told["observed"]["decodeTokensPerSecond"] or None if told else None


def _with_fresh(folder: Path, count: int) -> dict[str, Any] | None:
    told = status(folder, "flash")
    return told if told and told["observed"]["freshReplicas"] == count else None
