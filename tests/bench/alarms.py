"""Alarms on every truth: healthy days without one, random incidents named in time and by cause.

Drives the simulated fleet under scripted scaling; the operator's own stages watch and are not
heeded. Writes `results/alarms.md` anew after every row. Run as
`python -m tests.bench.alarms --hours 24 --incidents 200`.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
from tests.bench.alarms_fleet import POLL_SECONDS, REPLICAS, noisy, scaling, traffic, watch
from tests.bench.policy import commit_here

from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.fast.truths import TRUTHS, AcceptanceDrop, Leak, Slow, Truth

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
            if case.within is not None:
                break
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


LOSSES = (0.15, 0.35)


@dataclass(slots=True, kw_only=True)
class Report:
    """What has been played so far, as one page."""

    path: Path
    command: str
    days: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    incidents: list[Found] = field(default_factory=list)

    def write(self) -> None:
        """The page with all rows up to now."""
        named = Counter((f.kind, f.right) for f in self.incidents)
        kinds = [f"| {k} | {named[k, True]} | {named[k, False]} |" for k in KINDS]
        right = sum(found.right for found in self.incidents)
        lines = [
            "# Alarms on every truth of the simulator",
            f"\nMade with `{self.command}` at commit {commit_here()}.",
            "Gauges are up to 10 s old. The noise is that of every step and, once more, of each",
            "replica from minute to minute. The accepted length of the truth `acceptance` falls by",
            "itself, so that its losses are not played apart.",
            "\n## Healthy days: varying load, mix and number of replicas\n",
            "| truth | noise | hours | false alarms | minutes of them |\n|---|---:|---:|---:|---:|",
            *self.days,
            "\n## Losses of one replica of four and of all\n",
            "| who | loss | truth | noise | named in time by its cause | after, s |",
            "|---|---:|---|---:|---:|---|",
            *self.losses,
            "\n## Random incidents: 15 to 50 % lost, 5 to 10 % of noise\n",
            f"{right} of {len(self.incidents)} causes right.\n",
            "| incident | right | wrong or late |\n|---|---:|---:|",
            *kinds,
        ]
        self.path.write_text("\n".join(lines) + "\n")


def day_row(name: str, noise: float, hours: float) -> str:
    """One healthy day."""
    told = healthy(name, noise, hours, 1)
    minutes = sum(t.end - t.begin + POLL_SECONDS for t in told) / 60.0
    return f"| {name} | {noise:.0%} | {hours:g} | {len(told)} | {minutes:.1f} |"


def loss_row(kind: str, loss: float, name: str, noise: float, seeds: int) -> str:
    """One loss with several seeds."""
    found = [tried(noisy(name, noise), kind, loss, seed) for seed in range(1, seeds + 1)]
    right = sum(f.right for f in found)
    after = ", ".join("-" if f.seconds is None else f"{f.seconds:.0f}" for f in found)
    return f"| {kind} | {loss:.0%} | {name} | {noise:.0%} | {right} of {seeds} | {after} |"


def main() -> None:
    """Write the healthy days of each truth, the losses, then the incidents."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--hours", type=float, default=24.0, help="of each healthy day")
    ask.add_argument("--noise", type=float, nargs="+", default=[0.05, 0.10])
    ask.add_argument("--seeds", type=int, default=5, help="of each loss")
    ask.add_argument("--incidents", type=int, default=200)
    ask.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    asked = ask.parse_args()
    command = " ".join(["python -m tests.bench.alarms", *sys.argv[1:]])
    report = Report(path=asked.results / "alarms.md", command=command)
    for name, noise in product(TRUTHS, asked.noise):
        report.days.append(day_row(name, noise, asked.hours))
        report.write()
    for number in range(asked.incidents):
        report.incidents.append(random_incident(number))
        report.write()
    steady = [name for name, truth in TRUTHS.items() if truth.acceptance is None]
    for kind, loss, name, noise in product(KINDS[:2], LOSSES, steady, asked.noise):
        report.losses.append(loss_row(kind, loss, name, noise, asked.seeds))
        report.write()


if __name__ == "__main__":
    main()
