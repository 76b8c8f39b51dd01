"""Prometheus and Alertmanager beside the demo, with the rules at the demo's pace.

The emulated clock runs `speed` times as fast as the one that Prometheus stamps samples with, so
every duration of the rules is divided by `speed`, from the table that people apply undivided.
"""

import asyncio
import socket
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import yaml

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Fetcher, FetchError, Limits
from v4operator.cli.demo import binaries, fired
from v4operator.cli.demo.fired import Fired
from v4operator.cli.demo.processes import Processes, StartFailed
from v4operator.rulegen.alertmanager import configuration, nowhere
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.render import rule_file

_HOST = "127.0.0.1"
_SCRAPE_SECONDS = 1.0
"""Real. The limit of a scrape too: a missed one would reset every alert that waits."""
_READY_SECONDS = 30.0  # either is ready in a fifth of a second; a busy machine takes ten
_LOOK_SECONDS = 0.1
_LIMITS = Limits(seconds=5.0, body_bytes=1 << 20)
_GRAPH = "v4_deployment_decode_tokens_per_second"
"""What moves most: the load, the growth and the replica that falls ill are all in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What is started."""

    prometheus: Path
    alertmanager: Path


def programs() -> Programs:
    """Both, found.

    Raises:
        BinaryMissing: one is not there; says how to get it.
    """
    return Programs(
        prometheus=binaries.find("prometheus"), alertmanager=binaries.find("alertmanager")
    )


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Both, running. `started`: real Unix seconds at which the emulated clock began."""

    prometheus_url: str
    alertmanager_url: str
    has_pages: bool
    started: float
    speed: float

    async def alerts(self) -> tuple[Fired, ...]:
        """What has fired since the start.

        Raises:
            FetchError: Prometheus does not answer.
        """
        since = time.time() - self.started
        asked = quote(fired.query(since, Durations().faster(self.speed).evaluation))
        async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
            url = f"{self.prometheus_url}/api/v1/query?query={asked}"
            answer = await fetcher.fetch(url, limits=_LIMITS)
        return fired.read(answer.body, started=self.started, speed=self.speed)

    def where_to_look(self) -> str:
        """Addresses, a line each."""
        return "\n".join(
            [
                *self._of_prometheus(),
                f"Alertmanager  {self.alertmanager_url}/#/alerts",
                "dashboards    import dashboards/*.json (docs/dashboards.md), data source: this",
                f"              Prometheus, scrape interval {_SCRAPE_SECONDS:.0f}s, last 5 minutes",
            ]
        )

    def _of_prometheus(self) -> list[str]:
        at = self.prometheus_url
        if self.has_pages:
            return [
                f"Prometheus    {at}/alerts",
                f"              {at}/graph?g0.expr={_GRAPH}&g0.tab=0&g0.range_input=2m",
            ]
        return [
            f"Prometheus    {at} (this build has no pages: ask its API)",
            f"              {at}/api/v1/alerts",
            f"              {at}/api/v1/query?query={_GRAPH}",
        ]


async def start(
    found: Programs,
    processes: Processes,
    folder: Path,
    *,
    operator_port: int,
    started: float,
    speed: float,
) -> Monitoring:
    """Start both and wait until they are ready.

    Raises:
        StartFailed: one did not come up; carries its last words.
    """
    durations = Durations().faster(speed)
    alertmanager, prometheus = (f"{_HOST}:{free_port()}" for _ in range(2))
    (folder / "rules.yml").write_text(rule_file(durations))
    (folder / "alertmanager.yml").write_text(configuration(durations, nowhere))
    (folder / "prometheus.yml").write_text(_scraping(f"{_HOST}:{operator_port}", alertmanager))
    await _served(
        processes,
        ("alertmanager", found.alertmanager, f"--storage.path={folder / 'alertmanager-data'}"),
        ("--cluster.listen-address=", f"--config.file={folder / 'alertmanager.yml'}"),
        alertmanager,
    )
    await _served(
        processes,
        ("prometheus", found.prometheus, f"--storage.tsdb.path={folder / 'prometheus-data'}"),
        (f"--config.file={folder / 'prometheus.yml'}",),
        prometheus,
    )
    return Monitoring(
        prometheus_url=f"http://{prometheus}",
        alertmanager_url=f"http://{alertmanager}",
        has_pages=await _has_pages(prometheus),
        started=started,
        speed=speed,
    )


async def _served(
    processes: Processes,
    program: tuple[str, Path, str],
    flags: tuple[str, ...],
    address: str,
) -> None:
    name, path, storage = program
    process = await processes.start(
        name, str(path), storage, *flags, f"--web.listen-address={address}", "--log.level=warn"
    )
    async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
        deadline = time.monotonic() + _READY_SECONDS
        while await _status(fetcher, f"http://{address}/-/ready") != HTTPStatus.OK:
            if process.returncode is not None or time.monotonic() > deadline:
                raise StartFailed(f"{name} did not start: {processes.last_words(name)}")
            await asyncio.sleep(_LOOK_SECONDS)


async def _has_pages(address: str) -> bool:
    """Whether it was built with its web pages; Debian's and Go's own builds are not."""
    async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
        pages = [await _status(fetcher, f"http://{address}/{page}") for page in ("query", "graph")]
    return HTTPStatus.OK in pages


async def _status(fetcher: Fetcher, url: str) -> int | None:
    try:
        return (await fetcher.fetch(url, limits=_LIMITS)).status
    except FetchError:
        return None


def _scraping(operator: str, alertmanager: str) -> str:
    every = f"{_SCRAPE_SECONDS:.0f}s"
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {
                    "job_name": "v4-operator",
                    "honor_labels": True,
                    "static_configs": [{"targets": [operator]}],
                }
            ],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        }
    )
