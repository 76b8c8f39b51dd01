"""The fleet that the alarms are tried on: traffic, scripted numbers of replicas, and who watches.

The operator's own stages see it at every poll; what they decide is not carried out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from v4operator.model.forecast import Forecast
from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import TRUTHS, Truth
from v4operator.simulate.policies.ours import Ours
from v4operator.simulate.policies.policy import Briefing, Seen
from v4operator.simulate.policies.subject import SHRINK_WINDOW_SECONDS, Subject, subject_of
from v4operator.simulate.policies.telemetry import Telemetry
from v4operator.simulate.profiles import PROFILES

PROFILE = "flash-fp8-4xh200"
POLL_SECONDS = 5.0
PROMPT_TOKENS, ANSWER_TOKENS = 1200, 600
REPLICAS = 4

Counts = Sequence[tuple[float, int]]


def noisy(name: str, noise: float) -> Truth:
    """A truth whose steps and minutes scatter, with gauges that lag."""
    return replace(TRUTHS[name].noisy(noise, stale_gauge_seconds=10.0), wander=noise)


def traffic(hours: float, seed: int, *, each: float = 2.1) -> Trace:
    """Poisson arrivals that swing twice an hour and over the day, with prompts that change."""
    chance = np.random.default_rng((seed, 11))
    seconds = int(hours * 3600)
    at = np.arange(seconds, dtype=np.float64)
    swing = 1.0 - 0.35 * np.cos(2 * np.pi * at / 1800.0) + 0.15 * np.cos(2 * np.pi * at / 14400.0)
    counts = chance.poisson(REPLICAS * each * swing)
    arrival = np.repeat(at, counts) + chance.random(counts.sum())
    arrival.sort()
    mix = 1.0 + 0.5 * np.sin(arrival / 3000.0)
    size = len(arrival)
    prompt = np.maximum(16, chance.exponential(PROMPT_TOKENS * mix)).astype(np.int64)
    output = np.maximum(16, chance.exponential(ANSWER_TOKENS, size)).astype(np.int64)
    return Trace(
        arrival=arrival,
        prompt=prompt,
        output=output,
        session=np.full(size, -1),
        prefix=np.zeros(size, np.int64),
        seconds=float(seconds),
    )


def watch(trace: Trace, truth: Truth, seed: int, counts: Counts = ()) -> Iterator[Forecast]:
    """What the operator thinks at every poll, while the count follows the script."""
    setting = Setting(profile=PROFILES[PROFILE], truth=truth, seed=seed, initial_replicas=REPLICAS)
    fleet, telemetry, script = FleetSimulation(trace, setting), Telemetry(), list(counts)
    operator = Ours(_subject(setting), gateway=False)
    for now in np.arange(POLL_SECONDS, trace.duration, POLL_SECONDS).tolist():
        fleet.advance(now)
        while script and script[0][0] <= now:
            fleet.set_desired(script.pop(0)[1])
        shown = fleet.metrics()
        telemetry.record(now, shown, fleet.gateway())
        operator.decide(
            Seen(now=now, desired=fleet.desired, replicas=tuple(shown), telemetry=telemetry)
        )
        if operator.last is not None:
            yield operator.last[0]


def _subject(setting: Setting) -> Subject:
    """The deployment as its owner would have written it, with the catalogue's law."""
    profile = setting.profile
    briefing = Briefing(
        law=profile.step,
        max_running=profile.max_running,
        kv_capacity_tokens=profile.kv_capacity_tokens,
        ttft_seconds=setting.ttft_seconds,
        inter_token_latency_seconds=setting.tpot_seconds,
        attainment=0.99,
        minimum=1,
        quota=20,
        start_up_seconds=setting.start_up_seconds,
    )
    return subject_of(
        PROFILE,
        briefing,
        interval_seconds=POLL_SECONDS,
        shrink_window_seconds=SHRINK_WINDOW_SECONDS,
    )


def scaling(hours: float, truth: Truth) -> Counts:
    """Four replicas, one more and one less by turns; up to seven where efficiency depends on it."""
    most = 7 if truth.efficiency_at_seven < 1 else 5
    turns = (4, most, 4, 3)
    return [(7200.0 * i, turns[i % 4]) for i in range(1, int(hours / 2) + 1)]
