"""A sequential test for a lasting loss: the cumulative sum (CUSUM) of log ratios below tolerance.

A big loss strikes after three half-minute blocks, a small one after ten; noise and load swings
around zero never add up, and where blocks scatter more the test waits longer. Scores are in units
of the limit: 1 strikes.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt

from v4operator.estimate.evidence import BLOCK_SECONDS
from v4operator.model.learned import Scatter

# Half of the smallest loss that must be named (15 %, a log ratio of 0.16): the best tolerance of a
# CUSUM for that loss, and just above the 7 % by which a straight line misses published points.
_TOLERANCE = 0.08

# The same for a loss of 35 % (0.43). A test for small losses is slow to call large ones where
# blocks scatter much, its limit being far away. Both together strike falsely twice a year at most.
LARGE_TOLERANCE = 0.21

# The sum of losses at which it strikes: ten blocks (five minutes) of a 15 % loss where blocks
# scatter little. The upper limit is that of 10 % of noise that lasts two minutes; no test with so
# few false strikes names a 15 % loss in it within 25 minutes (Lorden's bound, 53 blocks).
_LEAST_LIMIT = 0.8
_MOST_LIMIT = 4.4

# In between it keeps the budget of false strikes, one a year for each replica (simulated with 10 %
# of noise that lasts a minute: 0.6 to 1.7 a year in fleets of seven to three).
_BLOCKS_A_YEAR = 365.0 * 86400.0 / BLOCK_SECONDS
_LEAST_VARIANCE = 1e-6  # far below what the least limit is made for; keeps the logarithm finite

# Until blocks have been seen: 10 % of noise that lasts a minute, against peers who have it as well.
# It counts as much as ten minutes of evidence, so that a calm fleet is told from it soon.
FIRST_VARIANCE = 0.03
_FIRST_BLOCKS = 20

# What is remembered of the scatter: four hours. The variance is then known within 10 %; an error of
# 20 %, that of half an hour, costs four minutes until a 15 % loss is named in 10 % of noise.
_MOST_BLOCKS = 480

# A block counts no more for the scatter than one that is off by 25 %.
_MOST_DEPARTURE = 0.25

# Blocks further back than two minutes are taken to be independent of the present one.
_LAGS = 4

# The scatter is learned from blocks five minutes old, and only while nothing is suspect: a loss is
# by then, and does not widen the scatter that it is told by.
_SETTLES_BLOCKS = 10

# Gauges are read at instants, two or three times afresh in a block: a batch of N is known within
# 0.6 / sqrt(N) of itself, and half of that reaches the expectation. From eight sequences on that is
# no more than the noise of replicas; below, a block's variance grows as 1 / N.
_SURE_SEQUENCES = 8.0

# One block adds no more than this to the score, so that it takes three (90 s) to strike however
# bad they are.
_MOST_PER_BLOCK = 0.4

# The score stops a quarter above the limit, and a strike is over at half of it: a cured replica is
# cleared after 8 to 20 healthy blocks.
_MOST_SCORE = 1.25
_CLEARED = 0.5


def limit_of(scatter: Scatter, tolerance: float = _TOLERANCE) -> float:
    """The sum of losses that strikes: one false strike a year in blocks that scatter like that.

    Siegmund's mean time between false strikes of a CUSUM with tolerance k and limit h at a variance
    v, v / (2 k^2) (exp(x) - 1 - x) with x = 2 k h / v, solved for h by one step of iteration.
    """
    variance = variance_of(scatter)
    rarity = _BLOCKS_A_YEAR * 2.0 * tolerance**2 / max(variance, _LEAST_VARIANCE)
    exponent = log(rarity + 1.0 + log(rarity))
    return max(_LEAST_LIMIT, min(_MOST_LIMIT, exponent * variance / (2.0 * tolerance)))


def variance_of(scatter: Scatter) -> float:
    """The long-run variance believed in."""
    return FIRST_VARIANCE if scatter.variance is None else scatter.variance


def weight_of(sequences: float) -> float:
    """How much a block at that batch tells, against one at a batch that the gauges tell well."""
    return min(1.0, sequences / _SURE_SEQUENCES)


def moved(
    score: float,
    log_ratio: float | None,
    limit: float,
    weight: float = 1.0,
    tolerance: float = _TOLERANCE,
) -> float:
    """One step of the test; nothing comparable leaves it where it is.

    A block whose variance is 1 / weight times the usual one counts by its weight: then the sum over
    blocks has drift and variance in the usual proportion, and the limit holds at any load.
    """
    if log_ratio is None:
        return score
    step = weight * (-log_ratio - tolerance) / limit
    bounded = max(-_MOST_PER_BLOCK, min(_MOST_PER_BLOCK, step))
    return max(0.0, min(_MOST_SCORE, score + bounded))


def strikes(score: float, *, before: bool) -> bool:
    """Whether the test has struck and not yet cleared."""
    return score >= 1.0 or (before and score > _CLEARED)


def suspects(score: float) -> bool:
    """Whether the test is half way to a strike: enough not to learn from the block."""
    return score > _CLEARED


def departures_after(
    past: Sequence[float], departure: float | None, weight: float = 1.0
) -> tuple[float, ...]:
    """The last blocks' departures, the present one last: as many as the scatter is learned from."""
    if departure is None:
        return ()
    bounded = sqrt(weight) * max(-_MOST_DEPARTURE, min(_MOST_DEPARTURE, departure))
    return (*past[-_LAGS - _SETTLES_BLOCKS :], bounded)


def scatter_after(before: Scatter, departures: Sequence[Sequence[float]]) -> Scatter:
    """The scatter after one more block of each replica, given its last departures.

    A sum of n blocks scatters by n times the variance plus twice the covariances of all lags.
    """
    settled = [past[:-_SETTLES_BLOCKS] for past in departures if len(past) > _SETTLES_BLOCKS]
    if not settled:
        return before
    products = [past[-1] * (2.0 * sum(past[-_LAGS - 1 :]) - past[-1]) for past in settled]
    block = sum(products) / len(products)
    variance, blocks = variance_of(before), min(before.blocks + 1, _MOST_BLOCKS)
    moved_on = variance + (block - variance) / (_FIRST_BLOCKS + blocks)
    return replace(before, variance=max(0.0, moved_on), blocks=blocks)
