"""A run of pure decode steps in closed form, so that hundreds of steps cost one evaluation.

Every step of the run has the same sequences, so step i lasts `first + i * slope`: the context of
each sequence grows by one token a step.
"""

import math
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class DecodeRun:
    """`steps` decode steps of `sequences` sequences that begin at `start`.

    A run may be shortened before its end (a request arrived), never lengthened.
    """

    start: float
    first: float
    slope: float
    sequences: int
    steps: int

    def end(self, steps: int) -> float:
        """When that many steps are done."""
        return self.start + steps * self.first + self.slope * (steps * (steps - 1) / 2)

    def steps_by(self, time: float) -> int:
        """How many steps are done at `time`, that moment included."""
        steps = min(self.steps, max(0, self._estimate(time)))
        while steps < self.steps and self.end(steps + 1) <= time:
            steps += 1
        while steps > 0 and self.end(steps) > time:
            steps -= 1
        return steps

    def first_boundary(self, time: float) -> int:
        """Number of the first step that ends at `time` or later; the last one if none does."""
        done = self.steps_by(time)
        if done > 0 and self.end(done) >= time:
            return done
        return min(self.steps, done + 1)

    def _estimate(self, time: float) -> int:
        elapsed = time - self.start
        if elapsed <= 0:
            return 0
        linear = self.first - self.slope / 2
        if self.slope * elapsed < 1e-9 * linear * linear:  # as good as a straight line
            return int(min(self.steps, elapsed / linear))
        root = math.sqrt(linear * linear + 2 * self.slope * elapsed)
        return int(min(self.steps, (root - linear) / self.slope))
