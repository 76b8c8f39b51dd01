"""What replicas really do, beside the law that the operator fits: never shown to any policy.

The linear law is the estimator's own; the other truths are there because it must not be. Each can
come with step noise, a wrong catalogue, a leak, and one replica that is slow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from v4operator.model.step import StepTime
from v4operator.simulate.profiles import ReplicaProfile

# SGLang cookbook v0.5.15, random 8192 in / 1024 out: TPOT in ms and total tokens/s a device at
# rising concurrency. Rows that the linear fit leaves out (another launch recipe) are left out here:
# a table of mixed recipes would have steps that get shorter with more requests.
_COOKBOOK: Mapping[str, tuple[tuple[float, float], ...]] = {
    "flash-fp8-4xh200": ((3.28, 631), (8.99, 3302), (41.3, 3098), (83.5, 3423), (148, 3958)),
    "flash-fp4-4xh200": ((3.37, 607), (8.42, 3264), (37.6, 2758), (127, 4207)),
    "flash-fp4-8xh100": ((3.22, 320), (6.76, 2009), (25.9, 1987), (47.1, 2429), (67.3, 2203)),
    "flash-fp4-4xb200": ((2.88, 575), (5.44, 4767), (66.2, 8401)),
    "pro-fp4-8xb200": ((4.26, 214), (9.95, 1259), (45.5, 3956)),
    "pro-fp4-8xh200": ((5.64, 171), (25.8, 591)),
}
_PROMPT_PER_OUTPUT = 8.0  # prompt tokens computed for each output token in that benchmark

# SGLang's default ladder of captured decode batches without speculation (server_args.py, 0.5.x);
# a batch is padded to the next rung, above the last one it runs as it is.
_CAPTURED = (1, 2, 4, 8, 12, *range(16, 257, 8), *range(272, 513, 16))

_NOISE_VALUES = (
    4093  # prime, so that replicas that start elsewhere in the table do not march in step
)


_WANDER_SECONDS = 60.0  # long enough to look like a lasting loss in two half-minute blocks
_WANDER_STREAM = 8  # of random numbers, apart from those for steps, start-ups and phases


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One way in which replicas behave. Times in seconds from the start, factors on step times.

    `acceptance` is the mean accepted length at the start and at the end of the trace: a step's time
    stays, the tokens it gives fall. `efficiency_at_seven` is the speed of each of seven replicas
    against that of a single one, in a straight line between. `decode_factor` (on b) and
    `prefill_factor` (on d) make the catalogue wrong. A leak raises all step times in a straight
    line from 1 to its `factor`. A scrape sees gauges as they were up to `stale_gauge_seconds` ago.
    `wander` is the coefficient of variation of each replica's speed from minute to minute, and
    `drop` a sudden fall of the accepted length. What wanders is drawn by the setting's `seed`.
    """

    name: str = "linear"
    measured: bool = False
    captured: bool = False
    prefill_first: bool = False
    acceptance: tuple[float, float] | None = None
    efficiency_at_seven: float = 1.0
    noise: float = 0.0
    stale_gauge_seconds: float = 0.0
    decode_factor: float = 1.0
    prefill_factor: float = 1.0
    leak: "Leak | None" = None
    slow: "Slow | None" = None
    wander: float = 0.0
    drop: "AcceptanceDrop | None" = None

    def noisy(self, variation: float = 0.07, *, stale_gauge_seconds: float = 30.0) -> "Truth":
        """The same with step noise (coefficient of variation) and gauges that lag."""
        return replace(self, noise=variation, stale_gauge_seconds=stale_gauge_seconds)

    def with_hidden_factor(self, factor: float) -> "Truth":
        """The same with b and d off the catalogue by a factor."""
        return replace(self, decode_factor=factor, prefill_factor=factor)

    @property
    def changes(self) -> bool:
        """Whether speeds change by themselves over time."""
        faults = (self.acceptance, self.leak, self.slow, self.drop)
        return self.wander > 0.0 or any(fault is not None for fault in faults)

    def pace(self, now: float, *, ordinal: int, serving: int, seed: int) -> float:
        """Factor on all step times of one replica while `serving` replicas serve."""
        factor = 1.0 / self._efficiency(serving)
        if self.leak is not None:
            factor *= self.leak.at(now)
        if self.slow is not None and self.slow.ordinal == ordinal and now >= self.slow.since:
            factor *= self.slow.factor
        return factor * self._wandered(now, ordinal, seed)

    def decode_pace(self, now: float, duration: float) -> float:
        """Factor on the decode part alone."""
        first, present = self.accept_length(0.0, duration), self.accept_length(now, duration)
        return first / present if first is not None and present is not None else 1.0

    def accept_length(self, now: float, duration: float) -> float | None:
        """Mean accepted length at a time; `None` where nothing is drafted."""
        if self.drop is not None:
            return self.drop.at(now)
        if self.acceptance is None:
            return None
        first, last = self.acceptance
        passed = min(1.0, max(0.0, now / duration)) if duration > 0 else 0.0
        return first + (last - first) * passed

    def _wandered(self, now: float, ordinal: int, seed: int) -> float:
        if self.wander == 0:
            return 1.0
        variance = np.log1p(self.wander**2)
        minute = max(0, int(now // _WANDER_SECONDS))
        chance = np.random.default_rng((seed, _WANDER_STREAM, ordinal, minute))
        return float(chance.lognormal(-variance / 2, np.sqrt(variance)))

    def _efficiency(self, serving: int) -> float:
        if self.efficiency_at_seven == 1:
            return 1.0
        return 1.0 - (1.0 - self.efficiency_at_seven) * min(6, max(0, serving - 1)) / 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """All step times rise in a straight line from 1 to `factor`, from `begin` to `end`."""

    begin: float
    end: float
    factor: float = 1.6

    def at(self, now: float) -> float:
        """The factor at a time."""
        share = min(1.0, max(0.0, (now - self.begin) / (self.end - self.begin)))
        return 1.0 + (self.factor - 1.0) * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """The replica that was created as the `ordinal`-th is that much slower from `since` on."""

    ordinal: int
    since: float
    factor: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceDrop:
    """The mean accepted length falls from `before` to `after` at once."""

    since: float
    before: float = 2.5
    after: float = 1.6

    def at(self, now: float) -> float:
        """The mean accepted length at a time."""
        return self.before if now < self.since else self.after


# The four truths that the estimator does not contain, and its own law.
TRUTHS: Mapping[str, Truth] = {
    truth.name: truth
    for truth in (
        Truth(),
        Truth(name="table", measured=True),
        Truth(name="captured", captured=True, prefill_first=True),
        Truth(name="acceptance", acceptance=(2.5, 1.5)),
        Truth(name="efficiency", efficiency_at_seven=0.82),
    )
}


def decode_seconds(profile: ReplicaProfile, truth: Truth) -> NDArray[np.float64]:
    """Step time without context and prefill for 0, 1, .. `max_running` decoding sequences.

    Raises:
        KeyError: a measured truth for a profile that the table has no row of.
    """
    law = true_step(profile, truth)
    sequences = np.arange(profile.max_running + 1)
    if truth.measured:
        return _measured(profile, sequences) * truth.decode_factor
    if truth.captured:
        rungs = np.array(_CAPTURED)
        place = np.searchsorted(rungs, sequences)
        padded = np.where(place < len(rungs), rungs[np.minimum(place, len(rungs) - 1)], sequences)
        sequences = np.where(sequences > 0, padded, 0)
    return np.asarray(law.base_seconds + law.per_sequence_seconds * sequences, np.float64)


def true_step(profile: ReplicaProfile, truth: Truth) -> StepTime:
    """The linear law of a profile with the hidden factors in it."""
    law = profile.step
    return replace(
        law,
        per_sequence_seconds=law.per_sequence_seconds * truth.decode_factor,
        per_prefill_token_seconds=law.per_prefill_token_seconds * truth.prefill_factor,
    )


def noise_table(truth: Truth, seed: int) -> NDArray[np.float64]:
    """Factors on step times with mean 1, in the order in which they are used."""
    if truth.noise == 0:
        return np.ones(1)
    variance = np.log1p(truth.noise**2)
    chance = np.random.default_rng((seed, 4))
    return chance.lognormal(-variance / 2, np.sqrt(variance), _NOISE_VALUES)


def _measured(profile: ReplicaProfile, sequences: NDArray[np.int64]) -> NDArray[np.float64]:
    """The table with the prefill's share taken off: straight between points, and after the last."""
    points = sorted(_point(profile, *row) for row in _COOKBOOK[profile.name])
    at = np.array([0.0] + [running for running, _ in points])
    seconds = np.array([points[0][1]] + [step for _, step in points])
    seconds = np.maximum.accumulate(seconds)
    beyond = (seconds[-1] - seconds[1]) / (at[-1] - at[1])
    more = np.maximum(0.0, sequences - at[-1]) * beyond
    return np.asarray(np.interp(sequences, at, seconds) + more, np.float64)


def _point(
    profile: ReplicaProfile, tpot_ms: float, tokens_per_second: float
) -> tuple[float, float]:
    """Running requests by Little's law, and the decode part of their step."""
    output = tokens_per_second * profile.engine_devices / (1.0 + _PROMPT_PER_OUTPUT)
    running = output * tpot_ms * 1e-3
    prefill = _PROMPT_PER_OUTPUT * profile.step.per_prefill_token_seconds * running
    return running, tpot_ms * 1e-3 - prefill
