"""How long to wait after a failure: longer each time, within bounds, never all at once."""

from dataclasses import dataclass

_MAX_DOUBLINGS = 60
"""More cannot matter within any bound, and a float has room for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Doubles from `base_seconds` up to `cap_seconds`."""

    base_seconds: float
    cap_seconds: float

    def seconds(self, failures: int, chance: float) -> float:
        """The pause after that many failures in a row, counted from 1.

        `chance` in [0, 1) takes up to half of it away, so that what failed together does not
        come back together.
        """
        doublings = min(max(0, failures - 1), _MAX_DOUBLINGS)
        whole = min(self.cap_seconds, self.base_seconds * 2.0**doublings)
        return whole * (1.0 - chance / 2.0)
