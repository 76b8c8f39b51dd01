"""How many replicas a demand takes, and whether the others carry it when one goes. Pure arithmetic.

Units: one healthy replica's work at the objective, as in `Demand`.
"""

from collections.abc import Sequence
from math import ceil

from v4operator.model.forecast import Mix
from v4operator.model.step import StepTime

# A request that moves to another replica finds no prefix of its own there. At 8,192 prompt and
# 1,024 answer tokens its prefill is 19.3 us x 8192 = 0.16 s against 0.41 ms x 1024 = 0.42 s of
# decode work (SGLang cookbook v0.5.15, V4-Flash on 4 x H200): moved work costs at most 0.4 more.
# Longer prompts cost more than that, but only once: then the other replica has them too.
COLD_CACHE_EXTRA_RATIO = 0.4

# Sums of ratios carry rounding; a millionth of a replica is not a replica.
_TOLERANCE = 1e-6


def replicas_needed(demand_replicas: float, capacities: Sequence[float]) -> int:
    """The smallest count that carries `demand_replicas`: the fastest present ones, then new ones.

    `capacities` are the present and coming replicas, 1 for a healthy one; a new one counts 1.
    No tolerance band: one more replica at 50 takes effect as it does at 2.
    """
    carried = 0.0
    for count, capacity in enumerate(sorted(capacities, reverse=True)):
        if carried >= demand_replicas - _TOLERANCE:
            return count
        carried += capacity
    short = demand_replicas - carried
    return len(capacities) + max(0, ceil(short - _TOLERANCE))


def cold_cache_extra(step: StepTime | None, mix: Mix | None) -> float:
    """What moved work costs more, as a ratio: the prompt tokens that a cache saves at present.

    d (prompt - computed) over the work of a request, b O + d computed; at most
    `COLD_CACHE_EXTRA_RATIO`, which also holds where the mix is not known.
    """
    if step is None or mix is None:
        return COLD_CACHE_EXTRA_RATIO
    saved = step.per_prefill_token_seconds * max(0.0, mix.prompt_tokens - mix.prefill_tokens)
    work = (
        step.per_sequence_seconds * mix.decode_tokens
        + step.per_prefill_token_seconds * mix.prefill_tokens
    )
    return min(COLD_CACHE_EXTRA_RATIO, saved / work) if work > 0.0 else COLD_CACHE_EXTRA_RATIO


def load_without_one(
    demand_replicas: float, serving: int, extra_ratio: float = COLD_CACHE_EXTRA_RATIO
) -> float:
    """The demand in replicas once one of `serving` replicas is gone and its share moved, cold."""
    return demand_replicas * (1.0 + extra_ratio / serving)


def carries(capacities: Sequence[float], demand_replicas: float) -> bool:
    """Whether those replicas together carry the demand."""
    return sum(capacities) >= demand_replicas - _TOLERANCE
