"""The fit that stays, so that a slow loss is reported and not only sized for.

It learns like the sizing fit but forgets nothing, and one band of batch sizes after the other
closes for good: from then on what happens in that band is judged and no longer learned. Only a new
key starts it anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import floor, log
from statistics import fmean, median

from v4operator.estimate.calibration import LINE_BLOCKS, StepSample, learn
from v4operator.model.learned import Band, Reference, StepFit

# One band reaches from a batch size to 1.5 times that: over such a range every published V4 profile
# is a straight line to within its own scatter of 7 %.
_BAND = log(1.5)

# A band closes after a quarter of an hour of evidence: thirty blocks bring the error of the mean
# below 2 %, and a fault within the first quarter of an hour is still seen against the peers.
_CLOSES_AFTER_SECONDS = 900.0

# Mixes of prompts and answers are one band while the law makes steps of the same batch equal within
# a quarter: what is called a change of the mix as well. Beyond that a replica that computes prompts
# instead of decoding would look slow.
_MIX_BAND = 2.0 * log(1.25)

# Two bands are a factor of 2.25; over that distance the line is trusted once nine tenths of the
# prior's uncertainty is gone.
_NEAR_BANDS = 2
_CONFIDENT = 0.9

# A new number of replicas is watched for five minutes before it is judged: what they lose together
# just then is put down to the number (interconnect, gateway, shared storage). Ten blocks of the
# median replica tell it within 3 % at 10 % of noise.
_COUNT_CLOSES_AFTER_SECONDS = 300.0

# What a change of the number may explain: 3.5 % for each replica more or fewer, which is 0.82 at
# seven against a single one, the worst fleet that is known of. More is a loss that came just then.
_MOST_PER_REPLICA = 0.035

# The accept length that counts as normal is the mean over the first half hour of load.
_ACCEPT_SECONDS = 1800.0


def new_reference(fit: StepFit) -> Reference:
    """A reference that knows only the prior."""
    return Reference(fit=fit)


def judges(reference: Reference, step: StepSample, confidence: float) -> bool:
    """Whether a replica with such a step may be judged by the reference.

    Either the band has been learned for good, or one within a factor of two has and the fit is
    confident all the same: a sick replica drives its own batch out of the bands that were learned.
    """
    number, mix = _band(reference, step)
    distances = (
        abs(band.number - number)
        for band in reference.bands
        if band.mix == mix and not _is_open(band)
    )
    nearest = min(distances, default=None)
    if nearest is None:
        return False
    return nearest == 0 or (nearest <= _NEAR_BANDS and confidence >= _CONFIDENT)


def extend(reference: Reference, samples: Sequence[StepSample], seconds: float) -> Reference:
    """Learn a block of `seconds` in the bands that are still open."""
    if samples and reference.token_seconds is None:
        first = fmean(_token_seconds(reference.fit, sample) for sample in samples)
        reference = replace(reference, token_seconds=first)
    bands = {(known.number, known.mix): known for known in reference.bands}
    open_samples = []
    for place, within in _by_band(reference, samples).items():
        band = bands.get(place, Band(number=place[0], mix=place[1]))
        if _is_open(band):
            bands[place] = _widened(band, within, seconds)
            open_samples += within
    if not open_samples:
        return reference
    return replace(
        reference,
        fit=learn(reference.fit, open_samples, remembered=1.0),
        bands=tuple(bands[place] for place in sorted(bands)),
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
    most = _MOST_PER_REPLICA * abs(replicas - reference.counts[0][0])
    return max(-most, min(most, level)) if seconds >= _COUNT_CLOSES_AFTER_SECONDS else None


def usual_at(reference: Reference, step: StepSample) -> float:
    """The mean log of observed over expected tokens that was learned at about that batch.

    Replicas do not follow a straight line. The bands say by how much they miss it, the nearer in
    batch the more they count, up to one band away; what is said by few blocks counts for little
    (`LINE_BLOCKS`).
    """
    weights = total = 0.0
    mix = _band(reference, step)[1]
    for band in reference.bands:
        if band.mix != mix:
            continue
        distance = abs(log(band.sequences / step.sequences)) / _BAND
        weight = band.weight * max(0.0, 1.0 - distance)
        expected = reference.fit.law.seconds(
            sequences=band.sequences, kv_tokens=band.kv_tokens, prefill_tokens=band.prefill_tokens
        )
        total += weight * log(expected / band.seconds)
        weights += weight
    return total / (weights + LINE_BLOCKS)


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


def _by_band(
    reference: Reference, samples: Sequence[StepSample]
) -> dict[tuple[int, int], list[StepSample]]:
    places: dict[tuple[int, int], list[StepSample]] = {}
    for sample in samples:
        places.setdefault(_band(reference, sample), []).append(sample)
    return places


def _band(reference: Reference, step: StepSample) -> tuple[int, int]:
    """The numbers of its batch's and its mix's band; the mix that came first is 0."""
    number = floor(log(max(step.sequences, 1.0)) / _BAND)
    if reference.token_seconds is None:
        return number, 0
    ratio = _token_seconds(reference.fit, step) / reference.token_seconds
    return number, round(log(ratio) / _MIX_BAND)


def _token_seconds(fit: StepFit, step: StepSample) -> float:
    """What each sequence adds to such a step by the law believed in first, which does not move."""
    law = fit.scale
    prompts = law.per_prefill_token_seconds * step.prefill_tokens
    context = law.per_kv_token_seconds * step.kv_tokens
    return law.per_sequence_seconds + (prompts + context) / step.sequences


def _is_open(band: Band) -> bool:
    return band.learned_seconds < _CLOSES_AFTER_SECONDS


def _widened(band: Band, samples: Sequence[StepSample], seconds: float) -> Band:
    """The band with one more block of each of these replicas in its means."""
    total = band.weight + len(samples)

    def mean(before: float, values: Iterable[float]) -> float:
        return before + sum(value - before for value in values) / total

    return replace(
        band,
        learned_seconds=band.learned_seconds + seconds,
        weight=total,
        sequences=mean(band.sequences, (s.sequences for s in samples)),
        kv_tokens=mean(band.kv_tokens, (s.kv_tokens for s in samples)),
        prefill_tokens=mean(band.prefill_tokens, (s.prefill_tokens for s in samples)),
        seconds=mean(band.seconds, (s.seconds for s in samples)),
    )
