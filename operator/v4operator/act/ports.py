"""What `act` needs from the rim. The adapters implement this."""

from enum import StrEnum
from typing import Protocol

from v4operator.model.deployment import Key
from v4operator.model.effects import Effect


class Outcome(StrEnum):
    """What became of one effect."""

    DONE = "done"
    CONFLICT = "conflict"
    REFUSED = "refused"


class WorkloadWriter(Protocol):
    """Carries out one effect on the workload of one V4Deployment."""

    async def write(self, key: Key, effect: Effect) -> tuple[Outcome, str]:
        """Do it, if its precondition still holds; the text says what happened. Never raises."""
        ...
