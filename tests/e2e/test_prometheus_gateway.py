"""A queue in front of the replicas, told by a real Prometheus while the engines are scraped.

The engines see the requests that the gateway admits and nothing of those that it holds back.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.test_standalone import FLEET, begin, status, until, write
from tests.e2e.emulated_fleet import emulated_fleet
from tests.rig.addresses import Block
from tests.rig.prometheus import prometheus

PLENTY = 4000
"""Requests that take one replica ten minutes, whatever else it has to do."""


class Gateway:
    """The metrics of a gateway: its queue, once it has one."""

    def __init__(self) -> None:
        self.queues: tuple[int, ...] = ()

    def text(self) -> bytes:
        lines = (f'gateway_queue{{pod="{n}"}} {held}\n' for n, held in enumerate(self.queues))
        return "".join(("# TYPE gateway_queue gauge\n", *lines)).encode()


@contextmanager
def answering(gateway: Gateway) -> Iterator[str]:
    """The host and port where it answers with them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(gateway.text())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_queue_at_the_gateway_makes_the_fleet_grow_while_its_engines_tell_nothing_of_it(
    tmp_path: Path, block: Block, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    fleet = ExitStack()
    request.addfinalizer(fleet.close)
    emulator = fleet.enter_context(emulated_fleet(tmp_path, speed=1, rate=[[0, 2]], replicas=1))
    gateway = Gateway()
    with answering(gateway) as place, _watching(place, tmp_path, block, monkeypatch):
        _declare(tmp_path / "manifests")
        request.addfinalizer(begin(tmp_path, emulator).end)

        unknown = until(lambda: _found(tmp_path, "GatewayQueueUnknown"), "an unknown queue")
        assert "gives no sample, not one" in unknown["message"]

        gateway.queues = (0, 0)
        known = until(lambda: _queue(tmp_path, 0), "a queue of none")
        assert _found(tmp_path, "GatewayQueueUnknown") is None
        assert known["desiredReplicas"] == 1
        assert known["observed"]["freshReplicas"] == 1

        gateway.queues = (PLENTY // 4, PLENTY - PLENTY // 4)
        grown = until(lambda: _grown(tmp_path), "growth")
        assert grown["observed"]["gatewayWaitingRequests"] == PLENTY
        assert grown["observed"]["waitingRequests"] == 0


@contextmanager
def _watching(
    place: str, folder: Path, block: Block, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A Prometheus that scrapes the gateway and that the operator knows by name."""
    scrapes = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "gateway", "static_configs": [{"targets": [place]}]}],
    }
    with prometheus(yaml.safe_dump(scrapes), folder=folder, block=block) as server:
        entries = folder / "entries.yaml"
        entries.write_text(yaml.safe_dump({"prometheus": [{"name": "main", "url": server.url}]}))
        monkeypatch.setenv("V4_PROMETHEUS_FILE", str(entries))
        yield


def _declare(manifests: Path) -> None:
    manifests.mkdir()
    write(manifests, "flash", FLEET)
    manifest = manifests / "flash.yaml"
    queue = "  metrics: {interval: 1s}\n  demand: {query: sum(gateway_queue)}\n"
    manifest.write_text(manifest.read_text() + queue)


def _found(folder: Path, reason: str) -> dict[str, Any] | None:
    told = status(folder, "flash")
    return next((f for f in told["findings"] if f["reason"] == reason), None) if told else None


def _queue(folder: Path, requests: int) -> dict[str, Any] | None:
    """The status once it tells of a queue that long, and of the demand."""
    told = status(folder, "flash")
    if told is None or told["capacity"]["demandReplicas"] is None:
        return None
    return told if told["observed"]["gatewayWaitingRequests"] == requests else None


def _grown(folder: Path) -> dict[str, Any] | None:
    told = status(folder, "flash")
    return told if told and (told["desiredReplicas"] or 0) > 1 else None
