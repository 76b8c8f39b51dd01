"""A real Prometheus on loopback, with a configuration that a test wrote."""

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

Sample = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    component: Component
    api: httpx.Client

    def query(self, expression: str, *, at_seconds: float | None = None) -> list[Sample]:
        """The result of an instant query, as the API gives it (`metric`, `value`).

        Raises:
            httpx.HTTPError: it did not answer, or refused the expression.
        """
        time = {} if at_seconds is None else {"time": str(at_seconds)}
        return self._listed("result", "/api/v1/query", query=expression, **time)

    def query_range(
        self, expression: str, *, start_seconds: float, end_seconds: float, step_seconds: float
    ) -> list[Sample]:
        """The result of a range query (`metric`, `values`)."""
        return self._listed(
            "result",
            "/api/v1/query_range",
            query=expression,
            start=str(start_seconds),
            end=str(end_seconds),
            step=str(step_seconds),
        )

    def targets(self) -> list[Sample]:
        """What it scrapes now, with health and last error."""
        return self._listed("activeTargets", "/api/v1/targets", state="active")

    def alerts(self) -> list[Sample]:
        """Alerts that are pending or firing."""
        return self._listed("alerts", "/api/v1/alerts")

    def reload(self) -> None:
        """Read configuration and rules again.

        Raises:
            httpx.HTTPError: it refused them.
        """
        self.api.post("/-/reload").raise_for_status()

    def _listed(self, key: str, path: str, **query: str) -> list[Sample]:
        answer = self.api.get(path, params=query).raise_for_status().json()
        found: list[Sample] = answer["data"][key]
        return found


@contextmanager
def prometheus(configuration: str, *, folder: Path, block: Block) -> Iterator[Prometheus]:
    """Prometheus with this configuration; relative rule files are looked up in `folder`.

    Raises:
        ComponentEndedError: it refused the configuration; carries what it said.
    """
    (folder / "prometheus.yml").write_text(configuration)
    address = f"{block.host}:{block.free_port()}"
    command = (
        path_of("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )
    with served("prometheus", command, folder, address) as (component, api):
        yield Prometheus(url=str(api.base_url), component=component, api=api)
