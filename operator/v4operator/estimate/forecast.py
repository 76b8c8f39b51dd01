"""Observation -> Forecast: the whole estimate of one V4Deployment for one cycle.

Reads top-down: follow every replica, close a half minute of evidence when it is full, then say what
a replica carries, what will be asked, and who is too slow. Nothing is decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from v4operator.estimate.calibration import (
    StepSample,
    confidence,
    fit_from_prior,
    learn,
    remembered_share,
)
from v4operator.estimate.demand import demand, sample_of
from v4operator.estimate.efficiency import judge
from v4operator.estimate.evidence import BLOCK_SECONDS, Flow
from v4operator.estimate.fleet import FleetView, fleet_throughput
from v4operator.estimate.foresight import foresee, horizon_seconds
from v4operator.estimate.full import corrected, with_sample
from v4operator.estimate.kv_demand import KvDemand, excess_finding, excess_since, kv_demand
from v4operator.estimate.live_hbm import calibrated
from v4operator.estimate.mix import mix_of
from v4operator.estimate.price import Price, price_of
from v4operator.estimate.reference import (
    extend,
    extend_accept_length,
    extend_level,
    new_reference,
)
from v4operator.estimate.startup import time_to_ready, watch
from v4operator.estimate.throughput import (
    capacity,
    decode_cost,
    prompt_seconds,
    ttft_is_attainable,
)
from v4operator.estimate.tracking import follow
from v4operator.estimate.verdicts import Court, replica_forecasts, stall_seconds
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.forecast import (
    Capacity,
    FleetThroughput,
    Forecast,
    Mix,
    ReplicaForecast,
)
from v4operator.model.hbm import Finding, HbmReport
from v4operator.model.learned import (
    FleetSample,
    FullReplicas,
    Learned,
    Reference,
    StepFit,
    key_of_fit,
)
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.observation import Observation

# Half of what is known is forgotten in half an hour of evidence: after an hour three quarters of
# the sizing fit are new, and it lags a leak of 10 % an hour by 7 %.
_HALF_LIFE_SECONDS = 1800.0

# A quarter of an hour of traffic tells the mix and the trend; older mixes mislead.
_HISTORY_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The parts of `Learned` that exist from the first cycle on."""

    sizing: StepFit
    reference: Reference
    mix: Mix


def forecast(
    observation: Observation,
    learned: Learned,
    hbm: HbmReport,
    prior: PerformanceProfile | None,
    live: LiveHbm | None = None,
) -> tuple[Forecast, Learned]:
    """Estimate one cycle, and return what is to be remembered for the next.

    `learned` under another key keeps start-up times and history but loses fits and standings.
    `prior` is the catalogue's profile of this checkpoint on these devices, if there is one. With
    `live` the pool that was measured is planned with, and not the modelled one.
    """
    hbm = hbm if live is None else calibrated(hbm, live)
    learned = _continued(observation, learned)
    sample = sample_of(observation)
    known = _known(learned, prior, sample)
    law = known.reference.fit.law
    followed = follow(observation, learned.tracks, law, known.mix.context_tokens)
    learned = replace(learned, tracks=followed.tracks)
    closes = _block_is_full(learned, observation.now)
    if closes:
        learned, known = _close(learned, known, sample, observation.now)
    carried = _capacity(observation, known, hbm, prior)
    expected = price_of(known.sizing.law, known.mix, carried)
    if closes and sample is not None and observation.gateway is not None:
        learned = _seen_full(learned, sample, expected)
    price = corrected(expected, learned.full)
    if closes:
        learned = foresee(learned, observation.deployment, price, sample)
    wanted = _kv_demand(observation, hbm, known.mix)
    since = excess_since(wanted, learned.kv_excess_since, observation.now)
    learned = replace(learned, kv_excess_since=since)
    cycle = _Cycle(
        observation=observation,
        kv_demand=wanted,
        learned=learned,
        known=known,
        flows=followed.flows,
        sample=sample,
        capacity=carried,
        price=price,
    )
    return replace(_outcome(cycle, hbm, prior), live_hbm=live), learned


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cycle:
    """All that one cycle has worked out, for the outcome to be read from."""

    observation: Observation
    kv_demand: KvDemand | None
    learned: Learned
    known: _Known
    flows: Mapping[str, Flow]
    sample: FleetSample | None
    capacity: Capacity
    price: Price


def _continued(observation: Observation, learned: Learned) -> Learned:
    """What goes on from the last cycle; fits and standings end with their key."""
    key = key_of_fit(observation.deployment)
    replicas = (r.replica for r in observation.replicas)
    started = learned.first_seen_at
    if learned.key != key:
        learned = replace(
            learned, key=key, sizing=None, reference=None, tracks=(), full=FullReplicas()
        )
    return replace(
        learned,
        first_seen_at=observation.now if started is None else started,
        block_started_at=learned.block_started_at
        if learned.block_started_at is not None
        else observation.now,
        start_ups=watch(learned.start_ups, replicas),
    )


def _known(
    learned: Learned, prior: PerformanceProfile | None, sample: FleetSample | None
) -> _Known:
    """Fits and mix as learned; before that the prior's law and the mix of the very first minute."""
    mix = learned.mix
    if mix is None:
        mix = mix_of(() if sample is None else (sample,))
    if learned.sizing is None or learned.reference is None:
        fit = fit_from_prior(prior)
        return _Known(sizing=fit, reference=new_reference(fit), mix=mix)
    return _Known(sizing=learned.sizing, reference=learned.reference, mix=mix)


def _seen_full(learned: Learned, sample: FleetSample, expected: Price) -> Learned:
    full = with_sample(
        learned.full, sample, learned.history[:-1], expected, block_seconds=BLOCK_SECONDS
    )
    return replace(learned, full=full)


def _block_is_full(learned: Learned, now: float) -> bool:
    return learned.block_started_at is not None and now - learned.block_started_at >= BLOCK_SECONDS


def _close(
    learned: Learned, known: _Known, sample: FleetSample | None, now: float
) -> tuple[Learned, _Known]:
    """End the half minute: judge everybody, learn from the sound ones, remember the minute."""
    judgement = judge(
        learned.tracks, known.reference, learned.own_scatter, learned.shared_scatter, now
    )
    sizing, reference = known.sizing, known.reference
    if judgement.samples:
        remembered = remembered_share(BLOCK_SECONDS, _HALF_LIFE_SECONDS)
        sizing = learn(sizing, judgement.samples, remembered=remembered)
        reference = extend(reference, judgement.reference_samples, BLOCK_SECONDS)
    reference = extend_level(reference, judgement.replicas, judgement.log_ratios, BLOCK_SECONDS)
    reference = extend_accept_length(reference, judgement.accept_lengths, BLOCK_SECONDS)
    history = tuple(s for s in learned.history if s.time > now - _HISTORY_SECONDS)
    if sample is not None:
        history = (*history, sample)
    mix = _mix(history, learned.mix)
    learned = replace(
        learned,
        block_started_at=now,
        sizing=sizing,
        reference=reference,
        tracks=judgement.tracks,
        history=history,
        mix=mix,
        own_scatter=judgement.own_scatter,
        shared_scatter=judgement.shared_scatter,
    )
    return learned, _Known(sizing=sizing, reference=reference, mix=mix or known.mix)


def _mix(history: Sequence[FleetSample], before: Mix | None) -> Mix | None:
    """The mix of the last minutes; a fleet that is idle keeps the one that it had, if any."""
    used = any(s.first_tokens_per_second for s in history)
    return mix_of(history) if used else before


def _capacity(
    observation: Observation, known: _Known, hbm: HbmReport, prior: PerformanceProfile | None
) -> Capacity:
    return capacity(
        known.sizing,
        known.mix,
        observation.deployment.objectives,
        pool=hbm.pool,
        max_running=prior.max_running_requests if prior is not None else None,
    )


def _kv_demand(observation: Observation, hbm: HbmReport, mix: Mix) -> KvDemand | None:
    if hbm.pool is None:
        return None
    readings = (r.reading for r in observation.fresh if r.reading is not None)
    return kv_demand(readings, hbm.pool, mix.context_tokens)


def _outcome(cycle: _Cycle, hbm: HbmReport, prior: PerformanceProfile | None) -> Forecast:
    deployment = cycle.observation.deployment
    start = time_to_ready(cycle.learned.start_ups, deployment.memory.checkpoint)
    replicas, throughput = _throughput(cycle)
    return Forecast(
        now=cycle.observation.now,
        hbm=hbm,
        step=cycle.known.sizing.law,
        mix=cycle.known.mix,
        capacity=cycle.capacity,
        demand=demand(
            cycle.observation,
            cycle.price,
            batch_limit=cycle.capacity.sequences,
            horizon_seconds=horizon_seconds(cycle.learned, deployment),
            learned=cycle.learned,
        ),
        start_up_seconds=start.seconds,
        start_up_source=start.source,
        replicas=replicas,
        throughput=throughput,
        findings=_findings(cycle, prior),
    )


def _throughput(cycle: _Cycle) -> tuple[tuple[ReplicaForecast, ...], FleetThroughput]:
    """Every replica's verdict, then the fleet's."""
    known, learned, deployment = cycle.known, cycle.learned, cycle.observation.deployment
    sure = _confidence(cycle)
    court = Court(
        now=cycle.observation.now,
        reference=known.reference,
        confidence=sure,
        stall_seconds=stall_seconds(
            known.sizing.law.per_prefill_token_seconds, deployment.memory.max_context_tokens
        ),
        standings={track.name: track.standing for track in learned.tracks},
    )
    replicas = replica_forecasts(cycle.observation, learned.tracks, cycle.flows, court)
    view = FleetView(
        now=cycle.observation.now,
        sample=cycle.sample,
        history=learned.history,
        law=known.sizing.law,
        cost=decode_cost(known.sizing.law, known.mix),
        objectives=deployment.objectives,
        confidence=sure,
    )
    return replicas, fleet_throughput(replicas, view)


def _confidence(cycle: _Cycle) -> float:
    """How well the reference knows the present mean step; 0 without load."""
    sample = cycle.sample
    if sample is None or sample.running <= 0.0:
        return 0.0
    sequences = sample.running / sample.replicas
    mix = cycle.known.mix
    step = StepSample(
        sequences=sequences,
        kv_tokens=sequences * mix.context_tokens,
        prefill_tokens=sequences * mix.prefill_tokens / mix.decode_tokens,
        seconds=0.0,
    )
    return confidence(cycle.known.reference.fit, step)


def _findings(cycle: _Cycle, prior: PerformanceProfile | None) -> tuple[Finding, ...]:
    objectives = cycle.observation.deployment.objectives
    law, mix = cycle.known.sizing.law, cycle.known.mix
    findings = []
    since = cycle.learned.kv_excess_since
    excess = excess_finding(cycle.kv_demand, since, cycle.observation.now)
    if excess is not None:
        findings.append(excess)
    if prior is None:
        findings.append(_NO_PROFILE)
    if not ttft_is_attainable(law, mix, objectives):
        alone = prompt_seconds(law, mix, law.base_seconds)
        findings.append(
            Finding(
                reason="TTFTUnattainable",
                message=f"a typical prompt of {mix.prefill_tokens:,.0f} computed tokens takes "
                f"{alone:.1f} s on an idle replica, the objective is {objectives.ttft_seconds:g} s",
                hint="more replicas do not help: allow more time, or raise the prefix cache's hits",
            )
        )
    return tuple(findings)


_NO_PROFILE = Finding(
    reason="NoPerformanceProfile",
    message="the catalogue has no throughput profile for this checkpoint on these devices; "
    "the forecast starts from the middle of the published ones and learns from this fleet",
    hint="expect the first half hour to be sized with low confidence",
)
