"""Who keeps up: sequential tests of each replica against its peers and against the reference.

Comparing with peers in the same half minute works while the law is still wrong by 3x, since they
share its error; the reference tells a loss that all share. Both feed a sequential test: the peers'
with what is a replica's own, the reference's with what the fleet has in common, which is known the
better the more replicas there are. Where there are no peers the reference has the whole.
What a strike is called is `verdicts`' matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from statistics import fmean, median

from v4operator.estimate.calibration import StepSample, confidence
from v4operator.estimate.evidence import (
    BLOCK_SECONDS,
    accept_length_of,
    is_busy,
    is_evidence,
    step_of,
)
from v4operator.estimate.reference import judges, level_at, usual_at
from v4operator.estimate.sequential import (
    LARGE_TOLERANCE,
    departures_after,
    limit_of,
    moved,
    scatter_after,
    strikes,
    suspects,
    variance_of,
    weight_of,
)
from v4operator.model.learned import Block, Reference, Scatter, Standing, Track

# Shown figures are means with this time constant: a minute smooths two blocks and shows a loss
# almost whole by the time it strikes.
_KEPT = exp(-BLOCK_SECONDS / 60.0)

# A cause is told from the loss of five minutes: one minute of 10 % noise hides half of a 20 % loss.
_LASTING_KEPT = exp(-BLOCK_SECONDS / 300.0)

# After a pause as long as this the means start afresh.
_FORGOTTEN_SECONDS = 300.0

# Peers need this many besides the judged one: of two that differ nobody knows which is sick.
_LEAST_PEERS = 2

# While the law is not yet fitted, only peers at a batch within this factor are comparable.
_COMPARABLE_BATCH = 1.5
_FITTED = 0.5

# Peers count by their mean, which scatters less than their median, but none as more than this far
# from it: one that is sick or fast must not make the others look otherwise.
_MOST_APART = 0.25

# A block this far below its peers is not learned from, even before anything has struck; of blocks
# that scatter, two standard deviations. Leaving out more of the slow ones would make a reference
# that healthy replicas cannot keep up with (3 % too fast in 10 % of noise).
_APART = 0.12
_DEVIATIONS_APART = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A block fit to be judged: its mean step, and the log of observed over expected tokens.

    `beside_usual` is that less what was usual at such a batch when the reference was learned;
    `None` where the reference does not judge.
    """

    step: StepSample
    log_ratio: float
    fitted: bool
    beside_usual: float | None

    @property
    def weight(self) -> float:
        """How much it tells, 0 to 1."""
        return weight_of(self.step.sequences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A finished block beside its peers: `deviation` is the log ratio against their mean.

    `absolute` is the log ratio against the reference that its replica is judged by: the fleet's
    common one, or its own where it has no peers.
    """

    own: Finished
    peers: int
    deviation: float | None
    absolute: float | None

    @property
    def departure(self) -> float | None:
        """What the scatter of blocks is measured by: against the peers, else the reference."""
        return self.absolute if self.deviation is None else self.deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All tracks after a block, with what may be learned from it."""

    tracks: tuple[Track, ...]
    samples: tuple[StepSample, ...]
    reference_samples: tuple[StepSample, ...]
    accept_lengths: tuple[float, ...]
    own_scatter: Scatter
    shared_scatter: Scatter
    replicas: int
    log_ratios: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """At which sums the tests strike: for a replica's own loss, a large one, one that all share."""

    own: float
    own_large: float
    shared: float


def judge(
    tracks: Sequence[Track], reference: Reference, own: Scatter, shared: Scatter, now: float
) -> Judgement:
    """Close the block of every replica, move the tests on, and choose what to learn from.

    `own` and `shared` are the scatters of single replicas and of what they have in common. Nothing
    is learned from a replica behind its peers; the reference learns only from those that keep up
    with it.
    """
    serving = sum(track.ready_at is not None for track in tracks)
    level = level_at(reference, serving)
    finished = {t.name: _finish(t.block, reference) for t in tracks if is_evidence(t.block)}
    common = _common(finished.values(), level)
    compared = {name: _compare(name, finished, level, common) for name in finished}
    limits = _Limits(
        own=limit_of(own), own_large=limit_of(own, LARGE_TOLERANCE), shared=limit_of(shared)
    )
    judged = tuple(_closed(track, compared.get(track.name), limits, now) for track in tracks)
    seen = [track for track in judged if track.name in compared]
    apart = max(_APART, _DEVIATIONS_APART * sqrt(variance_of(own)))
    sound = [track for track in seen if _is_sound(track.standing, compared[track.name], apart)]
    blocks = {track.name: track.block for track in tracks}
    accept_lengths = (accept_length_of(blocks[track.name]) for track in sound)
    return Judgement(
        tracks=judged,
        samples=tuple(
            finished[track.name].step
            for track in sound
            if is_busy(blocks[track.name], reference.fit.law)
        ),
        reference_samples=tuple(
            finished[track.name].step
            for track in sound
            if level is not None and not suspects(track.standing.reference_score)
        ),
        accept_lengths=tuple(accept for accept in accept_lengths if accept is not None),
        own_scatter=scatter_after(own, _healthy_departures(seen, compared)),
        shared_scatter=_shared_after(shared, seen, common, list(finished.values())),
        replicas=serving,
        log_ratios=tuple(f.beside_usual for f in finished.values() if f.beside_usual is not None),
    )


def _common(finished: Iterable[Finished], level: float | None) -> float | None:
    """The loss that the fleet shares, a log ratio; `None` where too few are judged to tell.

    The median: one sick replica is no loss of the fleet.
    """
    told = [f.beside_usual for f in finished if f.beside_usual is not None]
    return median(told) - level if level is not None and len(told) > _LEAST_PEERS else None


def _healthy_departures(
    seen: Sequence[Track], compared: Mapping[str, Compared]
) -> list[tuple[float, ...]]:
    """Those of the replicas that no test is half way to striking."""
    return [
        track.standing.departures
        for track in seen
        if compared[track.name].departure is not None and not _is_suspect(track.standing)
    ]


def _shared_after(
    before: Scatter, seen: Sequence[Track], common: float | None, finished: Sequence[Finished]
) -> Scatter:
    """The scatter of what all share after one more block, unless that falls behind."""
    if common is None or any(suspects(track.standing.reference_score) for track in seen):
        return before
    weight = median(block.weight for block in finished)
    departures = departures_after(before.departures, common, weight)
    return replace(scatter_after(before, [departures]), departures=departures)


def _is_suspect(standing: Standing) -> bool:
    return suspects(max(standing.peer_score, standing.reference_score))


def _is_sound(standing: Standing, compared: Compared, apart: float) -> bool:
    is_apart = compared.deviation is not None and compared.deviation < -apart
    return not (standing.behind_peers or suspects(standing.peer_score) or is_apart)


def _finish(block: Block, reference: Reference) -> Finished:
    step = step_of(block)
    sure = confidence(reference.fit, step)
    ratio = log(block.tokens / block.expected_tokens)
    judged = judges(reference, step, sure)
    return Finished(
        step=step,
        log_ratio=ratio,
        fitted=sure >= _FITTED,
        beside_usual=ratio - usual_at(reference, step) if judged else None,
    )


def _compare(
    name: str, finished: Mapping[str, Finished], level: float | None, common: float | None
) -> Compared:
    """A block beside its comparable peers and the reference."""
    own = finished[name]
    others = [
        other.log_ratio
        for peer, other in finished.items()
        if peer != name and _comparable(own, other)
    ]
    enough = len(others) >= _LEAST_PEERS
    alone = own.beside_usual - level if own.beside_usual is not None and level is not None else None
    return Compared(
        own=own,
        peers=len(others) if enough else 0,
        deviation=own.log_ratio - _middle(others) if enough else None,
        absolute=common if enough else alone,
    )


def _middle(ratios: Sequence[float]) -> float:
    """Their mean, each taken as no further than `_MOST_APART` from the median."""
    centre = median(ratios)
    return fmean(max(centre - _MOST_APART, min(centre + _MOST_APART, r)) for r in ratios)


def _comparable(own: Finished, other: Finished) -> bool:
    if own.fitted and other.fitted:
        return True
    ratio = own.step.sequences / other.step.sequences
    return 1.0 / _COMPARABLE_BATCH <= ratio <= _COMPARABLE_BATCH


def _closed(track: Track, compared: Compared | None, limits: _Limits, now: float) -> Track:
    """The track with an empty block, and its standing moved on if the block was evidence."""
    standing = track.standing
    if compared is not None:
        standing = _advance(standing, track.block, compared, limits, now)
    return Track(
        name=track.name,
        ready_at=track.ready_at,
        standing=standing,
        stalled_seconds=track.stalled_seconds,
    )


def _advance(
    before: Standing, block: Block, compared: Compared, limits: _Limits, now: float
) -> Standing:
    own = compared.own
    recent = before.judged_at is not None and now - before.judged_at <= _FORGOTTEN_SECONDS
    kept = _KEPT if recent else 0.0
    limit = limits.shared if compared.peers else limits.own
    peer_score = moved(before.peer_score, compared.deviation, limits.own, own.weight)
    peer_score_large = moved(
        before.peer_score_large, compared.deviation, limits.own_large, own.weight, LARGE_TOLERANCE
    )
    reference_score = moved(before.reference_score, compared.absolute, limit, own.weight)
    observed, expected = block.tokens / block.seconds, block.expected_tokens / block.seconds
    context = own.step.kv_tokens / own.step.sequences
    return Standing(
        judged_at=now,
        observed_tokens_per_second=_mean(before.observed_tokens_per_second, observed, kept),
        expected_tokens_per_second=_mean(before.expected_tokens_per_second, expected, kept),
        sequences=_mean(before.sequences, own.step.sequences, kept),
        context_tokens=_mean(before.context_tokens, context, kept),
        accept_length=_accept_length(before.accept_length, accept_length_of(block), kept),
        peers=compared.peers,
        peer_deviation=before.peer_deviation
        if compared.deviation is None
        else _mean(before.peer_deviation, compared.deviation, kept),
        peer_score=peer_score,
        peer_score_large=peer_score_large,
        behind_peers=strikes(max(peer_score, peer_score_large), before=before.behind_peers),
        reference_score=reference_score,
        behind_reference=strikes(reference_score, before=before.behind_reference),
        lasting_log_ratio=_mean(
            before.lasting_log_ratio, own.log_ratio, _LASTING_KEPT if recent else 0.0
        ),
        departures=departures_after(
            before.departures if recent else (), compared.departure, own.weight
        ),
    )


def _accept_length(before: float | None, block: float | None, kept: float) -> float | None:
    return block if block is None or before is None else _mean(before, block, kept)


def _mean(before: float, value: float, kept: float) -> float:
    return kept * before + (1.0 - kept) * value
