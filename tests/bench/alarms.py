"""Alarms on every truth: healthy days without one, random incidents named in time and by cause.

Drives the simulated fleet under scripted scaling; the operator's own stages watch and are not
heeded. Prints one table. Run as `python -m tests.bench.alarms --hours 24 --incidents 200`.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.simulate.fast.fleet import FleetSimulation, Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import TRUTHS, AcceptanceDrop, Leak, Slow, Truth
from v4operator.simulate.policies.ours import Ours
from v4operator.simulate.policies.policy import Briefing, Seen
from v4operator.simulate.policies.subject import SHRINK_WINDOW_SECONDS, Subject, subject_of
from v4operator.simulate.policies.telemetry import Telemetry
from v4operator.simulate.profiles import PROFILES

PROFILE = "flash-fp8-4xh200"
POLL_SECONDS = 5.0
PROMPT_TOKENS, ANSWER_TOKENS = 1200, 600
REPLICAS = 4
FAULT_AT = 5400.0  # the reference has closed over the swing by then
STUCK = 1e6  # factor on a step that then never ends

# Verdicts that call a fault. Fewer accepted tokens are one only where the truth has none.
FAULTS = frozenset(
    {
        ThroughputVerdict.SICK_REPLICA,
        ThroughputVerdict.DEGRADED,
        ThroughputVerdict.STALLED,
        ThroughputVerdict.ACCEPTANCE_DROPPED,
    }
)

Counts = Sequence[tuple[float, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A fault that was told: from when to when, by which name, of whom."""

    begin: float
    end: float
    verdict: ThroughputVerdict
    replica: str | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What goes wrong at `FAULT_AT`, what it is to be called, and by when (`None`: no fault)."""

    kind: str
    truth: Truth
    expected: frozenset[ThroughputVerdict]
    within: float | None
    replica: str | None = None
    trace: Callable[[Trace], Trace] = lambda trace: trace


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


def faults(course: Iterator[Forecast], until: float = float("inf")) -> list[Watched]:
    """The faults that were told, one entry for each unbroken stretch of one name."""
    told: list[Watched] = []
    for seen in course:
        if seen.now > until:
            break
        named = seen.throughput
        if named.verdict not in FAULTS:
            continue
        last = told[-1] if told else None
        if (
            last
            and (last.verdict, last.replica) == (named.verdict, named.replica)
            and (seen.now - last.end <= POLL_SECONDS)
        ):
            told[-1] = replace(last, end=seen.now)
            continue
        told.append(
            Watched(
                begin=seen.now,
                end=seen.now,
                verdict=named.verdict,
                replica=named.replica,
                sentence=named.sentence,
            )
        )
    return told


def scaling(hours: float, truth: Truth) -> Counts:
    """Four replicas, one more and one less by turns; up to seven where efficiency depends on it."""
    most = 7 if truth.efficiency_at_seven < 1 else 5
    turns = (4, most, 4, 3)
    return [(7200.0 * i, turns[i % 4]) for i in range(1, int(hours / 2) + 1)]


def healthy(name: str, noise: float, hours: float, seed: int) -> list[Watched]:
    """False alarms of a healthy day."""
    truth = noisy(name, noise)
    told = faults(watch(traffic(hours, seed), truth, seed, scaling(hours, truth)))
    drifts = truth.acceptance is not None
    right = {ThroughputVerdict.ACCEPTANCE_DROPPED} if drifts else set()
    return [t for t in told if t.verdict not in right]


def incident(kind: str, base: Truth, loss: float, ordinal: int) -> Incident:
    """One incident by its name; `loss` is the share of speed that is lost."""
    name, factor = f"replica-{ordinal}", 1.0 / (1.0 - loss)
    within = 300.0 if loss >= 0.35 else 900.0
    if kind == "one slow":
        slow = replace(base, slow=Slow(ordinal=ordinal, since=FAULT_AT, factor=factor))
        return Incident(
            kind=kind,
            truth=slow,
            expected=frozenset({ThroughputVerdict.SICK_REPLICA}),
            within=within,
            replica=name,
        )
    if kind == "all slow":
        leak = Leak(begin=FAULT_AT - 1.0, end=FAULT_AT, factor=factor)
        degraded = frozenset({ThroughputVerdict.DEGRADED})
        return Incident(kind=kind, truth=replace(base, leak=leak), expected=degraded, within=within)
    if kind == "stall":
        stuck = replace(base, slow=Slow(ordinal=ordinal, since=FAULT_AT, factor=STUCK))
        stalled = frozenset({ThroughputVerdict.STALLED})
        return Incident(kind=kind, truth=stuck, expected=stalled, within=300.0, replica=name)
    if kind == "acceptance":
        drop = AcceptanceDrop(since=FAULT_AT, after=2.5 * (1.0 - loss))
        dropped = frozenset({ThroughputVerdict.ACCEPTANCE_DROPPED})
        return Incident(kind=kind, truth=replace(base, drop=drop), expected=dropped, within=within)
    if kind == "overload":
        over = frozenset({ThroughputVerdict.OVERLOADED})
        return Incident(
            kind=kind,
            truth=base,
            expected=over,
            within=None,
            trace=lambda t: t.amplified(FAULT_AT, FAULT_AT + 900.0, 3),
        )
    return Incident(
        kind="mix",
        truth=base,
        expected=frozenset({ThroughputVerdict.MIX_CHANGED, ThroughputVerdict.OVERLOADED}),
        within=None,
        trace=lambda t: t.with_longer_prompts(FAULT_AT, 5.0),
    )


KINDS = ("one slow", "all slow", "stall", "acceptance", "overload", "mix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How an incident was told. `seconds` is how long it took, `None` if never in its time."""

    kind: str
    loss: float
    right: bool
    seconds: float | None
    early: int
    told: str


def tried(base: Truth, kind: str, loss: float, seed: int) -> Found:
    """Play one incident and see what it is called within its time."""
    case = incident(kind, base, loss, seed % REPLICAS)
    span = case.within or 900.0
    trace = case.trace(traffic((FAULT_AT + span) / 3600.0, seed))
    early, first, seen = 0, None, set()
    for outcome in watch(trace, case.truth, seed):
        named = outcome.throughput
        if outcome.now <= FAULT_AT:
            early += named.verdict in FAULTS
            continue
        seen.add(named.verdict)
        if first is None and named.verdict in (FAULTS if case.within else case.expected):
            first = outcome
    return _found(case, loss, first, seen, early)


def _found(
    case: Incident,
    loss: float,
    first: Forecast | None,
    seen: set[ThroughputVerdict],
    early: int,
) -> Found:
    named = first.throughput if first is not None else None
    right = not seen & FAULTS
    if case.within is not None:
        right = (
            named is not None
            and named.verdict in case.expected
            and case.replica in {None, named.replica}
        )
    return Found(
        kind=case.kind,
        loss=loss,
        right=right,
        seconds=first.now - FAULT_AT if first is not None else None,
        early=early,
        told=first.throughput.sentence if first is not None else "",
    )


def random_incident(number: int) -> Found:
    """The incident of that number: truth, noise, kind and loss by chance."""
    chance = np.random.default_rng((number, 12))
    kind = KINDS[int(chance.integers(len(KINDS)))]
    names = [n for n in TRUTHS if n != "acceptance"]
    base = noisy(names[int(chance.integers(len(names)))], float(chance.uniform(0.05, 0.10)))
    return tried(base, kind, float(chance.uniform(0.15, 0.5)), number)


def main() -> None:
    """Print the healthy days of each truth, then the incidents."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--hours", type=float, default=24.0)
    ask.add_argument("--noise", type=float, default=0.10)
    ask.add_argument("--incidents", type=int, default=200)
    asked = ask.parse_args()
    print("| truth | false alarms | minutes |\n|---|---|---|")
    for name in TRUTHS:
        told = healthy(name, asked.noise, asked.hours, 1)
        minutes = sum(t.end - t.begin + POLL_SECONDS for t in told) / 60.0
        print(f"| {name} | {len(told)} | {minutes:.1f} |", flush=True)
    print("\n| incident | loss | right | named after, s |\n|---|---|---|---|")
    found = []
    for number in range(asked.incidents):
        found.append(random_incident(number))
        last = found[-1]
        print(f"| {last.kind} | {last.loss:.2f} | {last.right} | {last.seconds} |", flush=True)
    print(f"\n{sum(f.right for f in found)} of {len(found)} causes right")


if __name__ == "__main__":
    main()
