"""Requests as they arrive: Poisson in time, log-normal in length, the same for the same seed."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from v4operator.simulate.request import Request

# No published V4 request is longer than the context window; lengths are clipped there.
_LONGEST_TOKENS = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Log-normal token counts by their mean and coefficient of variation (0: all the same)."""

    mean_tokens: float
    variation: float = 0.0
    longest_tokens: int = _LONGEST_TOKENS

    def draw(self, chance: random.Random) -> int:
        """One length, at least one token."""
        if self.variation <= 0:
            return max(1, round(self.mean_tokens))
        variance = math.log1p(self.variation**2)
        drawn = chance.lognormvariate(
            math.log(self.mean_tokens) - variance / 2, math.sqrt(variance)
        )
        return max(1, min(self.longest_tokens, round(drawn)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Arrivals a second as straight lines between points (seconds since the start, rate).

    Steady is one point, a ramp two, a step two points at the same time, a swing several. Before the
    first point and after the last the rate stays level. With `repeat_seconds` the points repeat.
    """

    points: tuple[tuple[float, float], ...]
    repeat_seconds: float | None = None

    def __post_init__(self) -> None:
        times = [at for at, _ in self.points]
        if not times or times != sorted(times) or min(r for _, r in self.points) < 0:
            raise ValueError(
                f"rate points: found {self.points}, allowed: at least one, in order of time, "
                "with rates of 0 or more"
            )
        if self.repeat_seconds is not None and self.repeat_seconds < max(times[-1], 1e-9):
            raise ValueError(
                f"rate repeats every {self.repeat_seconds} s, allowed: not before the last point"
            )

    def at(self, elapsed: float) -> float:
        """Arrivals a second, `elapsed` seconds after the start."""
        if self.repeat_seconds is not None:
            elapsed %= self.repeat_seconds
        points = self.points
        if elapsed < points[0][0]:
            return points[0][1]
        for (begin, low), (end, high) in pairwise(points):
            if begin <= elapsed < end:
                return low + (high - low) * (elapsed - begin) / (end - begin)
        return points[-1][1]

    @property
    def highest(self) -> float:
        """The highest rate there ever is."""
        return max(rate for _, rate in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What one deployment is asked for."""

    rate: Rate
    prompt: Lengths
    output: Lengths
    cached_ratio: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class Arrivals:
    """The requests of one deployment in order of time, from `start` (Unix seconds) on.

    Thinning: candidates come at the highest rate, each is taken with the share that the rate then
    has of it. Lengths are drawn for taken ones only, from a chance of their own, so that two rates
    over time see requests of the same lengths in the same order.
    """

    traffic: Traffic
    start: float
    _times: random.Random = field(init=False)
    _lengths: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._times = random.Random(f"times {self.traffic.seed}")  # noqa: S311 - repeatable on purpose
        self._lengths = random.Random(f"lengths {self.traffic.seed}")  # noqa: S311 - the same

    def __iter__(self) -> Iterator[Request]:
        rate = self.traffic.rate
        highest, elapsed = rate.highest, 0.0
        while highest > 0:
            elapsed += self._times.expovariate(highest)
            if self._times.random() * highest < rate.at(elapsed):
                yield self._request(self.start + elapsed)

    def _request(self, at: float) -> Request:
        prompt = self.traffic.prompt.draw(self._lengths)
        return Request(
            arrival=at,
            prompt_tokens=prompt,
            output_tokens=self.traffic.output.draw(self._lengths),
            cached_tokens=int(prompt * self.traffic.cached_ratio),
        )
