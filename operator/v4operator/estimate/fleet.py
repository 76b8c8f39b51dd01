"""The fleet's throughput verdict: which of the replicas' verdicts matters, or what else it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from v4operator.estimate.throughput import DecodeCost
from v4operator.estimate.wording import length, per_cent, rounded
from v4operator.model.deployment import Objectives
from v4operator.model.forecast import (
    FleetThroughput,
    ReplicaForecast,
    ThroughputVerdict,
)
from v4operator.model.learned import FleetSample
from v4operator.model.step import StepTime

# A replica judged alone cannot be told sick; so many must be judged to call the others its peers.
_LEAST_COMPARABLE = 3

# The fleet as a whole is slower than when it was new once half of it is.
_DEGRADED_SHARE = 0.5

# Waiting requests beyond one a replica and a tenth of the batch are a queue; fewer are requests on
# their way from arrival to the next step.
_QUEUE_SHARE = 0.1

# Replicas that run less than half of what keeps the objective are not what requests wait for; long
# prompts leave a third of it and more.
_ROOM_SHARE = 0.5

_FULL = "the fleet is at its capacity", ""
_HELD_BACK = (
    "requests wait although there is room",
    "; look at what admits them: a gateway, or the engines themselves",
)

# A change of mix is told when it makes a step a quarter longer at the same batch. Compared are the
# last two minutes with those of the quarter of an hour that are at least five minutes old, where
# two requests or more were running on each replica.
_MIX_SLOWS = 1.25
_LATEST_SECONDS = 120.0
_EARLIER_SECONDS = 300.0
_LEAST_RUNNING = 2.0

# In this order: what serves worst is said first.
_NAMED = (
    ThroughputVerdict.STALLED,
    ThroughputVerdict.SICK_REPLICA,
    ThroughputVerdict.ACCEPTANCE_DROPPED,
    ThroughputVerdict.DEGRADED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """What the fleet is judged by, besides its replicas' own verdicts."""

    now: float
    sample: FleetSample | None
    history: Sequence[FleetSample]
    law: StepTime
    cost: DecodeCost
    objectives: Objectives
    confidence: float


def fleet_throughput(replicas: Sequence[ReplicaForecast], view: FleetView) -> FleetThroughput:
    """A named replica first, then all of them, then load and mix, then health."""
    verdict, replica, sentence = (
        _fault(replicas) or _overload(view) or _mix_change(view) or _quiet(replicas)
    )
    return FleetThroughput(
        verdict=verdict,
        replica=replica,
        sentence=sentence,
        efficiency_ratio=_efficiency(replicas),
        confidence=view.confidence if _efficiency(replicas) is not None else 0.0,
    )


_Named = tuple[ThroughputVerdict, str | None, str]


def _fault(replicas: Sequence[ReplicaForecast]) -> _Named | None:
    """The slowest replica of the worst verdict; a loss against the reference if many share it."""
    judged = [r for r in replicas if r.verdict is not ThroughputVerdict.UNKNOWN]
    for verdict in _NAMED:
        slow = [r for r in judged if r.verdict is verdict]
        if not slow:
            continue
        worst = min(slow, key=lambda r: (r.speed_ratio, _ratio(r)))
        if verdict in {ThroughputVerdict.STALLED, ThroughputVerdict.SICK_REPLICA}:
            return verdict, worst.name, worst.sentence
        if len(judged) < _LEAST_COMPARABLE or len(slow) >= _DEGRADED_SHARE * len(judged):
            return _shared(verdict, slow, worst, len(judged))
        if worst.speed_ratio < 1.0:
            return verdict, worst.name, worst.sentence
    return None


def _shared(
    verdict: ThroughputVerdict, slow: Sequence[ReplicaForecast], worst: ReplicaForecast, judged: int
) -> _Named:
    if judged == 1 or len(slow) == 1:
        return verdict, worst.name, worst.sentence
    return verdict, None, f"{len(slow)} of {judged} replicas are behind; {worst.sentence}"


def _ratio(replica: ReplicaForecast) -> float:
    return replica.efficiency_ratio if replica.efficiency_ratio is not None else 1.0


def _efficiency(replicas: Sequence[ReplicaForecast]) -> float | None:
    """Sum of observed over sum of expected, over the replicas that have an efficiency."""
    told = [
        (r.observed_tokens_per_second, r.expected_tokens_per_second)
        for r in replicas
        if r.efficiency_ratio is not None
    ]
    expected = sum(due or 0.0 for _, due in told)
    return sum(came or 0.0 for came, _ in told) / expected if expected > 0.0 else None


def _overload(view: FleetView) -> _Named | None:
    sample = view.sample
    if sample is None:
        return None
    limit = view.objectives.inter_token_latency_seconds
    most = view.cost.sequences_at_latency(limit) * sample.replicas
    queued = sample.waiting > sample.replicas + _QUEUE_SHARE * sample.running
    if sample.running <= most and not queued:
        return None
    each = sample.running / sample.replicas
    where, hint = _FULL if sample.running > _ROOM_SHARE * most else _HELD_BACK
    sentence = (
        f"{where}: {each:.0f} running requests a replica, "
        f"{most / sample.replicas:.0f} keep {1000.0 * limit:.0f} ms between tokens, "
        f"{sample.waiting:.0f} waiting{hint}"
    )
    return ThroughputVerdict.OVERLOADED, None, sentence


def _mix_change(view: FleetView) -> _Named | None:
    """Each request decodes slower at this batch than with the earlier mix, as the law explains."""
    earlier = [s for s in view.history if s.time <= view.now - _EARLIER_SECONDS]
    latest = [s for s in view.history if s.time > view.now - _LATEST_SECONDS]
    then, present = _shape(earlier), _shape(latest)
    if then is None or present is None:
        return None
    sequences = sum(s.running for s in latest) / sum(s.replicas for s in latest)
    before = _latency(view.law, then, sequences)
    after = _latency(view.law, present, sequences)
    if after < _MIX_SLOWS * before:
        return None
    sentence = (
        f"the mix has changed: at batch {sequences:.0f} a request decodes "
        f"{rounded(1.0 / after):.0f} tok/s where the mix before gave {rounded(1.0 / before):.0f}, "
        f"as the model expects of {present.prefill_tokens:.1f} prompt tokens computed per decoded "
        f"one (before: {then.prefill_tokens:.1f}) and {length(present.context_tokens)} context "
        f"(before: {length(then.context_tokens)})"
    )
    return ThroughputVerdict.MIX_CHANGED, None, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Prompt tokens computed for each decoded one, and the mean context of a running request."""

    prefill_tokens: float
    context_tokens: float


def _shape(samples: Sequence[FleetSample]) -> _Shape | None:
    """The mix of some minutes; `None` where too little ran to tell."""
    running = sum(s.running for s in samples)
    decoded = sum(s.decode_tokens_per_second for s in samples)
    if decoded <= 0.0 or running < _LEAST_RUNNING * sum(s.replicas for s in samples):
        return None
    return _Shape(
        prefill_tokens=sum(s.prefill_tokens_per_second for s in samples) / decoded,
        context_tokens=sum(s.kv_tokens or 0.0 for s in samples) / running,
    )


def _latency(law: StepTime, shape: _Shape, sequences: float) -> float:
    return law.seconds(
        sequences=sequences,
        kv_tokens=sequences * shape.context_tokens,
        prefill_tokens=sequences * shape.prefill_tokens,
    )


def _quiet(replicas: Sequence[ReplicaForecast]) -> _Named:
    healthy = [r for r in replicas if r.verdict is ThroughputVerdict.HEALTHY]
    efficiency = _efficiency(replicas)
    if healthy:
        share = f" at {per_cent(efficiency)} of the expected" if efficiency is not None else ""
        sentence = f"{len(healthy)} of {len(replicas)} replicas judged healthy{share}"
        return ThroughputVerdict.HEALTHY, None, sentence
    if replicas:
        return replicas[0].verdict, None, replicas[0].sentence
    return ThroughputVerdict.UNKNOWN, None, "there is no replica"
