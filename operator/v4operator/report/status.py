"""Observation, forecast and verdict -> Status. Pure.

What changes with every poll is quantised; a decision keeps the time at which it became what it is.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from v4operator.model.forecast import Forecast, ReplicaForecast, ThroughputVerdict
from v4operator.model.observation import Interval, Observation, ReplicaObservation
from v4operator.model.replica import Phase
from v4operator.model.running import ConfiguredValue
from v4operator.model.status import (
    CapacityStatus,
    DecisionStatus,
    HbmStatus,
    ObservedStatus,
    ReplicaStatus,
    Status,
    ThroughputStatus,
    VetoStatus,
)
from v4operator.model.verdict import Decision, Verdict
from v4operator.report import quantise
from v4operator.report.columns import columns
from v4operator.report.conditions import conditions


def status(
    observation: Observation,
    forecast: Forecast,
    verdict: Verdict,
    previous: Status | None,
    configuration: tuple[ConfiguredValue, ...] = (),
) -> Status:
    """The status of one deployment; `previous` keeps transition times."""
    staying = [r for r in observation.replicas if r.replica.phase is not Phase.DRAINING]
    before = previous.conditions if previous else ()
    throughput, observed = forecast.throughput, _observed(observation)
    found = conditions(observation, forecast, verdict, before)
    return Status(
        key=observation.deployment.key,
        observed_generation=observation.deployment.generation,
        replicas=len(staying),
        ready_replicas=len(observation.ready),
        desired_replicas=verdict.decision.desired,
        observed=observed,
        capacity=_capacity(forecast),
        hbm=_hbm(forecast),
        replica_statuses=_replicas(observation, forecast),
        last_decision=_decision(verdict.decision, previous),
        throughput=ThroughputStatus(
            verdict=throughput.verdict.value,
            replica=throughput.replica,
            sentence=throughput.sentence,
        ),
        findings=verdict.findings,
        conditions=found,
        selector=observation.workload.selector,
        configuration=configuration,
        columns=columns(observation.deployment, observed, forecast, found),
    )


def _observed(observation: Observation) -> ObservedStatus:
    fresh, gateway = observation.fresh, observation.gateway
    readings = [r.reading for r in fresh if r.reading is not None]
    recent = [r.recent for r in fresh if r.recent is not None]
    usage = _known(reading.kv_usage_ratio for reading in readings)
    return ObservedStatus(
        decode_tokens_per_second=quantise.rate(_rate(recent, _decode_rate)),
        prompt_tokens_per_second=quantise.rate(_rate(recent, _prompt_rate)),
        kv_usage_ratio=quantise.ratio(sum(usage) / len(usage)) if usage else None,
        running_requests=quantise.whole(_sum(r.running_requests for r in readings)),
        waiting_requests=quantise.whole(_sum(r.waiting_requests for r in readings)),
        fresh_replicas=len(fresh),
        ready_replicas=len(observation.ready),
        gateway_waiting_requests=quantise.whole(gateway.waiting_requests if gateway else None),
    )


def _capacity(forecast: Forecast) -> CapacityStatus:
    capacity, demand, throughput = forecast.capacity, forecast.demand, forecast.throughput
    computable = demand.computable
    return CapacityStatus(
        expected_tokens_per_second=quantise.rate(
            _sum(r.expected_tokens_per_second for r in forecast.replicas)
        ),
        efficiency_ratio=quantise.ratio(throughput.efficiency_ratio),
        confidence_ratio=quantise.ratio(throughput.confidence) or 0.0,
        sequences_per_replica=int(capacity.sequences) if capacity else None,
        decode_tokens_per_second_per_replica=quantise.rate(
            capacity.decode_tokens_per_second if capacity else None
        ),
        bound=capacity.bound.value if capacity else None,
        demand_replicas=quantise.ratio(demand.now_replicas) if computable else None,
        horizon_demand_replicas=quantise.ratio(demand.horizon_replicas) if computable else None,
        horizon_seconds=round(demand.horizon_seconds),
        start_up_seconds=round(forecast.start_up_seconds),
    )


def _hbm(forecast: Forecast) -> HbmStatus:
    report = forecast.hbm
    kv = report.kv_cache_bytes
    return HbmStatus(
        verdict=report.verdict.value,
        sentence=report.sentence,
        budget_bytes=report.budget_bytes,
        required_bytes=report.required_bytes,
        weights_bytes=report.weights_bytes,
        kv_cache_bytes=round(kv.central) if kv else None,
        max_concurrency=report.max_concurrency,
    )


def _replicas(observation: Observation, forecast: Forecast) -> tuple[ReplicaStatus, ...]:
    told = {r.name: r for r in forecast.replicas}
    return tuple(_replica(r, told.get(r.replica.name)) for r in observation.replicas)


def _replica(seen: ReplicaObservation, told: ReplicaForecast | None) -> ReplicaStatus:
    reading = seen.reading if seen.fresh else None
    verdict = told.verdict if told else ThroughputVerdict.UNKNOWN
    return ReplicaStatus(
        name=seen.replica.name,
        phase=seen.replica.phase.value,
        routable=seen.replica.routable,
        tokens_per_second=quantise.rate(told.observed_tokens_per_second if told else None),
        expected_tokens_per_second=quantise.rate(told.expected_tokens_per_second if told else None),
        efficiency_ratio=quantise.ratio(told.efficiency_ratio if told else None),
        running_requests=quantise.whole(reading.running_requests if reading else None),
        waiting_requests=quantise.whole(reading.waiting_requests if reading else None),
        kv_usage_ratio=quantise.ratio(reading.kv_usage_ratio if reading else None),
        age_seconds=quantise.age(seen.age_seconds),
        unknown=None if seen.fresh else seen.unknown or seen.replica.reason,
        verdict=verdict.value,
        sentence=told.sentence if told else None,
    )


def _decision(decision: Decision, previous: Status | None) -> DecisionStatus:
    """As it is; while action, counts and reason stay the same it keeps the time of the first."""
    found = DecisionStatus(
        time=decision.time,
        action=decision.action.value,
        current=decision.current,
        wanted=decision.wanted,
        desired=decision.desired,
        reason=decision.reason,
        sentence=decision.sentence,
        vetoes=tuple(VetoStatus(reason=v.reason, message=v.message) for v in decision.vetoes),
        alternative=decision.alternative,
    )
    before = previous.last_decision if previous else None
    return replace(found, time=before.time) if before and _same(found, before) else found


def _same(one: DecisionStatus, other: DecisionStatus) -> bool:
    first = (one.action, one.current, one.desired, one.reason)
    return first == (other.action, other.current, other.desired, other.reason)


def _decode_rate(interval: Interval) -> float | None:
    return interval.decode_tokens_per_second


def _prompt_rate(interval: Interval) -> float | None:
    return interval.prompt_tokens_per_second


def _rate(recent: list[Interval], of: Callable[[Interval], float | None]) -> float | None:
    return _sum(of(interval) for interval in recent)


def _sum(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) if known else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
