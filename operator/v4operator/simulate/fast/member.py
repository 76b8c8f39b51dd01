"""One replica's life as a cluster sees and bills it. What it works on is the kernel's."""

from dataclasses import dataclass
from typing import Literal

Phase = Literal["pending", "starting", "ready", "draining"]


@dataclass(slots=True, eq=False)
class Member:
    """Times in seconds from the start; `slot` is its place in the kernel while it serves.

    Devices are billed from `placed_at` to `released_at`. `figures` is what its engine had counted
    when it was released, as `kernel.layout.FIGURES`.
    """

    name: str
    ordinal: int
    created_at: float
    phase: Phase = "pending"
    routable: bool = True
    restarts: int = 0
    placed_at: float | None = None
    ready_due: float = float("inf")
    ready_at: float | None = None
    drain_at: float | None = None
    released_at: float | None = None
    slot: int = -1
    figures: tuple[float, ...] = ()

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """How gladly a ReplicaSet does without it: not placed, not ready, the youngest first."""
        return self.placed_at is None, self.phase != "ready", self.ordinal


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """What one replica cost up to some moment, in seconds of a replica."""

    billed: float
    loading: float
    draining: float
    busy: float

    @classmethod
    def of(cls, member: Member, end: float, busy: float) -> "Stay":
        """The part of its life that lies from 0 to `end`."""

        def cut(time: float | None) -> float:
            return end if time is None else min(max(time, 0.0), end)

        if member.placed_at is None:
            return cls(billed=0.0, loading=0.0, draining=0.0, busy=0.0)
        released = cut(member.released_at)
        ready = min(cut(member.ready_at), released)
        drain = min(cut(member.drain_at), released)
        return cls(
            billed=released - cut(member.placed_at),
            loading=ready - cut(member.placed_at),
            draining=released - drain,
            busy=busy,
        )
