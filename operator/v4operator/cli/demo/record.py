"""What the demo saw, frame by frame. Frozen; no judgement here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One deployment at one moment: its status as the operator wrote it, and the clients' truth.

    `truth` is `None` for a deployment that nothing emulates.
    """

    status: Mapping[str, Any] | None
    truth: Mapping[str, Any] | None

    def condition(self, kind: str) -> Mapping[str, Any] | None:
        """The condition of that type, if the operator has said anything yet."""
        found = (self.status or {}).get("conditions", ())
        return next((c for c in found if c["type"] == kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Everything at `elapsed` emulated seconds after the start."""

    elapsed: float
    sights: Mapping[str, Sight]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The whole demo, oldest frame first."""

    start: float
    frames: tuple[Frame, ...]
    real_seconds: float

    @property
    def elapsed_seconds(self) -> float:
        """Emulated seconds watched."""
        return self.frames[-1].elapsed if self.frames else 0.0
