"""Tells in the last polls that more comes in than the minutes before let expect.

A mean over minutes shows a step late. Counts of a few polls show it at once, and chance is told
from change by what the deployment's own counts scatter. A fall is not looked for: nobody hurries
down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, harmonic_mean, variance

from v4operator.model.learned import FleetSample
from v4operator.model.observation import Interval, Observation

# Five standard deviations: once in a few days of polls every 5 s, were counts as regular as
# Poisson's, and then of a size that no count of replicas depends on.
_SIGNIFICANT = 5.0

# Above this another look soon is worth a scrape, and nothing else: chance alone brings one to two
# polls in a hundred there, over the three spans and with the long tail of small counts.
_HINTED = 2.5

# Each sample of the history counts for this long.
_MINUTE = 60.0

# With fewer samples the scatter itself is chance.
_LEAST_SAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """What the last polls tell of a step.

    `certain_requests_per_second` come in for certain now: what was counted less one
    standard deviation, so that the first polls of a step do not ask for more than the next ones
    confirm; `None` where they may be the usual ones. `hinted` is whether the polls stand out at
    all: a step just before a poll shows in it in part only.
    """

    certain_requests_per_second: float | None = None
    hinted: bool = False


def surge_of(observation: Observation, history: Sequence[FleetSample], usual: float) -> Surge:
    """The last polls beside the `usual` requests a second."""
    dispersion, newest = dispersion_of(history), _newest(observation)
    apart = [_deviations(rate, usual, seconds, dispersion) for seconds, rate in newest]
    certain = [
        rate - sqrt(dispersion * rate / seconds)
        for deviations, (seconds, rate) in zip(apart, newest, strict=True)
        if deviations > _SIGNIFICANT
    ]
    return Surge(
        certain_requests_per_second=max(certain, default=None),
        hinted=max(apart, default=-inf) > _HINTED,
    )


def dispersion_of(history: Sequence[FleetSample]) -> float:
    """Variance over mean of a minute's arrivals: 1 where they are independent, the least held.

    16 to 750 in the published day-long traces; a burst that has come before is no news.
    """
    rates = [s.first_tokens_per_second for s in history if s.first_tokens_per_second is not None]
    if len(rates) < _LEAST_SAMPLES or fmean(rates) <= 0.0:
        return 1.0
    return max(1.0, _MINUTE * variance(rates) / fmean(rates))


def _deviations(rate: float, usual: float, seconds: float, dispersion: float) -> float:
    """By how many standard deviations of the usual count more came."""
    expected = usual * seconds
    return (rate * seconds - expected) / sqrt(dispersion * max(1.0, expected))


def _newest(observation: Observation) -> list[tuple[float, float]]:
    """Seconds and requests a second over the newest one, two and four polls of the fleet.

    None soon after a replica became ready: replicas are not polled at one moment, and what a new
    one takes over would be counted with it and with those that had it.
    """
    seen = [r.newest for r in observation.fresh if r.newest]
    spans = min((len(newest) for newest in seen), default=0)
    longest = max((newest[-1].seconds for newest in seen), default=0.0)
    ready_at = (r.replica.ready_at for r in observation.ready)
    ages = (observation.now - at for at in ready_at if at is not None)
    if len(observation.ready) > 1 and min(ages, default=inf) < 2.0 * longest:
        return []
    return [_summed([newest[i] for newest in seen]) for i in range(spans)]


def _summed(polls: Sequence[Interval]) -> tuple[float, float]:
    """The sum of rates over unequal times scatters as one over their harmonic mean does."""
    rates = (p.arrived_requests_per_second or 0.0 for p in polls)
    return harmonic_mean([p.seconds for p in polls]), sum(rates)
