"""What a real Prometheus answers of devices, of two jobs and of another cluster."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml
from tests.rig.addresses import Block
from tests.rig.prometheus import Prometheus, prometheus
from tests.rig.waiting import eventually

from v4operator.adapters.prometheus_entries import PrometheusEntries, PrometheusEntry
from v4operator.adapters.prometheus_source import PrometheusSource
from v4operator.model.deployment import Key
from v4operator.model.units import MIB
from v4operator.observe.ports import Scrape
from v4operator.runtime.clock import SystemClock

KEY = Key("ml", "flash")
ENGINE = """\
vllm:num_requests_running{engine="0"} 3
vllm:num_requests_waiting{engine="0"} 1
"""
DEVICES = "".join(
    f'DCGM_FI_DEV_FB_{what}{{gpu="{gpu}",UUID="GPU-{gpu}",namespace="ml",pod="flash-0"}} {mib}\n'
    for gpu, used in enumerate((120_000, 130_000))
    for what, mib in (("USED", used), ("FREE", 143_000 - used))
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: what is asked for is seen in Prometheus."""


@contextmanager
def files(folder: Path, address: str) -> Iterator[str]:
    """The folder's files over HTTP; host:port."""
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer((address, 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def scraping(folder: Path, block: Block, jobs: dict[str, dict[str, Any]]) -> Iterator[Prometheus]:
    """A Prometheus with these jobs, each of which has been scraped twice."""
    configuration = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": name, **job} for name, job in jobs.items()],
    }
    with prometheus(yaml.safe_dump(configuration), folder=folder, block=block) as server:
        eventually(
            lambda: len(server.query("count_over_time(up[1m]) > 1")) == len(jobs),
            what="every job scraped twice",
        )
        yield server


async def read(server: Prometheus, address: str, **entry: Any) -> Scrape:
    known = PrometheusEntries((PrometheusEntry(name="main", url=server.url, **entry),))
    source = PrometheusSource(known, SystemClock())
    try:
        return (await source.read(KEY, "main", {"flash-0": f"http://{address}"}))["flash-0"]
    finally:
        await source.aclose()


def job(path: str, target: str, **labels: str) -> dict[str, Any]:
    return {
        "metrics_path": path,
        "static_configs": [{"targets": [target], "labels": labels}],
    }


async def test_memory_of_the_devices_joins_a_replica_whether_labels_are_honoured_or_not(
    tmp_path: Path, block: Block
) -> None:
    (tmp_path / "engine.txt").write_text(ENGINE)
    (tmp_path / "devices.txt").write_text(DEVICES)
    found = []
    with files(tmp_path, block.host) as target:
        for honour in (True, False):
            devices = job("/devices.txt", target, pod="dcgm-exporter-7", namespace="gpu-operator")
            folder = tmp_path / str(honour)
            folder.mkdir()
            devices["honor_labels"] = honour
            jobs = {"engines": job("/engine.txt", target), "dcgm": devices}
            with scraping(folder, block, jobs) as server:
                found.append(await read(server, target))
    for scrape in found:
        assert scrape.failure is None
        assert scrape.reading is not None
        assert scrape.reading.memory is not None
        assert scrape.reading.memory.device_used_bytes == 130_000 * MIB
        assert scrape.reading.memory.device_free_bytes == 13_000 * MIB


async def test_two_jobs_that_scrape_one_replica_are_no_two_replicas(
    tmp_path: Path, block: Block
) -> None:
    (tmp_path / "engine.txt").write_text(ENGINE)
    with files(tmp_path, block.host) as target:
        jobs = {name: job("/engine.txt", target) for name in ("engines", "engines-too")}
        with scraping(tmp_path, block, jobs) as server:
            scrape = await read(server, target)
    assert scrape.reading is not None
    assert scrape.reading.running_requests == 3.0
    assert scrape.spacing_seconds is not None
    assert abs(scrape.spacing_seconds - 1.0) < 0.5
    assert abs(scrape.at - time.time()) < 60.0


async def test_another_cluster_and_another_replica_are_unknown_with_the_reason(
    tmp_path: Path, block: Block
) -> None:
    (tmp_path / "engine.txt").write_text(ENGINE)
    with (
        files(tmp_path, block.host) as target,
        scraping(tmp_path, block, {"e": job("/engine.txt", target, cluster="us-1")}) as server,
    ):
        ours = await read(server, target, matchers={"cluster": "us-1"})
        elsewhere = await read(server, target, matchers={"cluster": "eu-1"})
        other = await read(server, "10.0.0.9:8000")
    assert ours.reading is not None
    assert elsewhere.reading is None
    assert other.reading is None
    assert f'no engine series with instance="{target}"' in str(elsewhere.failure)
    assert 'no engine series with instance="10.0.0.9:8000"' in str(other.failure)
