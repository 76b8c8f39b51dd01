"""Starts a server that says over HTTP when it is ready (`/-/ready`), as Prometheus's kin do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.rig.component import Component
from tests.rig.waiting import eventually

_REQUEST_SECONDS = 10.0


@contextmanager
def served(
    name: str, command: tuple[str | Path, ...], folder: Path, address: str
) -> Iterator[tuple[Component, httpx.Client]]:
    """Start it, wait until it is ready, hand out a client, end it."""
    component = Component(
        name, command, log=folder / f"{name}.log", environment={"HOME": str(folder)}
    )
    with httpx.Client(
        base_url=f"http://{address}", timeout=_REQUEST_SECONDS, trust_env=False
    ) as api:
        component.start()
        try:
            eventually(
                lambda: _ready(component, api), what=f"{name} is ready", not_yet=(httpx.HTTPError,)
            )
            yield component, api
        finally:
            component.kill()


def _ready(component: Component, api: httpx.Client) -> bool:
    component.check()
    return api.get("/-/ready").status_code == httpx.codes.OK
