"""Finds the knobs with which a policy meets the target at the least cost, in so many trials.

Every policy gets the same number. The first knob of a policy is its safety knob: between its safe
and its thrifty end it is halved towards the edge of the target, once for the default and for a few
evenly spread values of the other knobs. What a trial is worth is the caller's judgement.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from v4operator.simulate.policies.registry import Entry, Knob

# Settings of the other knobs: the documented one, and two more.
_SETTINGS = 3

# Irrational steps of a Kronecker lattice, one a knob: the golden ratio and its kin.
_STEPS = (0.6180339887, 0.7548776662)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a setting was worth: whether it met every target, and its cost."""

    meets: bool
    cost: float


def tuned(
    entry: Entry, trials: int, judge: Callable[[Mapping[str, float]], Trial]
) -> dict[str, float] | None:
    """The cheapest setting tried that meets the target; `None` where none does.

    The defaults are the first trial.
    """
    best: tuple[float, dict[str, float]] | None = None

    def tried(knobs: dict[str, float]) -> bool:
        nonlocal best
        trial = judge(knobs)
        if trial.meets and (best is None or trial.cost < best[0]):
            best = trial.cost, knobs
        return trial.meets

    tried(entry.defaults())
    safety, *others = entry.knobs
    settings = list(_settings(others))
    for others_set in settings:
        safe, thrifty = 0.0, 1.0
        for _ in range((trials - 1) // len(settings)):
            share = (safe + thrifty) / 2.0
            if tried({safety.name: _between(safety, share), **others_set}):
                safe = share
            else:
                thrifty = share
    return best[1] if best else None


def _settings(others: list[Knob]) -> Iterator[dict[str, float]]:
    """Values of the knobs beside the safety knob, the defaults first."""
    yield {knob.name: knob.default for knob in others}
    if not others:
        return
    for index in range(1, _SETTINGS):
        yield {
            knob.name: _between(knob, index * step % 1.0)
            for knob, step in zip(others, _STEPS, strict=False)
        }


def _between(knob: Knob, share: float) -> float:
    """The value at a share of the way from the safe end to the thrifty one."""
    safe, thrifty = (knob.high, knob.low) if knob.safe_is_high else (knob.low, knob.high)
    if knob.ratio:
        return float(safe * (thrifty / safe) ** share)
    return float(safe + (thrifty - safe) * share)
