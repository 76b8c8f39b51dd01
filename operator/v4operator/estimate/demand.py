"""What the fleet is asked for, in units of the work one replica does at the objective.

Work and not requests or tokens: a second of arrivals costs `per token * decode tokens + per prefill
token * prompt tokens` seconds of a replica. Whether to act on it is `decide`'s matter.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, hypot, sqrt

from v4operator.estimate.full import work_ratio
from v4operator.estimate.growth import PRIOR_SPREAD, spread_of
from v4operator.estimate.outlook import Outlook
from v4operator.estimate.price import Price
from v4operator.estimate.shortage import least_used_share
from v4operator.estimate.surge import Surge, surge_of
from v4operator.estimate.throughput import quantile
from v4operator.estimate.traffic import highest, traffic_of, work_of
from v4operator.model.deployment import Objectives
from v4operator.model.forecast import Demand
from v4operator.model.learned import FleetSample, Learned
from v4operator.model.observation import (
    Interval,
    Observation,
    ReplicaObservation,
)

# The level is a mean over two minutes, so what it tells is a minute old.
_MINUTE = 60.0

# Requests that wait now are to be served within five minutes, together with what arrives.
_CLEAR_SECONDS = 300.0

# Load that lasts less than a minute is smoothed by the batch itself.
_LEAST_SMOOTHING_SECONDS = 60.0

# Requests differ in length about as much as an exponential variable does: variance 1 of their
# number (Poisson arrivals) plus 1 of their length.
_VARIANCE_PER_REQUEST = 2.0

# A trend may at most double the demand within one horizon: a ramp of threefold in ten minutes is
# followed so by the second forecast, and a wrong one costs at most one fleet.
_MOST_GROWTH = 2.0

# Growth fades with this time constant: ramps of real traffic last ten to twenty minutes, and one
# that never faded would overshoot every daily peak.
_RAMP_SECONDS = 1200.0

# Of a peak in the last hours this share is held ready: traffic that was there comes back without a
# trend, and a step is over before a replica has started. 0.6 to 0.7 did best in the policy study.
_RETURNING_SHARE = 0.7

# With more silent replicas than this the fleet is not seen (two thirds must be fresh).
_MOST_SILENT_SHARE = 1.0 / 3.0

# A replica has its first minute of counts soon after this time; until then its load is too small to
# matter, and counting it as silent would ask for another one because one has just arrived.
_YOUNG_SECONDS = 120.0


def sample_of(observation: Observation) -> FleetSample | None:
    """Sums over the fresh ready replicas of the last minute; `None` if none gives a decode rate.

    Of one that has no minute yet, what there is of it: two readings tell a rate. A replica that
    became ready within that time counts for the share of it in which it served: what it took over
    from the others stands in their means already.
    """
    seen = [
        (replica, interval)
        for replica in observation.fresh
        if (interval := _lately(replica)) is not None
        and interval.decode_tokens_per_second is not None
    ]
    if not seen:
        return None
    span = max(interval.seconds for _, interval in seen)
    minutes = [_within(span, replica, interval, observation.now) for replica, interval in seen]
    return FleetSample(
        time=observation.now,
        replicas=len(minutes),
        decode_tokens_per_second=sum(m.decode_tokens_per_second or 0.0 for m in minutes),
        prefill_tokens_per_second=sum(_prefill(m) for m in minutes),
        prompt_tokens_per_second=sum(_prompt(m) for m in minutes),
        first_tokens_per_second=_sum([m.first_tokens_per_second for m in minutes]),
        finished_requests_per_second=_sum([m.finished_requests_per_second for m in minutes]),
        running=sum(m.running_mean or 0.0 for m in minutes),
        waiting=sum(m.waiting_mean or 0.0 for m in minutes) + _outside(observation),
        kv_tokens=_sum([m.kv_tokens_mean for m in minutes]),
        lost_total=observation.gateway.lost_total if observation.gateway else None,
    )


def demand(
    observation: Observation,
    price: Price,
    *,
    batch_limit: float,
    horizon_seconds: float,
    learned: Learned,
) -> Demand:
    """The demand now and at the horizon; where too little is seen it says so, and tells that part.

    now = arriving work + backlog + one replica for each ready one that is silent.
    horizon = what to provide for until a start that is ordered now is over, and the silent ones:
    with a gateway `_outlook`, without one `_reserved`. `learned` gives history, trend, peaks and
    what the fleet's own forecasts were worth.
    """
    sample = sample_of(observation)
    reason = _blind(observation, sample)
    if sample is None:
        return _nothing_seen(reason, horizon_seconds)
    history, trend = learned.history, learned.trend_replicas_per_second
    mean = work_of(traffic_of(sample, history), price)
    surge = _surge(observation, history, price, mean)
    level = max(mean, price.request_seconds * (surge.certain_requests_per_second or 0.0))
    backlog = _backlog(observation, price, level, batch_limit)
    grown = _grown(level, trend, horizon_seconds)
    silent = _silent(observation, sample)
    least = None
    if observation.gateway is None:
        foreseen = _reserved(observation, price, learned, level=level, grown=grown, backlog=backlog)
    else:
        least = least_used_share(learned.shortage, observation.deployment.objectives.attainment)
        outlook = _outlook(price, learned, max(level, grown))
        foreseen = max(outlook.replicas(least), level + backlog)
    return Demand(
        computable=reason is None,
        reason=reason,
        now_replicas=level + backlog + silent,
        horizon_replicas=foreseen + silent,
        horizon_seconds=horizon_seconds,
        trend_replicas_per_second=trend,
        decode_tokens_per_second=sample.decode_tokens_per_second,
        prefill_tokens_per_second=sample.prefill_tokens_per_second,
        waiting_requests=sample.waiting,
        silent_replicas=silent,
        spread_ratio=spread_of(learned.growth),
        spread_seconds=learned.growth.seconds,
        surging=level > mean,
        unsettled=reason is None and surge.hinted,
        least_used_share=least,
        full_work_ratio=work_ratio(learned.full),
    )


def _outlook(price: Price, learned: Learned, expected: float) -> Outlook:
    """Where only the excess fails: what may come, each with its probability."""
    return Outlook(
        expected=expected,
        spread=spread_of(learned.growth),
        peaks=[work_of(peak, price) for peak in learned.peaks],
    )


def _reserved(
    observation: Observation,
    price: Price,
    learned: Learned,
    *,
    level: float,
    grown: float,
    backlog: float,
) -> float:
    """Where all fail at once: the highest of four.

    The arriving work grown by the trend, and an allowance for fluctuation; the same ungrown, with
    the backlog; the arriving work, or the most of the last shrink window, with room for growth that
    nothing announces; a share of the peak of the last hours. A backlog is such growth that has
    come, so that it takes of the room and is not added.
    """
    objectives = observation.deployment.objectives
    # within one shrink window nobody has gone for good
    since = observation.now - observation.deployment.scaling.shrink_window_seconds
    held = max(level, highest(learned.peaks, price, since=since))
    return max(
        grown + allowance(grown, price, objectives),
        level + allowance(level, price, objectives) + backlog,
        held + reserve(held, price, objectives, spread_of(learned.growth)),
        _RETURNING_SHARE * highest(learned.peaks, price),
    )


def _surge(
    observation: Observation, history: Sequence[FleetSample], price: Price, mean: float
) -> Surge:
    """What breaks with the `mean` of the last minutes; nothing where requests cost nothing."""
    each = price.request_seconds
    return surge_of(observation, history, mean / each) if each > 0.0 else Surge()


def _lately(replica: ReplicaObservation) -> Interval | None:
    """The last minute of a replica, or the longest stretch that was seen of it."""
    return replica.recent or (replica.newest[-1] if replica.newest else None)


def _within(span: float, replica: ReplicaObservation, interval: Interval, now: float) -> Interval:
    """The rates of `interval` as means over `span` seconds, of which the replica served a part."""
    ready_at = replica.replica.ready_at
    if ready_at is None:
        return interval
    share = min(1.0, max(interval.seconds, now - ready_at) / span)
    return replace(
        interval,
        decode_tokens_per_second=_times(share, interval.decode_tokens_per_second),
        prefill_tokens_per_second=_times(share, interval.prefill_tokens_per_second),
        prompt_tokens_per_second=_times(share, interval.prompt_tokens_per_second),
        first_tokens_per_second=_times(share, interval.first_tokens_per_second),
        finished_requests_per_second=_times(share, interval.finished_requests_per_second),
    )


def _times(share: float, rate: float | None) -> float | None:
    return None if rate is None else share * rate


def foreseen_ratio(level: float, *, trend: float, peak: float, horizon_seconds: float) -> float:
    """What `demand` foresees without any reserve, over the present level; 1 where nothing comes."""
    if level <= 0.0:
        return 1.0
    return max(_grown(level, trend, horizon_seconds), _RETURNING_SHARE * peak) / level


def _grown(level: float, trend: float, horizon_seconds: float) -> float:
    """The level is a mean over two minutes, so what it tells is one old."""
    return min(level + trend * _damped(horizon_seconds + _MINUTE), _MOST_GROWTH * level)


def _damped(horizon_seconds: float) -> float:
    """Seconds of full growth within the horizon, when growth fades exponentially."""
    return _RAMP_SECONDS * (1.0 - exp(-horizon_seconds / _RAMP_SECONDS))


def allowance(replicas: float, price: Price, objectives: Objectives) -> float:
    """Replicas to add so that fluctuation of the arriving work is carried often enough.

    Square-root staffing: over the life of a request T, D replicas' work has the standard deviation
    sqrt(D * work of a request * 2 / T); the attainment's quantile of it is added. A small fleet
    gets relatively more.
    """
    life = price.request_decode_tokens * objectives.inter_token_latency_seconds
    smoothing = max(_LEAST_SMOOTHING_SECONDS, life)
    variance = replicas * price.request_seconds * _VARIANCE_PER_REQUEST / smoothing
    return quantile(objectives.attainment) * sqrt(max(0.0, variance))


def reserve(
    level: float,
    price: Price,
    objectives: Objectives,
    spread: float = PRIOR_SPREAD,
) -> float:
    """Replicas to add for growth within one start-up that nothing announces, without a gateway.

    `spread` is that of the logarithm of such growth (`growth.spread_of`). A fleet that is short
    fails everyone, so its quantile is kept.
    """
    growth = quantile(objectives.attainment) * spread * level
    return hypot(growth, allowance(level, price, objectives))


def _outside(observation: Observation) -> float:
    return observation.gateway.waiting_requests if observation.gateway else 0.0


def _blind(observation: Observation, sample: FleetSample | None) -> str | None:
    ready = len(observation.ready)
    if ready == 0:
        return "no replica is ready"
    if sample is None:
        return "no fresh replica has two readings of its decode counts yet"
    silent = _silent(observation, sample)
    if silent > _MOST_SILENT_SHARE * ready:
        return f"{silent} of {ready} ready replicas give no fresh decode counts"
    return None


def _silent(observation: Observation, sample: FleetSample) -> int:
    """Ready replicas that are not seen, besides those too young to have a minute of counts yet."""
    young = sum(
        1 for r in observation.ready if _lately(r) is None and _is_young(r, observation.now)
    )
    return max(0, len(observation.ready) - sample.replicas - young)


def _is_young(replica: ReplicaObservation, now: float) -> bool:
    ready_at = replica.replica.ready_at
    return ready_at is not None and now - ready_at < _YOUNG_SECONDS


def _nothing_seen(reason: str | None, horizon_seconds: float) -> Demand:
    return Demand(
        computable=False,
        reason=reason,
        now_replicas=0.0,
        horizon_replicas=0.0,
        horizon_seconds=horizon_seconds,
        trend_replicas_per_second=0.0,
        decode_tokens_per_second=0.0,
        prefill_tokens_per_second=0.0,
        waiting_requests=0.0,
    )


def _backlog(observation: Observation, price: Price, level: float, batch_limit: float) -> float:
    """Replicas that clear the waiting requests and those above the objective's batch in time.

    At most the arriving work again (or one replica), so that a stalled queue cannot ask for more
    than a doubling.
    """
    surplus = _outside(observation)
    for replica in observation.fresh:
        seen = _lately(replica)
        if seen is not None:
            surplus += max(0.0, (seen.running_mean or 0.0) - batch_limit)
            surplus += seen.waiting_mean or 0.0
    return min(surplus * price.request_seconds / _CLEAR_SECONDS, max(level, 1.0))


def _prefill(minute: Interval) -> float:
    computed = minute.prefill_tokens_per_second
    return computed if computed is not None else _prompt(minute)


def _prompt(minute: Interval) -> float:
    return minute.prompt_tokens_per_second or 0.0


def _sum(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None
