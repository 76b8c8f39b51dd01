"""A sequential test for a lasting loss: the cumulative sum (CUSUM) of log ratios below tolerance.

A big loss strikes after three half-minute blocks, a small one after ten; noise and load swings
around zero never add up, and where blocks scatter more the test waits longer. Scores are in units
of the limit: 1 strikes.
"""

from collections.abc import Sequence
from math import exp, log

from v4operator.estimate.evidence import BLOCK_SECONDS

# Half of the smallest loss that must be named (15 %, a log ratio of 0.16): the best tolerance of a
# CUSUM for that loss, and just above the 7 % by which a straight line misses published points.
_TOLERANCE = 0.08

# The sum of losses at which it strikes: ten blocks (five minutes) of a 15 % loss where blocks
# scatter little. The upper limit is that of 10 % of noise that lasts two minutes; no test with so
# few false strikes names a 15 % loss in it within 25 minutes (Lorden's bound, 53 blocks).
_LEAST_LIMIT = 0.8
_MOST_LIMIT = 4.4

# In between in proportion to the long-run variance of healthy blocks. A CUSUM with tolerance k and
# limit h strikes falsely once in about exp(2 k h / variance) blocks (Wald's bound); the budget is
# one a year for each replica.
# Leaving the most suspect replica out of the scatter leaves out unlucky ones as well: of 3 to 7
# healthy replicas a quarter of the variance is lost (simulated, 10 % of noise that lasts a minute:
# 42 false strikes of four replicas in 14 days without this factor and at a bound of 15 % below,
# none in ten days with it and at 25 %).
_LEFT_OUT = 1.3
_BLOCKS_A_YEAR = 365.0 * 86400.0 / BLOCK_SECONDS
_LIMIT_PER_VARIANCE = _LEFT_OUT * log(_BLOCKS_A_YEAR) / (2.0 * _TOLERANCE)

# Until blocks have been seen: 7 % of noise that lasts a minute, against peers who have it as well.
FIRST_VARIANCE = 0.012

# The long-run variance follows in half an hour: of noise that lasts a minute that is thirty
# independent values a replica. A block counts no more than one that is off by 25 %.
_VARIANCE_KEPT = exp(-BLOCK_SECONDS / 1800.0)
_MOST_DEPARTURE = 0.25

# Blocks further back than two minutes are taken to be independent of the present one.
_LAGS = 4

# One block adds no more than this to the score, so that it takes three (90 s) to strike however
# bad they are.
_MOST_PER_BLOCK = 0.4

# The score stops a quarter above the limit, and a strike is over at half of it: a cured replica is
# cleared after 8 to 20 healthy blocks.
_MOST_SCORE = 1.25
_CLEARED = 0.5


def limit_of(variance: float) -> float:
    """The sum of losses that strikes, for blocks of that long-run variance (log ratios)."""
    return max(_LEAST_LIMIT, min(_MOST_LIMIT, _LIMIT_PER_VARIANCE * variance))


def moved(score: float, log_ratio: float | None, limit: float) -> float:
    """One step of the test; nothing comparable leaves it where it is."""
    if log_ratio is None:
        return score
    step = (-log_ratio - _TOLERANCE) / limit
    bounded = max(-_MOST_PER_BLOCK, min(_MOST_PER_BLOCK, step))
    return max(0.0, min(_MOST_SCORE, score + bounded))


def strikes(score: float, *, before: bool) -> bool:
    """Whether the test has struck and not yet cleared."""
    return score >= 1.0 or (before and score > _CLEARED)


def suspects(score: float) -> bool:
    """Whether the test is half way to a strike: enough not to learn from the block."""
    return score > _CLEARED


def departures_after(past: Sequence[float], departure: float) -> tuple[float, ...]:
    """The last blocks' departures, the present one last: as many as may depend on each other."""
    bounded = max(-_MOST_DEPARTURE, min(_MOST_DEPARTURE, departure))
    return (*past[-_LAGS:], bounded)


def variance_after(variance: float, departures: Sequence[Sequence[float]]) -> float:
    """The long-run variance after one more block of each replica, each with the blocks before.

    A sum of n blocks scatters by n times the variance plus twice the covariances of all lags.
    """
    if not departures:
        return variance
    products = [last[-1] * (2.0 * sum(last) - last[-1]) for last in departures]
    block = sum(products) / len(products)
    return max(0.0, _VARIANCE_KEPT * variance + (1.0 - _VARIANCE_KEPT) * block)
