"""Learns the step-time law of a replica from what it did: linear regression with a prior.

Blocks of alike load are averaged into cells before the line is laid through them. A replica that
happens to be slow for a minute gathers a larger batch in that minute; fitted block by block that
would look like a steep cost of the batch (at steady load a capacity 13 % too low for 5 % of noise).
The load is what the users do, so grouping by it does not select slow minutes.

Not here: which evidence is fit to learn from (`evidence`, `efficiency`) and when the reference
closes (`reference`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import exp, floor, log, sqrt

from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.learned import LoadCell, StepFit
from v4operator.model.step import StepTime

# The middle of the published V4 profiles (SGLang cookbook v0.5.15: base 2.7-4.1 ms, sequence
# 0.075-1.2 ms, KV token 0.45-0.59 ns, prefill token 15-74 us), for a device without a profile.
UNPUBLISHED = StepTime(
    base_seconds=3e-3,
    per_sequence_seconds=0.3e-3,
    per_kv_token_seconds=0.5e-9,
    per_prefill_token_seconds=20e-6,
)

# A catalogue figure can be wrong by 3x (36 ms measured on vLLM where SGLang's profile says 9 to
# 13): that is three of these spreads for a factor common to all four coefficients, and each may be
# off by as much again on its own, because b and d cannot be told apart by 8:1 traffic alone.
_COMMON_SPREAD = 0.7
_OWN_SPREAD = 0.5

# Relative error of one half-minute block: gauges that are read at instants, and speed that wanders.
_BLOCK_ERROR = 0.10

# Relative error of a cell however many blocks it has: published points scatter by 7 % about one
# line, and a few cells at low load must not tilt it against the prior. It grows as a cell gets
# stale, so that a level of load not seen since a change does not hold the line back.
_CELL_ERROR = 0.07

# So many blocks say as much of how far replicas are off the line as its scatter lets one expect.
LINE_BLOCKS = (_BLOCK_ERROR / _CELL_ERROR) ** 2

# Levels of load: decode rates within a factor of 1.3, and prompt tokens computed per decoded token
# within a factor of 2. A fleet that swings tenfold fills about ten cells.
_RATE_BAND = log(1.3)
_PREFILL_BAND = log(2.0)
_LEAST_PREFILL = 1e-3  # computed prompt tokens per decoded one that are as good as none

# A cell with less than a twentieth of a block left is forgotten; no more than this many are kept.
_LEAST_WEIGHT = 0.05
_MOST_CELLS = 32

# Beyond this many standard deviations a block counts only in proportion (Huber's weight): one
# strange block moves little, a lasting change is followed all the same.
_PLAUSIBLE_DEVIATIONS = 2.5

# A coefficient is never negative, and never quite zero, so that a later block can raise it again.
_LEAST_FACTOR = 0.02

_N = 4  # base, sequence, KV token, prefill token


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSample:
    """One observed step: mean batch, resident KV tokens, prefill tokens in it, and its seconds."""

    sequences: float
    kv_tokens: float
    prefill_tokens: float
    seconds: float


def _prior_precision() -> tuple[float, ...]:
    """Inverse of `common^2 * ones + own^2 * identity`, by Sherman and Morrison."""
    own = 1.0 / _OWN_SPREAD**2
    shared = own * _COMMON_SPREAD**2 / (_OWN_SPREAD**2 + _N * _COMMON_SPREAD**2)
    return tuple(own * (i == j) - shared for i in range(_N) for j in range(_N))


_PRIOR_PRECISION = _prior_precision()
_PRIOR_COVARIANCE = tuple(
    _COMMON_SPREAD**2 + _OWN_SPREAD**2 * (i == j) for i in range(_N) for j in range(_N)
)
_PRIOR_INFORMATION = tuple(sum(_PRIOR_PRECISION[_N * i : _N * i + _N]) for i in range(_N))


def fit_from_prior(prior: PerformanceProfile | None) -> StepFit:
    """The belief before anything was seen; without a profile the middle of the published ones."""
    return StepFit(
        scale=prior.step if prior is not None else UNPUBLISHED,
        cells=(),
        covariance=_PRIOR_COVARIANCE,
        factors=(1.0,) * _N,
    )


def remembered_share(seconds: float, half_life_seconds: float) -> float:
    """Weight that is left of what was known, after so many seconds of new evidence."""
    return exp(-log(2.0) * seconds / half_life_seconds)


def learn(fit: StepFit, samples: Iterable[StepSample], *, remembered: float) -> StepFit:
    """Take in new steps; what is forgotten falls back to the prior, not to ignorance.

    Bayesian linear regression with relative noise over the cells: y = sum of x_i s_i f_i with
    x = (1, B, KV, prefill), s the prior's coefficients and f the factors. Weight and freshness of
    cells are first multiplied by `remembered`. What the load never excites keeps the prior.
    """
    cells = {
        (c.rate_band, c.prefill_band): replace(
            c, weight=c.weight * remembered, freshness=c.freshness * remembered
        )
        for c in fit.cells
        if c.weight * remembered >= _LEAST_WEIGHT
    }
    for sample in samples:
        key = _level(sample)
        cells[key] = _merged(cells.get(key), key, sample, _plausibility(fit, sample))
    kept = tuple(sorted(cells.values(), key=lambda c: -c.weight)[:_MOST_CELLS])
    return _solved(fit, kept)


def confidence(fit: StepFit, at: StepSample) -> float:
    """How much of the prior's uncertainty about that step is gone, 0 to 1.

    `1 - sd / sd of the prior`, both of the predicted step time at `at`; far from any batch that was
    seen it is low, however long the fleet ran.
    """
    direction = _contributions(fit.scale, at)
    return max(0.0, 1.0 - sqrt(_spread(fit.covariance, direction) / _prior_spread(direction)))


def _level(sample: StepSample) -> tuple[int, int]:
    rate = sample.sequences / sample.seconds
    prefill = sample.prefill_tokens / sample.sequences
    return (
        floor(log(rate) / _RATE_BAND),
        floor(log(max(prefill, _LEAST_PREFILL)) / _PREFILL_BAND),
    )


def _plausibility(fit: StepFit, sample: StepSample) -> float:
    """Weight of a new block: 1, or less in proportion to how far beyond belief it is."""
    direction = _contributions(fit.scale, sample)
    predicted = _dot(direction, fit.factors)
    error = abs(log(sample.seconds / predicted))
    spread = _spread(fit.covariance, direction) / predicted**2
    plausible = _PLAUSIBLE_DEVIATIONS * sqrt(_BLOCK_ERROR**2 + spread)
    return 1.0 if error <= plausible else plausible / error


def _merged(
    cell: LoadCell | None, key: tuple[int, int], sample: StepSample, weight: float
) -> LoadCell:
    total = weight + (cell.weight if cell is not None else 0.0)
    share = weight / total
    before = cell if cell is not None else sample

    def mean(old: float, new: float) -> float:
        return old + share * (new - old)

    return LoadCell(
        rate_band=key[0],
        prefill_band=key[1],
        weight=total,
        freshness=1.0,
        sequences=mean(before.sequences, sample.sequences),
        kv_tokens=mean(before.kv_tokens, sample.kv_tokens),
        prefill_tokens=mean(before.prefill_tokens, sample.prefill_tokens),
        seconds=mean(before.seconds, sample.seconds),
    )


def _solved(fit: StepFit, cells: tuple[LoadCell, ...]) -> StepFit:
    precision = list(_PRIOR_PRECISION)
    information = list(_PRIOR_INFORMATION)
    for cell in cells:
        direction = _contributions(fit.scale, cell)
        middle = sqrt(_dot(direction, fit.factors) * cell.seconds)  # between believed and seen
        relative = [part / middle for part in direction]
        trust = 1.0 / (_CELL_ERROR**2 / cell.freshness + _BLOCK_ERROR**2 / cell.weight)
        for i in range(_N):
            information[i] += trust * relative[i] * cell.seconds / middle
            for j in range(_N):
                precision[_N * i + j] += trust * relative[i] * relative[j]
    covariance = _inverse(precision)
    mean = [_dot(covariance[_N * i : _N * i + _N], information) for i in range(_N)]
    return StepFit(
        scale=fit.scale,
        cells=cells,
        covariance=covariance,
        factors=_not_negative(mean, covariance),
    )


def _contributions(
    scale: StepTime, sample: StepSample | LoadCell
) -> tuple[float, float, float, float]:
    return (
        scale.base_seconds,
        scale.per_sequence_seconds * sample.sequences,
        scale.per_kv_token_seconds * sample.kv_tokens,
        scale.per_prefill_token_seconds * sample.prefill_tokens,
    )


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _spread(covariance: Sequence[float], direction: Sequence[float]) -> float:
    """Variance of the sum of `direction` times the factors."""
    rows = (_dot(covariance[_N * i : _N * i + _N], direction) for i in range(_N))
    return sum(part * row for part, row in zip(direction, rows, strict=True))


def _prior_spread(direction: Sequence[float]) -> float:
    return _COMMON_SPREAD**2 * sum(direction) ** 2 + _OWN_SPREAD**2 * _dot(direction, direction)


def _not_negative(mean: list[float], covariance: Sequence[float]) -> tuple[float, ...]:
    """Condition the belief on `factor = least` for each factor below it, the lowest first.

    A factor that was set stays set; the others move as their correlation with it says.
    """
    free = set(range(_N))
    while free:
        lowest = min(free, key=lambda i: mean[i])
        missing = _LEAST_FACTOR - mean[lowest]
        if missing <= 0.0:
            break
        variance = covariance[_N * lowest + lowest]
        for i in free:
            mean[i] += covariance[_N * i + lowest] / variance * missing
        free.discard(lowest)
    return tuple(max(_LEAST_FACTOR, value) for value in mean)


def _inverse(matrix: Sequence[float]) -> tuple[float, ...]:
    """Inverse of a symmetric positive definite 4 x 4 matrix, by Gauss and Jordan.

    No pivoting: the prior's precision keeps every pivot away from zero.
    """
    rows = [[*matrix[_N * i : _N * i + _N], *(float(i == j) for j in range(_N))] for i in range(_N)]
    for i in range(_N):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for k in range(_N):
            factor = rows[k][i]
            if k != i and factor != 0.0:
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    return tuple(value for row in rows for value in row[_N:])
