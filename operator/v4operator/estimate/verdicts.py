"""Gives each replica and the fleet a throughput verdict, and the sentence with the figures.

The tests behind the names are in `efficiency`; this only reads their state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from v4operator.estimate.evidence import BLOCK_SECONDS, Flow, is_warm
from v4operator.estimate.wording import count, length, per_cent, rate, seconds
from v4operator.model.forecast import ReplicaForecast, ThroughputVerdict
from v4operator.model.learned import Reference, Standing, Track
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.replica import Phase

# Running requests and no token for this long: a step takes 0.03 s, a full prefill chunk 0.3 s.
_STALL_SECONDS = 30.0

# A verdict stands this long after the last half minute of enough load; then the replica is unknown
# again. Between bursts of traffic minutes pass.
_STANDS_SECONDS = 900.0

# Figures of the last minute are shown for three blocks after the last judged one.
_FIGURES_SECONDS = 3.0 * BLOCK_SECONDS

# The accept length explains a loss if it fell by a twentieth at least, and by most of the loss:
# what falls with it are the base and the sequence term, nearly all of a step.
_ACCEPT_FALL = log(0.95)
_EXPLAINED_SHARE = 0.6

# The expectation is called calibrated from here; see `calibration.confidence`.
_CALIBRATED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """What all replicas are judged by."""

    now: float
    reference: Reference
    confidence: float
    stall_seconds: float
    standings: Mapping[str, Standing]


def stall_seconds(prefill_token_seconds: float, max_context_tokens: int | None) -> float:
    """How long no counter may move: twice the longest prompt's prefill on top.

    vLLM counts prompt tokens only when the prompt is done, and the last tokens of a 1M prompt cost
    more than the first (vllm#51454).
    """
    return _STALL_SECONDS + 2.0 * prefill_token_seconds * (max_context_tokens or 0)


def replica_forecasts(
    observation: Observation, tracks: Sequence[Track], flows: Mapping[str, Flow], court: Court
) -> tuple[ReplicaForecast, ...]:
    """One forecast per observed replica, in the order of the observation."""
    by_name = {track.name: track for track in tracks}
    return tuple(
        _one(replica, by_name[replica.replica.name], flows[replica.replica.name], court)
        for replica in observation.replicas
    )


def _one(replica: ReplicaObservation, track: Track, flow: Flow, court: Court) -> ReplicaForecast:
    standing = track.standing
    verdict, sentence = _verdict(replica, track, court)
    judged = standing.judged_at is not None and court.now - standing.judged_at <= _FIGURES_SECONDS
    minute = replica.recent.decode_tokens_per_second if replica.recent is not None else None
    return ReplicaForecast(
        name=track.name,
        observed_tokens_per_second=standing.observed_tokens_per_second if judged else minute,
        expected_tokens_per_second=standing.expected_tokens_per_second if judged else None,
        efficiency_ratio=standing.efficiency
        if judged and court.confidence >= _CALIBRATED
        else None,
        confidence=court.confidence if judged else 0.0,
        speed_ratio=_speed(verdict, standing),
        verdict=verdict,
        sentence=sentence,
        expected_decode_tokens=flow.expected_tokens,
        observed_decode_tokens=flow.observed_tokens,
    )


def _speed(verdict: ThroughputVerdict, standing: Standing) -> float:
    if verdict is ThroughputVerdict.STALLED:
        return 0.0
    return min(1.0, exp(standing.peer_deviation)) if standing.behind_peers else 1.0


def _verdict(
    replica: ReplicaObservation, track: Track, court: Court
) -> tuple[ThroughputVerdict, str]:
    standing, name = track.standing, track.name
    unseen = _unseen(replica)
    if unseen is not None:
        return ThroughputVerdict.UNKNOWN, unseen
    if track.stalled_seconds > court.stall_seconds:
        return ThroughputVerdict.STALLED, (
            f"replica {name} has running requests and no token for {seconds(track.stalled_seconds)}"
        )
    if standing.judged_at is None or court.now - standing.judged_at > _STANDS_SECONDS:
        return ThroughputVerdict.UNKNOWN, _unjudged(replica, court)
    if standing.behind_peers or standing.behind_reference:
        return _behind(name, standing, court)
    if court.confidence < _CALIBRATED and standing.peers == 0:
        return ThroughputVerdict.UNKNOWN, f"replica {name}: calibrating, nothing to compare with"
    return ThroughputVerdict.HEALTHY, _figures(name, standing)


def _unseen(replica: ReplicaObservation) -> str | None:
    name, phase = replica.replica.name, replica.replica.phase
    if phase is not Phase.READY:
        why = f": {replica.replica.reason}" if replica.replica.reason else ""
        return f"replica {name} is {phase.value}{why}"
    if not replica.fresh:
        return f"replica {name} gives no fresh metrics: {replica.unknown or 'no reason known'}"
    return None


def _unjudged(replica: ReplicaObservation, court: Court) -> str:
    name, ready_at = replica.replica.name, replica.replica.ready_at
    if ready_at is None or not is_warm(replica, court.now - BLOCK_SECONDS):
        return f"replica {name} became ready a moment ago and is not judged yet"
    if replica.recent is not None and replica.recent.decode_tokens_per_second is None:
        return f"replica {name} gives no running count of decode tokens"
    return f"replica {name} has too little load to be judged"


def _behind(name: str, standing: Standing, court: Court) -> tuple[ThroughputVerdict, str]:
    normal, present = court.reference.accept_length, standing.accept_length
    loss = standing.peer_deviation if standing.behind_peers else standing.lasting_log_ratio
    if normal and present:
        fall = log(present / normal)
        if fall <= _ACCEPT_FALL and fall <= _EXPLAINED_SHARE * loss:
            return ThroughputVerdict.ACCEPTANCE_DROPPED, (
                f"{_figures(name, standing)}; speculative decoding accepts {present:.2f} tokens "
                f"a step, normally {normal:.2f}"
            )
    if standing.behind_peers:
        return ThroughputVerdict.SICK_REPLICA, f"{_figures(name, standing)}; {_peers(name, court)}"
    return ThroughputVerdict.DEGRADED, f"{_figures(name, standing)} when it was new"


def _figures(name: str, standing: Standing) -> str:
    return (
        f"replica {name} decodes {rate(standing.observed_tokens_per_second)}, "
        f"{per_cent(standing.efficiency)} of the {rate(standing.expected_tokens_per_second)} "
        f"expected at batch {standing.sequences:.0f} "
        f"and {length(standing.context_tokens)} context"
    )


def _peers(name: str, court: Court) -> str:
    """How the replicas do that are judged at present and not behind themselves."""
    ratios = [
        standing.efficiency
        for peer, standing in court.standings.items()
        if peer != name
        and not standing.behind_peers
        and standing.efficiency is not None
        and standing.judged_at is not None
        and court.now - standing.judged_at <= _FIGURES_SECONDS
    ]
    if not ratios:
        return "its peers have no load to compare with now"
    low, high = f"{min(ratios):.0%}".rstrip("%"), per_cent(max(ratios))
    span = high if f"{low} %" == high else f"{low}-{high}"
    return f"its {count(len(ratios), 'peer is', 'peers are')} at {span}"
