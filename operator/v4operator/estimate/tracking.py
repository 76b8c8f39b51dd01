"""Follows every replica from poll to poll: blocks, expected tokens, and the time without a token.

Judging and learning wait for the end of a block (`efficiency`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from v4operator.estimate.evidence import Flow, Reading, add, expected_rate, is_warm, reading_of
from v4operator.model.learned import Block, Track
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.replica import Phase
from v4operator.model.step import StepTime

# A gauge that was once at 1 within the interval has a mean below this: nothing is stuck then.
_RUNNING = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The tracks after the new intervals, and each replica's tokens in them."""

    tracks: tuple[Track, ...]
    flows: Mapping[str, Flow]


def follow(
    observation: Observation, tracks: tuple[Track, ...], law: StepTime, context_tokens: float
) -> Followed:
    """Add the intervals since the last forecast; forget replicas that are gone.

    Both token sums take the same intervals, so that their quotient is right over any time.
    Intervals before the cold-start guard count in the sums but not in the blocks.
    """
    known = {track.name: track for track in tracks}
    followed = []
    flows = {}
    for replica in observation.replicas:
        before = _known(known.get(replica.replica.name), replica)
        track, flow = _follow_one(replica, before, law, context_tokens)
        followed.append(track)
        flows[track.name] = flow
    return Followed(tracks=tuple(followed), flows=flows)


def _known(track: Track | None, replica: ReplicaObservation) -> Track:
    """The track so far; a new one for a new replica and for one that was started again."""
    ready_at = replica.replica.ready_at
    if track is not None and track.ready_at == ready_at:
        return track
    return Track(name=replica.replica.name, ready_at=ready_at)


def _follow_one(
    replica: ReplicaObservation, before: Track, law: StepTime, context_tokens: float
) -> tuple[Track, Flow]:
    if replica.replica.phase is not Phase.READY or not replica.intervals:
        return before, Flow()
    block, stalled = before.block, before.stalled_seconds
    observed = expected = 0.0
    for interval in replica.intervals:
        reading = reading_of(interval, context_tokens)
        if reading is None:
            continue
        due = expected_rate(law, reading) * reading.seconds
        observed += reading.decode_rate * reading.seconds
        expected += due
        stalled = _stalled(stalled, reading)
        if is_warm(replica, interval.start):
            block = add(block, reading, due)
    return _track(before, block, stalled), Flow(observed_tokens=observed, expected_tokens=expected)


def _stalled(so_far: float, reading: Reading) -> float:
    """Seconds with requests running and not one token of either kind."""
    works = reading.decode_rate > 0.0 or reading.prefill_rate > 0.0
    return 0.0 if works or reading.sequences < _RUNNING else so_far + reading.seconds


def _track(before: Track, block: Block, stalled: float) -> Track:
    return Track(
        name=before.name,
        ready_at=before.ready_at,
        block=block,
        standing=before.standing,
        stalled_seconds=stalled,
    )
