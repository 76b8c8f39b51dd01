"""The fit that stays, so that a slow loss is reported and not only sized for.

It learns like the sizing fit but forgets nothing, and one band of batch sizes after the other
closes for good: from then on what happens in that band is judged and no longer learned. Only a new
key starts it anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import floor, log
from statistics import median

from v4operator.estimate.calibration import StepSample, learn
from v4operator.model.learned import Reference, StepFit

# One band reaches from a batch size to 1.5 times that: over such a range every published V4 profile
# is a straight line to within its own scatter of 7 %.
_BAND = log(1.5)

# A band closes after a quarter of an hour of evidence: thirty blocks bring the error of the mean
# below 2 %, and a fault within the first quarter of an hour is still seen against the peers.
_CLOSES_AFTER_SECONDS = 900.0

# Two bands are a factor of 2.25; over that distance the line is trusted once nine tenths of the
# prior's uncertainty is gone.
_NEAR_BANDS = 2
_CONFIDENT = 0.9

# A new number of replicas is watched for five minutes before it is judged: what they lose together
# just then is put down to the number (interconnect, gateway, shared storage). Ten blocks of the
# median replica tell it within 3 % at 10 % of noise.
_COUNT_CLOSES_AFTER_SECONDS = 300.0

# The accept length that counts as normal is the mean over the first half hour of load.
_ACCEPT_SECONDS = 1800.0


def new_reference(fit: StepFit) -> Reference:
    """A reference that knows only the prior."""
    return Reference(fit=fit)


def judges(reference: Reference, sequences: float, confidence: float) -> bool:
    """Whether a replica at that batch size may be judged by the reference.

    Either the band has been learned for good, or one within a factor of two has and the fit is
    confident all the same: a sick replica drives its own batch out of the bands that were learned.
    """
    seen = dict(reference.seen)
    band = _band(sequences)
    if not _is_open(seen, band):
        return True
    near = range(band - _NEAR_BANDS, band + _NEAR_BANDS + 1)
    return confidence >= _CONFIDENT and any(not _is_open(seen, other) for other in near)


def extend(reference: Reference, samples: Sequence[StepSample], seconds: float) -> Reference:
    """Learn a block of `seconds` in the bands that are still open."""
    seen = dict(reference.seen)
    open_samples = [s for s in samples if _is_open(seen, _band(s.sequences))]
    if not open_samples:
        return reference
    for band in {_band(sample.sequences) for sample in open_samples}:
        seen[band] = seen.get(band, 0.0) + seconds
    return replace(
        reference,
        fit=learn(reference.fit, open_samples, remembered=1.0),
        seen=tuple(sorted(seen.items())),
    )


def extend_accept_length(
    reference: Reference, accept_lengths: Sequence[float], seconds: float
) -> Reference:
    """Take the replicas' mean accept length of one block into the normal one, while it is open."""
    if not accept_lengths or reference.accept_seconds >= _ACCEPT_SECONDS:
        return reference
    block = sum(accept_lengths) / len(accept_lengths)
    total = reference.accept_seconds + seconds
    before = reference.accept_length if reference.accept_length is not None else block
    return replace(
        reference,
        accept_length=before + (block - before) * seconds / total,
        accept_seconds=total,
    )


def level_at(reference: Reference, replicas: int) -> float | None:
    """The mean log ratio that is normal for so many replicas; `None` while it is being learned."""
    if not reference.counts or reference.counts[0][0] == replicas:
        return 0.0
    known = {count: (level, seconds) for count, level, seconds in reference.counts}
    level, seconds = known.get(replicas, (0.0, 0.0))
    return level if seconds >= _COUNT_CLOSES_AFTER_SECONDS else None


def extend_level(
    reference: Reference, replicas: int, log_ratios: Sequence[float], seconds: float
) -> Reference:
    """Take one block into the level of that number of replicas, while it is open.

    The number that comes first is what the fit is learned at: its level is 0.
    """
    if not reference.counts:
        return replace(reference, counts=((replicas, 0.0, seconds),))
    if not log_ratios or level_at(reference, replicas) is not None:
        return reference
    first, *others = reference.counts
    known = {count: (level, learned) for count, level, learned in others}
    level, learned = known.get(replicas, (0.0, 0.0))
    total = learned + seconds
    known[replicas] = (level + (median(log_ratios) - level) * seconds / total, total)
    rest = ((count, *known[count]) for count in sorted(known))
    return replace(reference, counts=(first, *rest))


def _band(sequences: float) -> int:
    return floor(log(max(sequences, 1.0)) / _BAND)


def _is_open(seen: Mapping[int, float], band: int) -> bool:
    return seen.get(band, 0.0) < _CLOSES_AFTER_SECONDS
