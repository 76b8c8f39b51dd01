"""Request traces: read, cut, superposed, made up. Not how they are served.

Scaling superposes jittered copies instead of compressing time: that would shrink ramps relative to
a start-up time that stays as it is.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

# Copies of single requests are shifted by up to half a minute, whole sessions by up to ten minutes
# (protocol of the traces: "+-30 s per request; whole sessions, shifted by minutes").
_REQUEST_JITTER_SECONDS = 30.0
_SESSION_JITTER_SECONDS = 600.0

# The source of the Mooncake trace stamps arrivals on a 3 s grid; without spreading every stamp is
# a burst that nobody sent.
_GRID_SECONDS = 3.0
_COLUMNS = ("arrival_s", "prompt_tokens", "output_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Requests in order of arrival: seconds from 0 and tokens, one element each.

    `session` is -1 where there is none. `prefix` are the leading prompt tokens that a cache which
    has seen the session holds; without a session they count as held by every replica. `seconds` is
    the span that is billed (0: up to the last arrival).
    """

    arrival: NDArray[np.float64]
    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    session: NDArray[np.int64]
    prefix: NDArray[np.int64]
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def duration(self) -> float:
        """Seconds from 0 that the trace covers."""
        return self.seconds or (float(self.arrival[-1]) if len(self) else 0.0)

    def taken(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "Trace":
        """The chosen requests, by mask or by index."""
        return replace(
            self,
            arrival=self.arrival[chosen],
            prompt=self.prompt[chosen],
            output=self.output[chosen],
            session=self.session[chosen],
            prefix=self.prefix[chosen],
        )

    def window(self, begin: float, end: float) -> "Trace":
        """Requests that arrive from `begin` to before `end`, with `begin` as the new 0."""
        inside = self.taken((self.arrival >= begin) & (self.arrival < end))
        return replace(inside, arrival=inside.arrival - begin, seconds=end - begin)

    def joined(self, other: "Trace") -> "Trace":
        """Both at once; sessions of the other are told apart from ours."""
        shift = int(self.session.max(initial=-1)) + 1
        theirs = np.where(other.session >= 0, other.session + shift, -1)
        both = Trace(
            arrival=np.concatenate((self.arrival, other.arrival)),
            prompt=np.concatenate((self.prompt, other.prompt)),
            output=np.concatenate((self.output, other.output)),
            session=np.concatenate((self.session, theirs)),
            prefix=np.concatenate((self.prefix, other.prefix)),
            seconds=max(self.duration, other.duration),
        )
        return both.taken(np.argsort(both.arrival, kind="stable"))

    def scaled(self, rate: float, *, seed: int = 0) -> "Trace":
        """`rate` times the traffic: jittered copies on top of each other, the last one thinned.

        Raises:
            ValueError: a rate that is not above 0.
        """
        if rate <= 0:
            raise ValueError(f"rate: found {rate}, allowed: above 0")
        if rate == 1:
            return self
        chance = np.random.default_rng((seed, 1))
        made = self._jittered(chance, min(1.0, rate))
        for copy in range(1, int(np.ceil(rate))):
            made = made.joined(self._jittered(chance, min(1.0, rate - copy)))
        return made

    def amplified(self, begin: float, end: float, factor: int, *, seed: int = 0) -> "Trace":
        """`factor` times the traffic from `begin` to `end` at once: a step or a flash crowd."""
        burst = self.window(begin, end).scaled(factor - 1, seed=seed)
        return self.joined(replace(burst, arrival=burst.arrival + begin, seconds=0.0))

    def with_longer_prompts(self, begin: float, factor: float) -> "Trace":
        """Prompts `factor` times as long from `begin` on, at the same arrivals."""
        longer = np.where(self.arrival >= begin, np.rint(self.prompt * factor), self.prompt)
        return replace(self, prompt=longer.astype(np.int64))

    def _jittered(self, chance: np.random.Generator, share: float) -> "Trace":
        """An independent copy of a share of the requests, of whole sessions where there are any."""
        sessions = int(self.session.max(initial=-1)) + 1
        keep = chance.random(len(self)) < share
        shift = chance.uniform(-_REQUEST_JITTER_SECONDS, _REQUEST_JITTER_SECONDS, len(self))
        if sessions:
            whole = self.session >= 0
            kept = chance.random(sessions) < share
            moved = chance.uniform(-_SESSION_JITTER_SECONDS, _SESSION_JITTER_SECONDS, sessions)
            keep = np.where(whole, kept[self.session], keep)
            shift = np.where(whole, moved[self.session], shift)
        arrival = np.mod(self.arrival + shift, max(self.duration, 1.0))
        copy = replace(self, arrival=arrival, seconds=self.duration).taken(keep)
        return copy.taken(np.argsort(copy.arrival, kind="stable"))


def read_trace(path: Path | str, *, seed: int = 0) -> Trace:
    """A trace from CSV, gzipped or not: arrival_s, prompt_tokens, output_tokens and more.

    `cached_tokens_ideal` and `session` are taken where they stand, other columns left alone.
    Arrivals on a 3 s grid are spread over it, by `seed`.

    Raises:
        ValueError: a column is missing, a cell is no number, nothing in it, or not in order.
    """
    with _opened(Path(path)) as file:
        rows = csv.reader(file)
        names = next(rows, [])
        missing = [column for column in _COLUMNS if column not in names]
        if missing:
            raise ValueError(f"{path}: found columns {names}, missing {missing}")
        figures = _figures(rows, names, path)
    return _ordered(figures, path, seed)


def poisson_like(
    *, rate: float, variation: float, seconds: float, prompt: int, output: int, seed: int = 0
) -> Trace:
    """Equal requests with Gamma inter-arrival times of this coefficient of variation.

    `rate` in requests a second; variation 1 is a Poisson stream, 10 bursts of very short answers.
    """
    chance = np.random.default_rng((seed, 2))
    shape = 1.0 / variation**2
    expected = int(rate * seconds + 10 * variation * np.sqrt(rate * seconds + 1))
    gaps = chance.gamma(shape, 1.0 / (rate * shape), expected)
    arrival = np.cumsum(gaps)
    arrival = arrival[arrival < seconds]
    count = len(arrival)
    return Trace(
        arrival=arrival,
        prompt=np.full(count, prompt, np.int64),
        output=np.full(count, output, np.int64),
        session=np.full(count, -1, np.int64),
        prefix=np.zeros(count, np.int64),
        seconds=seconds,
    )


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _figures(
    rows: Iterator[list[str]], names: list[str], path: Path | str
) -> dict[str, list[float]]:
    wanted = {
        name: names.index(name)
        for name in (*_COLUMNS, "cached_tokens_ideal", "session")
        if name in names
    }
    figures: dict[str, list[float]] = {name: [] for name in wanted}
    for number, row in enumerate(rows, start=2):
        try:
            for name, column in wanted.items():
                figures[name].append(float(row[column]))
        except (IndexError, ValueError) as error:
            raise ValueError(f"{path} line {number}: found {row}, a number is missing") from error
    if not figures["arrival_s"]:
        raise ValueError(f"{path}: no request in it")
    return figures


def _ordered(figures: dict[str, list[float]], path: Path | str, seed: int) -> Trace:
    arrival = np.array(figures["arrival_s"])
    if np.any(np.diff(arrival) < 0):
        raise ValueError(f"{path}: arrivals are not in order of time")
    count = len(arrival)
    trace = Trace(
        arrival=_off_grid(arrival, seed),
        prompt=np.array(figures["prompt_tokens"], np.int64),
        output=np.array(figures["output_tokens"], np.int64),
        session=np.array(figures.get("session", [-1] * count), np.int64),
        prefix=np.array(figures.get("cached_tokens_ideal", [0] * count), np.int64),
    )
    if min(trace.prompt.min(), trace.output.min()) < 1:
        raise ValueError(f"{path}: a request needs at least one token each way")
    return trace.taken(np.argsort(trace.arrival, kind="stable"))


def _off_grid(arrival: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    on_grid = np.all(np.abs(np.mod(arrival, _GRID_SECONDS)) < 1e-9)  # noqa: PLR2004 - rounding
    if len(arrival) == 1 or not on_grid:
        return arrival
    return arrival + np.random.default_rng((seed, 3)).uniform(0.0, _GRID_SECONDS, len(arrival))
