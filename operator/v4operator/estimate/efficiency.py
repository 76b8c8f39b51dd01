"""Who keeps up: sequential tests of each replica against its peers and against the reference.

Comparing with peers in the same half minute works while the law is still wrong by 3x, since they
share its error; the reference tells a loss that all share. Both feed a sequential test.
What a strike is called is `verdicts`' matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median

from v4operator.estimate.calibration import StepSample, confidence
from v4operator.estimate.evidence import (
    BLOCK_SECONDS,
    accept_length_of,
    is_evidence,
    step_of,
)
from v4operator.estimate.reference import judges, level_at
from v4operator.estimate.sequential import (
    FIRST_VARIANCE,
    departures_after,
    limit_of,
    moved,
    strikes,
    suspects,
    variance_after,
)
from v4operator.model.learned import Block, Reference, Standing, Track

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

# A block this far below its peers is not learned from, even before anything has struck.
_SUSPECT = -0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A block fit to be judged: its mean step, and the log of observed over expected tokens."""

    step: StepSample
    log_ratio: float
    fitted: bool
    in_reference: bool
    level: float | None

    @property
    def absolute(self) -> float | None:
        """The log ratio against what is normal for so many replicas; `None` before it is known."""
        judged = self.in_reference and self.level is not None
        return self.log_ratio - (self.level or 0.0) if judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A finished block beside its peers: `deviation` is the log ratio against their median."""

    own: Finished
    peers: int
    deviation: float | None

    @property
    def departure(self) -> float:
        """What the scatter of blocks is measured by: against the peers, else against the law."""
        return self.own.log_ratio if self.deviation is None else self.deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All tracks after a block, with what may be learned from it."""

    tracks: tuple[Track, ...]
    samples: tuple[StepSample, ...]
    reference_samples: tuple[StepSample, ...]
    accept_lengths: tuple[float, ...]
    block_variance: float
    replicas: int
    log_ratios: tuple[float, ...]


def judge(
    tracks: Sequence[Track], reference: Reference, block_variance: float | None, now: float
) -> Judgement:
    """Close the block of every replica, move the tests on, and choose what to learn from.

    Nothing is learned from a replica behind its peers; the reference learns only from those that
    keep up with it.
    """
    variance = FIRST_VARIANCE if block_variance is None else block_variance
    serving = sum(track.ready_at is not None for track in tracks)
    level = level_at(reference, serving)
    finished = {t.name: _finish(t.block, reference, level) for t in tracks if is_evidence(t.block)}
    compared = {name: _compare(name, finished) for name in finished}
    judged = tuple(
        _closed(track, compared.get(track.name), limit_of(variance), now) for track in tracks
    )
    sound = [
        track
        for track in judged
        if track.name in compared and _is_sound(track.standing, compared[track.name])
    ]
    blocks = {track.name: track.block for track in tracks}
    accept_lengths = (accept_length_of(blocks[track.name]) for track in sound)
    return Judgement(
        tracks=judged,
        samples=tuple(finished[track.name].step for track in sound),
        reference_samples=tuple(
            finished[track.name].step
            for track in sound
            if level is not None and not suspects(track.standing.reference_score)
        ),
        accept_lengths=tuple(accept for accept in accept_lengths if accept is not None),
        block_variance=variance_after(variance, _healthy_departures(judged, compared)),
        replicas=serving,
        log_ratios=tuple(f.log_ratio for f in finished.values() if f.in_reference),
    )


def _healthy_departures(
    judged: Sequence[Track], compared: Mapping[str, Compared]
) -> list[tuple[float, ...]]:
    """Those of all but the most suspect replica, where enough are left to tell the scatter."""
    standings = [track.standing for track in judged if track.name in compared]
    standings.sort(key=lambda standing: standing.peer_score)
    kept = standings[:-1] if len(standings) > _LEAST_PEERS else standings
    return [standing.departures for standing in kept]


def _is_sound(standing: Standing, compared: Compared) -> bool:
    suspect = compared.deviation is not None and compared.deviation < _SUSPECT
    return not (standing.behind_peers or suspect)


def _finish(block: Block, reference: Reference, level: float | None) -> Finished:
    step = step_of(block)
    sure = confidence(reference.fit, step)
    return Finished(
        step=step,
        log_ratio=log(block.tokens / block.expected_tokens),
        fitted=sure >= _FITTED,
        in_reference=judges(reference, step.sequences, sure),
        level=level,
    )


def _compare(name: str, finished: Mapping[str, Finished]) -> Compared:
    """A block beside the median of its comparable peers."""
    own = finished[name]
    others = [
        other.log_ratio
        for peer, other in finished.items()
        if peer != name and _comparable(own, other)
    ]
    enough = len(others) >= _LEAST_PEERS
    return Compared(
        own=own,
        peers=len(others) if enough else 0,
        deviation=own.log_ratio - median(others) if enough else None,
    )


def _comparable(own: Finished, other: Finished) -> bool:
    if own.fitted and other.fitted:
        return True
    ratio = own.step.sequences / other.step.sequences
    return 1.0 / _COMPARABLE_BATCH <= ratio <= _COMPARABLE_BATCH


def _closed(track: Track, compared: Compared | None, limit: float, now: float) -> Track:
    """The track with an empty block, and its standing moved on if the block was evidence."""
    standing = track.standing
    if compared is not None:
        standing = _advance(standing, track.block, compared, limit, now)
    return Track(
        name=track.name,
        ready_at=track.ready_at,
        standing=standing,
        stalled_seconds=track.stalled_seconds,
    )


def _advance(
    before: Standing, block: Block, compared: Compared, limit: float, now: float
) -> Standing:
    own = compared.own
    recent = before.judged_at is not None and now - before.judged_at <= _FORGOTTEN_SECONDS
    kept = _KEPT if recent else 0.0
    peer_score = moved(before.peer_score, compared.deviation, limit)
    reference_score = moved(before.reference_score, own.absolute, limit)
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
        behind_peers=strikes(peer_score, before=before.behind_peers),
        reference_score=reference_score,
        behind_reference=strikes(reference_score, before=before.behind_reference),
        lasting_log_ratio=_mean(
            before.lasting_log_ratio, own.log_ratio, _LASTING_KEPT if recent else 0.0
        ),
        departures=departures_after(before.departures if recent else (), compared.departure),
    )


def _accept_length(before: float | None, block: float | None, kept: float) -> float | None:
    return block if block is None or before is None else _mean(before, block, kept)


def _mean(before: float, value: float, kept: float) -> float:
    return kept * before + (1.0 - kept) * value
