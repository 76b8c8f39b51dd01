"""What the demand may be one horizon ahead, and how much a further replica would then be used.

Where a gateway holds back what the replicas have no room for, only the excess fails: a replica is
worth exactly the work that would be short without it. Without a gateway a fleet that is short
fails everybody, and `demand.reserve` holds a quantile instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, log, sqrt

# The learned spread is a root mean square that rare large errors dominate. Mostly growth stays
# within half of it; once in thirty horizons, a few times a day, it is drawn from twice of it.
_NEAR_RATIO = 0.5
_FAR_RATIO = 2.0
_FAR_PROBABILITY = 0.03

# Clients that went away come back: once in four horizons, half an hour, the demand is again what it
# was at some moment of the last hours. With 0.15 the quiet days of the study were 1 % cheaper and
# the one with few large clients missed its target.
_RETURN_PROBABILITY = 0.25

_PRECISION_REPLICAS = 1e-3
_MOST_REPLICAS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The demand one horizon ahead as a mixture, in replicas.

    Around `expected` with a logarithm that scatters by `spread`, or again at one of the `peaks` of
    the last hours, one of each stretch.
    """

    expected: float
    spread: float
    peaks: Sequence[float]

    def used_share(self, replicas: float) -> float:
        """The share of its time that one more than `replicas` would be needed: E[min(1, D - n)]."""
        returning = _RETURN_PROBABILITY if self.peaks else 0.0
        share = _FAR_PROBABILITY * self._grown(_FAR_RATIO, replicas)
        share += (1.0 - _FAR_PROBABILITY - returning) * self._grown(_NEAR_RATIO, replicas)
        if self.peaks:
            above = sum(min(1.0, max(0.0, peak - replicas)) for peak in self.peaks)
            share += returning * above / len(self.peaks)
        return share

    def replicas(self, least_share: float) -> float:
        """The demand to provide for: a replica above it would be used for less than that share.

        Not whole; the share falls with every replica, so that rounding up keeps what it says.
        """
        if self.used_share(0.0) <= least_share:
            return 0.0
        low, high = 0.0, 1.0
        while self.used_share(high) > least_share and high < _MOST_REPLICAS:
            low, high = high, 2.0 * high
        while high - low > _PRECISION_REPLICAS:
            middle = (low + high) / 2.0
            if self.used_share(middle) > least_share:
                low = middle
            else:
                high = middle
        return high

    def _grown(self, ratio: float, replicas: float) -> float:
        spread = ratio * self.spread
        return _excess(self.expected, spread, replicas) - _excess(
            self.expected, spread, replicas + 1.0
        )


def _excess(median: float, spread: float, above: float) -> float:
    """E[max(0, D - above)] of a lognormal D (the undiscounted call of Black and Scholes)."""
    mean = median * exp(spread * spread / 2.0)
    if above <= 0.0:
        return mean - above
    if median <= 0.0:
        return 0.0
    if spread <= 0.0:
        return max(0.0, median - above)
    distance = (log(median) - log(above)) / spread
    return mean * _normal(distance + spread) - above * _normal(distance)


def _normal(deviations: float) -> float:
    """The share of a normal variable below so many standard deviations."""
    return 0.5 * erfc(-deviations / sqrt(2.0))
