"""A fleet of fixed size: what most teams run, and what every saving is measured against."""

from v4operator.simulate.policies.policy import Seen, Step


class Constant:
    """Always the same count."""

    period_seconds = 60.0  # it has nothing to look at
    scrape_seconds = 60.0

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas

    def decide(self, _: Seen) -> Step:
        """The count it was given."""
        return Step(desired=self._replicas)
