"""Which knobs to try: the defaults, then points spread evenly over what a policy declares.

Every policy gets the same number of trials; what a trial is worth is the caller's judgement.
"""

from collections.abc import Iterator

from v4operator.simulate.policies.registry import Entry, Knob

# Irrational steps of a Kronecker lattice, one a knob: golden ratio and its kin in two and three
# dimensions. Unlike a grid every further trial is a new value of each knob.
_STEPS = (0.6180339887, 0.7548776662, 0.8191725134)


def trials(entry: Entry, count: int) -> Iterator[tuple[tuple[str, float], ...]]:
    """The defaults first, then points spread evenly over the knobs' ranges."""
    yield tuple(entry.defaults().items())
    for index in range(1, count):
        yield tuple(
            (knob.name, _within(knob, (0.5 + index * step) % 1.0))
            for knob, step in zip(entry.knobs, _STEPS, strict=False)
        )


def _within(knob: Knob, share: float) -> float:
    if knob.ratio:
        return float(knob.low * (knob.high / knob.low) ** share)
    return float(knob.low + (knob.high - knob.low) * share)
