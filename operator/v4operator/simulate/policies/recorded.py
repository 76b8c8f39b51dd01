"""The fleet as it was: the counts of a history, followed step by step."""

from collections.abc import Sequence

from v4operator.simulate.policies.policy import Seen, Step


class Recorded:
    """Asks for the count that the workload held at the same time."""

    def __init__(self, counts: Sequence[int], step_seconds: float) -> None:
        self.period_seconds = self.scrape_seconds = step_seconds
        self._counts = counts
        self._step_seconds = step_seconds

    def decide(self, seen: Seen) -> Step:
        """The count of the step that holds now."""
        step = min(int(seen.now // self._step_seconds), len(self._counts) - 1)
        return Step(desired=self._counts[step])
