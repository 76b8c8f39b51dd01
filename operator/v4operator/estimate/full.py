"""What full replicas did, beside what the law let expect of them: the capacity corrected by it.

A line through the loads of the last hour errs at the full batch: measured step times rise faster
there than below (SGLang cookbook v0.5.15), and a fleet that was never full has not seen it. While
requests wait at the gateway every replica does what it can, so that the work served is the
capacity, whatever law prices it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log

from v4operator.estimate.calibration import remembered_share
from v4operator.estimate.price import Price
from v4operator.model.learned import FleetSample, FullReplicas

# A sample tells of the minute before it: all of that minute has to be full.
_MINUTE = 60.0

# Two waiting for each replica: one is on its way to the next step.
_LEAST_WAITING = 2.0

# Replicas that do less than half of what is expected while requests wait are sick, stalled or held
# back by a limit that is not theirs: nothing to size by.
_LEAST_RATIO = 0.5

# Four minutes of full replicas weigh as much as the law, which is 2 % off where it holds.
_PRIOR_BLOCKS = 8.0

# The law learns from the same minutes, and replicas change: what is left of it after a day does not
# count. On the measured step times three hours forgot too soon (98.8 % of the R1 day in time, six
# and twelve 99.1 %); with a drifting acceptance a week cost 3 % more device-hours.
_HALF_LIFE_SECONDS = 21600.0


def with_sample(
    full: FullReplicas,
    sample: FleetSample,
    history: Sequence[FleetSample],
    price: Price,
    *,
    block_seconds: float,
) -> FullReplicas:
    """`full` after a block: with what was served, if all of the last minute was full.

    `history` are the samples before; `price` is the law's, not yet corrected. More than the law
    expects counts as just that: a limit above the objective's batch is no capacity.
    """
    kept = remembered_share(block_seconds, _HALF_LIFE_SECONDS)
    aged = replace(full, log_ratio_sum=kept * full.log_ratio_sum, blocks=kept * full.blocks)
    if not _is_full(sample, history, block_seconds):
        return aged
    served = price.replicas(sample.decode_tokens_per_second, sample.prefill_tokens_per_second)
    ratio = min(1.0, served / sample.replicas)
    if ratio < _LEAST_RATIO:
        return aged
    return replace(aged, log_ratio_sum=aged.log_ratio_sum + log(ratio), blocks=aged.blocks + 1.0)


def work_ratio(full: FullReplicas) -> float:
    """The work of a full replica over what the law expects; 1 before any evidence, never more."""
    return exp(full.log_ratio_sum / (full.blocks + _PRIOR_BLOCKS))


def corrected(price: Price, full: FullReplicas) -> Price:
    """The price at which full replicas would have done just what they did."""
    return replace(price, work_share=price.work_share * work_ratio(full))


def _is_full(sample: FleetSample, history: Sequence[FleetSample], block_seconds: float) -> bool:
    """Whether requests waited, and as many replicas served, at every look of the last minute."""
    since = sample.time - _MINUTE - block_seconds / 2.0
    minute = [s for s in history if s.time >= since]
    if not minute or minute[0].time > sample.time - _MINUTE + block_seconds / 2.0:
        return False
    return all(
        s.waiting >= _LEAST_WAITING * s.replicas and s.replicas == sample.replicas
        for s in (*minute, sample)
    )
