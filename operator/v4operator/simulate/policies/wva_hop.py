"""WVA's second hop: it publishes a count as a gauge, which is scraped again for an HPA to follow.

The published count comes one scrape late, and the HPA's tolerance of 10 % swallows one replica more
from eleven on (`AverageValue` 1; llm-d WVA v0.9.0, its HPA sample without a window for down).
"""

from dataclasses import dataclass, field

from v4operator.simulate.policies.hpa_core import Behavior, from_total


@dataclass(slots=True, kw_only=True)
class Hop:
    """The gauge between WVA and the HPA."""

    down_window_seconds: float = 0.0
    _published: int | None = None
    _behavior: Behavior = field(init=False)

    def __post_init__(self) -> None:
        self._behavior = Behavior(down_window_seconds=self.down_window_seconds)

    def follow(self, published: int, desired: int, now: float) -> int:
        """What the HPA makes of the count that was published a loop ago."""
        seen, self._published = self._published, published
        if seen is None:
            return desired
        return self._behavior.apply(from_total(float(seen), 1.0, desired), desired, now)
