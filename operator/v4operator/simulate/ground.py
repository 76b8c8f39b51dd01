"""The common ground of one comparison: setting and briefing, the same for every policy.

Limit, first count and quota come from what the replicas really do, so that no policy is helped or
hurt by them; what a policy may know beforehand is the catalogue's figures.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from v4operator.simulate.fast.fleet import FleetSimulation
from v4operator.simulate.fast.fluid import SLOT_SECONDS, cover, demand
from v4operator.simulate.fast.setting import Overload, Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import decode_seconds, true_step
from v4operator.simulate.policies.policy import Briefing
from v4operator.simulate.profiles import PROFILES
from v4operator.simulate.scenarios import Scenario

# Unlimited: four times what any scenario needs, so that a runaway policy shows and still ends.
_UNLIMITED = 64

# The first count covers the work of the first quarter of an hour: answers of several minutes build
# up the load only slowly, and no policy is to be judged by a start that it did not choose.
_FIRST_SLOTS = 3

# How the admission limit is measured: half an hour holds thousands of answers, half as much work
# again keeps a queue, and a quarter of the allowed misses leaves the rest to what policies decide.
_FULL_SECONDS = 1800.0
_OVERLOAD = 1.5
_SLOW_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What requests are promised, and how long replicas take to start."""

    ttft_seconds: float = 2.0
    tpot_seconds: float = 1.0 / 30.0
    start_up_seconds: float = 480.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One comparison: the requests, the fleet's setting and what policies are told."""

    trace: Trace
    setting: Setting
    briefing: Briefing
    profile: str
    target: float


def ground_of(
    scenario: Scenario,
    trace: Trace,
    *,
    profile: str,
    objective: Objective,
    overload: Overload,
    seed: int,
) -> Ground:
    """The ground of a scenario on a replica profile."""
    replica = PROFILES[profile]
    law = true_step(replica, scenario.truth)
    counts = cover(demand(trace, law, objective.tpot_seconds)).counts
    quota = None
    if scenario.quota_ratio is not None:
        quota = max(1, int(scenario.quota_ratio * int(counts.max())))
    batch = objective_batch(trace, scenario, profile, objective)
    setting = Setting(
        profile=replica,
        truth=scenario.truth,
        start_up_seconds=objective.start_up_seconds,
        failed_starts=scenario.failed_starts,
        quota=quota,
        router=scenario.router,
        overload=overload,
        admission_limit=max(1, ceil(batch)),
        ttft_seconds=objective.ttft_seconds,
        tpot_seconds=objective.tpot_seconds,
        seed=seed,
        initial_replicas=min(int(counts[:_FIRST_SLOTS].max()), quota or _UNLIMITED),
        blind=scenario.blind,
    )
    limit = admission_limit(trace, setting, batch, scenario.target)
    setting = replace(setting, admission_limit=limit)
    briefing = Briefing(
        law=replica.step,
        max_running=replica.max_running,
        kv_capacity_tokens=float(replica.kv_capacity_tokens),
        ttft_seconds=objective.ttft_seconds,
        inter_token_latency_seconds=objective.tpot_seconds,
        attainment=scenario.target,
        minimum=1,
        quota=quota or _UNLIMITED,
        start_up_seconds=objective.start_up_seconds,
        gateway=overload != "plain",
    )
    return Ground(
        trace=trace, setting=setting, briefing=briefing, profile=profile, target=scenario.target
    )


def objective_batch(trace: Trace, scenario: Scenario, profile: str, objective: Objective) -> float:
    """The largest batch whose mean step is within the latency objective, by the true step times.

    A sequence carries its context and its share of the prefill beside the decode step:
    decode(N) + N (c L + d I / O), for contexts weighted by the tokens decoded in them.
    """
    replica, truth = PROFILES[profile], scenario.truth
    law = true_step(replica, truth)
    answers = np.maximum(1, trace.output)
    context = float(np.average(trace.prompt + answers / 2.0, weights=answers))
    computed = float(np.maximum(1, trace.prompt - trace.prefix).mean() / answers.mean())
    each = law.per_kv_token_seconds * context + law.per_prefill_token_seconds * computed
    slower = 1.0 / truth.efficiency_at_seven
    decode = decode_seconds(replica, truth) * truth.decode_pace(trace.duration / 2, trace.duration)
    steps = slower * (decode + each * np.arange(len(decode)))
    return float(max(1, int(np.count_nonzero(steps <= objective.tpot_seconds)) - 1))


def admission_limit(trace: Trace, setting: Setting, largest: float, attainment: float) -> int:
    """The running requests to admit: the most with which a full replica still keeps the objective.

    One replica of the setting is kept full for half an hour with requests of the trace. Of those
    that it admits in time a quarter of the misses that the attainment allows may be too slow.
    """
    full = _overloading(trace, setting)
    low, high = 1, max(2, ceil(largest) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _too_slow(full, setting, middle) <= _SLOW_SHARE * (1.0 - attainment):
            low = middle
        else:
            high = middle
    return low


def _overloading(trace: Trace, setting: Setting) -> Trace:
    """Requests of the whole trace, evenly drawn, as half as much work again as a replica does.

    Without their sessions, whose other requests are not there: cached prefixes count as held.
    """
    law = true_step(setting.profile, setting.truth)
    work = demand(trace, law, setting.tpot_seconds)
    seconds_each = float(work.sum()) * SLOT_SECONDS / len(trace)
    count = min(len(trace), max(1, ceil(_OVERLOAD * _FULL_SECONDS / seconds_each)))
    chosen = np.linspace(0, len(trace) - 1, count).astype(np.int64)
    gap = _FULL_SECONDS / count
    taken = trace.taken(np.unique(chosen))
    arrival = np.asarray(np.arange(len(taken)) * gap, np.float64)
    anywhere = np.full(len(taken), -1, np.int64)
    return replace(taken, arrival=arrival, session=anywhere, seconds=_FULL_SECONDS)


def _too_slow(trace: Trace, setting: Setting, limit: int) -> float:
    """The share of requests begun in time whose answers came too slowly, at an admission limit."""
    alone = replace(
        setting, overload="gateway", admission_limit=limit, initial_replicas=1, blind=(), quota=None
    )
    told = FleetSimulation(trace, alone).result().per_request
    in_time = told.ttft <= setting.ttft_seconds
    slow, begun = int((told.missed & in_time).sum()), int(in_time.sum())
    return slow / max(1, begun)
