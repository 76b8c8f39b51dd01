"""Runs of the policy benchmark that were played, kept so that an interruption loses one at most."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: who, where, how, and under which knobs (empty: the defaults)."""

    scenario: str
    policy: str
    overload: str
    seed: int
    setting: str
    knobs: tuple[tuple[str, float], ...] = ()

    @property
    def key(self) -> str:
        """What tells it from every other run."""
        knobs = ",".join(f"{name}={value:.6g}" for name, value in self.knobs)
        return f"{self.scenario}/{self.overload}/{self.policy}/{self.setting}/{self.seed}/{knobs}"


class Ledger:
    """What has been played: one JSON line each, found again by key."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.unlink(missing_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: dict[str, Row] = {row["key"]: row for row in map(json.loads, lines)}

    def add(self, key: str, row: Row) -> Row:
        """Keep a row at once, so that an interruption loses one run at most."""
        self.rows[key] = {"key": key, **row}
        with self._path.open("a") as file:
            file.write(json.dumps(self.rows[key], allow_nan=False) + "\n")
        return self.rows[key]
