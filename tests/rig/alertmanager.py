"""A real Alertmanager on loopback, with a configuration that a test wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.rig.addresses import Block
from tests.rig.build import path_of
from tests.rig.component import Component
from tests.rig.served import served

Alert = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alertmanager:
    """A running Alertmanager."""

    url: str
    component: Component
    api: httpx.Client

    def alerts(self) -> list[Alert]:
        """Alerts it holds."""
        found: list[Alert] = self.api.get("/api/v2/alerts").raise_for_status().json()
        return found

    def post(self, alerts: list[Alert]) -> None:
        """Hand alerts in as Prometheus would (`labels`, `annotations`, `startsAt`, `endsAt`)."""
        self.api.post("/api/v2/alerts", json=alerts).raise_for_status()


@contextmanager
def alertmanager(configuration: str, *, folder: Path, block: Block) -> Iterator[Alertmanager]:
    """Alertmanager with this configuration, alone.

    Raises:
        ComponentEndedError: it refused the configuration; carries what it said.
    """
    (folder / "alertmanager.yml").write_text(configuration)
    address = f"{block.host}:{block.free_port()}"
    command = (
        path_of("alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",  # no gossip, no second port
        "--log.level=warn",
    )
    with served("alertmanager", command, folder, address) as (component, api):
        yield Alertmanager(url=str(api.base_url), component=component, api=api)
