"""A sequential test for a lasting loss: the cumulative sum (CUSUM) of log ratios below tolerance.

A big loss strikes after three half-minute blocks, a small one after ten; noise and load swings
around zero never add up, and where blocks scatter more the test waits longer. Scores are in units
of the limit: 1 strikes.
"""

from collections.abc import Sequence
from math import exp
from statistics import median

from v4operator.estimate.evidence import BLOCK_SECONDS

# Half of the smallest loss that must be named (15 %, a log ratio of 0.16): the best tolerance of a
# CUSUM for that loss, and just above the 7 % by which a straight line misses published points.
_TOLERANCE = 0.08

# The sum of losses at which it strikes: ten blocks (five minutes) of a 15 % loss where blocks
# scatter little, and never more than 27 blocks (13 minutes) of it, or 7 blocks of a 35 % loss.
_LEAST_LIMIT = 0.8
_MOST_LIMIT = 2.2

# In between in proportion to the variance of a healthy block. A CUSUM with tolerance k and limit h
# strikes falsely once in about exp(2 k h / variance) blocks, and noise that lasts a minute counts
# four times. exp(10) blocks are a week of one replica at the steepest; at 5 % of noise the least
# limit makes it exp(13), four months.
_LIMIT_PER_VARIANCE = 10.0 * 4.0 / (2.0 * _TOLERANCE)

# Until blocks have been seen they are taken to scatter by 10 %, the most that is planned for.
FIRST_VARIANCE = 0.10**2

# The variance follows in ten minutes; a block counts no more than one that is off by 15 %, and the
# median over the replicas leaves a sick one out. It is 0.455 of the variance (chi-square).
_VARIANCE_KEPT = exp(-BLOCK_SECONDS / 600.0)
_MOST_SQUARE = 0.15**2
_MEDIAN_OF_SQUARES = 0.455

# One block adds no more than this, so that it takes three (90 s) to strike however bad they are.
_MOST_PER_BLOCK = 0.4

# The score stops a quarter above the limit, and a strike is over at half of it: a cured replica is
# cleared after 8 to 20 healthy blocks.
_MOST_SCORE = 1.25
_CLEARED = 0.5


def limit_of(variance: float) -> float:
    """The sum of losses that strikes, for blocks whose log ratio scatters with that variance."""
    return max(_LEAST_LIMIT, min(_MOST_LIMIT, _LIMIT_PER_VARIANCE * variance))


def moved(score: float, log_ratio: float | None, limit: float) -> float:
    """One step of the test; nothing comparable leaves it where it is."""
    if log_ratio is None:
        return score
    loss = max(-_MOST_PER_BLOCK, min(_MOST_PER_BLOCK, -log_ratio))
    return max(0.0, min(_MOST_SCORE, score + (loss - _TOLERANCE) / limit))


def strikes(score: float, *, before: bool) -> bool:
    """Whether the test has struck and not yet cleared."""
    return score >= 1.0 or (before and score > _CLEARED)


def suspects(score: float) -> bool:
    """Whether the test is half way to a strike: enough not to learn from the block."""
    return score > _CLEARED


def variance_after(variance: float, log_ratios: Sequence[float]) -> float:
    """The variance of a healthy block, after one more block of each replica."""
    if not log_ratios:
        return variance
    squares = [min(ratio * ratio, _MOST_SQUARE) for ratio in log_ratios]
    block = median(squares) / _MEDIAN_OF_SQUARES
    return _VARIANCE_KEPT * variance + (1.0 - _VARIANCE_KEPT) * block
