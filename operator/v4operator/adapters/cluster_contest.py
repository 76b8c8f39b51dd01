"""Notices when somebody else sets the count that the operator has set, and when to stop. Pure.

Whoever wrote is named after what the API server says about the write. Two hands on one count are
told; after three reversals the operator lets go until the spec changes: it does not fight.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from v4operator.api.conditions import ConditionReason
from v4operator.model.hbm import Finding

UNNAMED = "another writer"
"""Where the API does not say who wrote."""

_REVERSALS = 3
"""One may be a person's deliberate act, two a slow pipeline; the third is a loop (DESIGN 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What was seen under one generation of the spec.

    `wrote` is the count that the operator set last and nobody has changed since; `rival` set it
    `reversals` times to something else, the last time to `count`.
    """

    generation: int
    wrote: int | None = None
    reversals: int = 0
    rival: str = ""
    count: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether the operator should not write any more."""
        return self.reversals >= _REVERSALS

    def seen(self, *, generation: int, count: int, writer: str | None, own: str) -> "Contest":
        """After a look at the workload; `own` is the name under which the operator writes."""
        if generation != self.generation:
            return Contest(generation=generation)
        if self.wrote is None or count == self.wrote or writer in {None, own}:
            return self
        return replace(
            self, wrote=None, reversals=self.reversals + 1, rival=str(writer), count=count
        )

    def written(self, count: int) -> "Contest":
        """After the operator has set the count."""
        return replace(self, wrote=count)

    def findings(self) -> Iterator[Finding]:
        """What a person should know of it."""
        if not self.reversals:
            return
        told = f"{self.rival} has set replicas to {self.count} after the operator had set it"
        if self.is_lost:
            yield Finding(
                reason=ConditionReason.SCALING_CONTESTED.value,
                message=f"{told}, {self.reversals} times: the operator writes no more until the"
                " spec changes",
                hint=f"let one of them scale: take the count from {self.rival}, or set"
                " scaling.mode to Recommend",
            )
        else:
            yield Finding(
                reason="OtherWriter",
                message=f"{told} ({self.reversals} of {_REVERSALS})",
                hint=f"let one of them scale: {self.rival} or the operator",
            )
