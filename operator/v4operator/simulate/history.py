"""What a deployment went through, step by step, and requests that would have looked the same.

The input of a backtest: sums for each step, from Prometheus or from a recorded file. Nothing is
fetched or played here. A step without figures is missing, not idle.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4operator.model.problem import InputError, Problem, nearest
from v4operator.simulate.fast.trace import Trace

FORMAT = "v4-operator-history/1"

# 45 days of minutes, and as many requests as a simulation holds in a few GiB.
_MOST_STEPS = 65_000
_MOST_REQUESTS = 50_000_000
_MOST_BYTES = 64 * 2**20

# Prompt and answer lengths of one minute spread like those of the public traces of chat services,
# whose coefficients of variation lie between 0.8 and 1.6 (ServeGen, Azure 2023).
_LENGTH_VARIATION = 1.0

Steps = NDArray[np.float64]

_SERIES = {
    "requests": "requests",
    "promptTokens": "prompt_tokens",
    "prefixHitTokens": "prefix_hit_tokens",
    "outputTokens": "output_tokens",
    "replicas": "replicas",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Sums per step of `step_seconds` from `start_seconds` (Unix) on; NaN where nothing is known.

    `replicas` is the mean count in the step. `prompt_tokens` includes those of `prefix_hit_tokens`.
    `attainment` is the ratio of requests that met their objective, where it is known.
    """

    namespace: str
    name: str
    start_seconds: float
    step_seconds: float
    requests: Steps
    prompt_tokens: Steps
    prefix_hit_tokens: Steps
    output_tokens: Steps
    replicas: Steps
    attainment: float | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.requests) * self.step_seconds

    @property
    def missing_ratio(self) -> float:
        """Share of the steps of which requests or tokens are unknown."""
        return float(self._unknown.mean()) if len(self.requests) else 1.0

    @property
    def replica_hours(self) -> float | None:
        """Replica-hours that were paid in the steps whose count is known; `None` where none is."""
        known = self.replicas[~np.isnan(self.replicas)]
        return float(known.sum()) * self.step_seconds / 3600.0 if len(known) else None

    @property
    def counts(self) -> tuple[int, ...] | None:
        """Replicas in each step; where unknown, those before (or after). `None` where all are."""
        known = np.flatnonzero(~np.isnan(self.replicas))
        if not len(known):
            return None
        before = np.searchsorted(known, np.arange(len(self.replicas)), side="right") - 1
        filled = self.replicas[known[np.maximum(0, before)]]
        return tuple(np.rint(filled).astype(int).tolist())

    @property
    def _unknown(self) -> NDArray[np.bool_]:
        return np.isnan(self.requests) | np.isnan(self.prompt_tokens) | np.isnan(self.output_tokens)

    def trace(self, *, seed: int = 0) -> Trace:
        """Requests with the arrivals and the tokens of each step; a missing step has none.

        Arrivals are uniform within their step, lengths log-normal around the step's means and
        scaled so that its sums are kept. The prefix hits of a step are spread over its prompts.

        Raises:
            ValueError: no request in it, or too many of them.
        """
        counts = np.where(self._unknown, 0.0, self.requests)
        whole = np.diff(np.rint(np.cumsum(counts)), prepend=0.0).astype(np.int64)
        if not 0 < int(whole.sum()) <= _MOST_REQUESTS:
            raise ValueError(f"requests: found {whole.sum():,}, allowed: 1 to {_MOST_REQUESTS:,}")
        chance = np.random.default_rng((seed, 7))
        step = np.repeat(np.arange(len(whole)), whole)
        prompt = _lengths(self.prompt_tokens, counts, step, chance)
        hits = np.nan_to_num(self.prefix_hit_tokens) / np.maximum(1.0, self.prompt_tokens)
        arrival = np.sort((step + chance.random(len(step))) * self.step_seconds)
        return Trace(
            arrival=arrival,
            prompt=prompt,
            output=_lengths(self.output_tokens, counts, step, chance),
            session=np.full(len(step), -1, np.int64),
            prefix=np.floor(prompt * np.clip(hits, 0.0, 1.0)[step]).astype(np.int64),
            seconds=self.seconds,
        )


def _lengths(
    tokens: Steps, counts: Steps, step: NDArray[np.int64], chance: np.random.Generator
) -> NDArray[np.int64]:
    """Lengths of the requests of each step: log-normal, scaled to the step's mean, at least 1."""
    sigma = np.sqrt(np.log1p(_LENGTH_VARIATION**2))
    drawn = chance.lognormal(0.0, sigma, len(step))
    size = len(tokens)
    held = np.bincount(step, minlength=size)
    mean_drawn = np.bincount(step, weights=drawn, minlength=size) / np.maximum(1, held)
    wanted = np.nan_to_num(tokens) / np.maximum(counts, 1e-9)
    scale = np.divide(wanted, mean_drawn, out=np.zeros(size), where=mean_drawn > 0)
    return np.maximum(1, np.rint(drawn * scale[step])).astype(np.int64)


def read_history(path: Path) -> History:
    """A recorded history: the JSON that `backtest --record` writes.

    Raises:
        InputError: it is not one; the message names the key and what is allowed.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise _wrong(path, "", f"more than {_MOST_BYTES} bytes", "a recorded history")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _wrong(path, "", f"no JSON ({error})", "a recorded history") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise _wrong(path, "format", repr(found), FORMAT)
    return _checked(document, path)


def document_of(history: History) -> dict[str, Any]:
    """The history as JSON; unknown steps are null."""
    return {
        "format": FORMAT,
        "namespace": history.namespace,
        "name": history.name,
        "startSeconds": history.start_seconds,
        "stepSeconds": history.step_seconds,
        "attainment": history.attainment,
        **{
            key: [None if np.isnan(v) else float(v) for v in getattr(history, name)]
            for key, name in _SERIES.items()
        },
    }


def _checked(document: dict[str, Any], path: Path) -> History:
    known = {"format", "namespace", "name", "startSeconds", "stepSeconds", "attainment", *_SERIES}
    for key in document.keys() - known:
        raise _wrong(path, key, "an unknown key", ", ".join(sorted(known)), nearest(key, known))
    series = {name: _series(document, key, path) for key, name in _SERIES.items()}
    lengths = {len(values) for values in series.values()}
    if len(lengths) != 1 or not 0 < max(lengths) <= _MOST_STEPS:
        allowed = f"equally many steps in each, 1 to {_MOST_STEPS:,}"
        raise _wrong(path, ", ".join(_SERIES), f"{sorted(lengths)} steps", allowed)
    attainment = document.get("attainment")
    return History(
        namespace=str(document.get("namespace", "")),
        name=str(document.get("name", "")),
        start_seconds=_number(document, "startSeconds", path),
        step_seconds=_number(document, "stepSeconds", path, above=0.0),
        attainment=None if attainment is None else _number(document, "attainment", path),
        **series,
    )


def _series(document: dict[str, Any], key: str, path: Path) -> Steps:
    """One list of numbers and nulls as an array with NaN."""
    values = document.get(key)
    if not isinstance(values, list):
        raise _wrong(path, key, type(values).__name__, "a list of numbers and nulls")
    for index, value in enumerate(values):
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (numeric and 0 <= value < float("inf")):
            raise _wrong(path, f"{key}[{index}]", repr(value), "a number from 0, or null")
    return np.array([np.nan if value is None else float(value) for value in values])


def _number(
    document: dict[str, Any], key: str, path: Path, *, above: float = -float("inf")
) -> float:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > above:
        raise _wrong(path, key, repr(value), f"a number above {above:g}")
    return float(value)


def _wrong(path: Path, key: str, found: str, allowed: str, near: str | None = None) -> InputError:
    problem = Problem(where=str(path), path=key, found=found, allowed=allowed, nearest=near)
    return InputError([problem])
