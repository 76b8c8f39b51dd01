"""A dashboard at one moment: what Grafana would put in the place of every variable."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.dashboards.recording import SCRAPE_SECONDS

_RATE_SCRAPES = 4  # Grafana's $__rate_interval spans four scrapes where the step is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The time range in Unix seconds, and what is chosen in the variables."""

    start: float
    end: float
    chosen: Mapping[str, str]

    @property
    def step(self) -> float:
        """Seconds between two points of a graph."""
        return SCRAPE_SECONDS

    def fill(self, board: Mapping[str, Any]) -> dict[str, Any]:
        """The board with every variable replaced."""
        text = json.dumps(board)
        for name, value in self._values().items():
            text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
        filled: dict[str, Any] = json.loads(text)
        return filled

    def _values(self) -> dict[str, str]:
        length = f"{self.end - self.start:.0f}"
        return {
            "__rate_interval": f"{_RATE_SCRAPES * SCRAPE_SECONDS:.0f}s",
            "__range_s": length,
            "__range": f"{length}s",
            "__interval": f"{SCRAPE_SECONDS:.0f}s",
            **self.chosen,
        }
