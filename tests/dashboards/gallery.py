"""The demo's three deployments, recorded, behind a real Prometheus, with a browser to draw them.

One grows with its demand and has a budget that it outgrows, one has a sick replica, one does not
fit its devices.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml
from tests.dashboards.drawing import Easel, easel
from tests.dashboards.moment import Moment
from tests.dashboards.recording import Recording, record, write_blocks
from tests.rig.addresses import held_block
from tests.rig.prometheus import Prometheus, prometheus

BOARDS = Path(__file__).parents[2] / "dashboards"
GROWING, SICK, TOO_LARGE = "flash-chat", "pro-agents", "guide-example"
DEPLOYMENTS = (GROWING, SICK, TOO_LARGE)
# Long enough for demand to triple, for the replica to fall ill (1020 s) and to be named.
_SECONDS = 28 * 60.0
_BUDGET = {"budgetPerHour": 90}  # dollars: six replicas of four H200


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Everything that is needed to draw, and what was recorded."""

    recording: Recording
    prometheus: Prometheus
    easel: Easel

    def moment(self, deployment: str) -> Moment:
        """The whole recording, with this deployment chosen (`.*`: all)."""
        chosen = {
            "namespace": "demo",
            "v4deployment": deployment,
            "datasource": "prometheus",
            "runbooks": "/runbooks",
        }
        return Moment(start=self.recording.start, end=self.recording.end, chosen=chosen)


def board(uid: str) -> dict[str, Any]:
    """A committed board."""
    found: dict[str, Any] = json.loads((BOARDS / f"{uid}.json").read_text())
    return found


@contextmanager
def gallery(folder: Path) -> Iterator[Gallery]:
    """Record for most of a minute, then keep Prometheus and the browser until the end."""
    manifests = folder / "manifests"
    manifests.mkdir()
    with (
        held_block() as block,
        as_file(files("v4operator.cli.demo") / "story") as story,
    ):
        for name in DEPLOYMENTS:
            shutil.copy(story / f"{name}.yaml", manifests)
        _give_budget(manifests / f"{GROWING}.yaml")
        recording = record(
            story / "scenario.yaml", manifests, seconds=_SECONDS, folder=folder, block=block
        )
        write_blocks(recording, folder)
        with (
            prometheus("global: {}", folder=folder, block=block) as server,
            easel(server.url, block) as drawing,
        ):
            yield Gallery(recording=recording, prometheus=server, easel=drawing)


def _give_budget(manifest: Path) -> None:
    document = yaml.safe_load(manifest.read_text())
    document["spec"]["cost"] = _BUDGET
    manifest.write_text(yaml.safe_dump(document))
