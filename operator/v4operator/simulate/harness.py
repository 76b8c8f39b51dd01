"""Plays one policy on one simulated fleet: scrapes at its pace, lets it decide, does what it says.

Every policy gets the same trace, router, overload mode, limit and seed. What comes out is what
happened; the comparison with others and with the optimum is `score`'s.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from time import process_time

import numpy as np

from v4operator.simulate.fast.fleet import FleetSimulation
from v4operator.simulate.fast.result import Result
from v4operator.simulate.fast.setting import Setting
from v4operator.simulate.fast.trace import Trace
from v4operator.simulate.policies.policy import Policy, Seen, Step
from v4operator.simulate.policies.telemetry import Telemetry

# A change that is taken back within ten minutes is a reversal (protocol of the simulation study).
_REVERSAL_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The count asked for was changed."""

    time: float
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One policy on one fleet: what became of the requests, and what the policy did.

    `decision_seconds` is CPU time of the policy alone, over all its decisions.
    """

    result: Result
    changes: tuple[Change, ...]
    decisions: int
    decision_seconds: float

    @property
    def reversals(self) -> int:
        """Changes against the direction of the one before, within ten minutes of it."""
        return sum(
            1
            for first, second in pairwise(self.changes)
            if (second.after > second.before) != (first.after > first.before)
            and second.time - first.time <= _REVERSAL_SECONDS
        )

    def shrinks_within(self, begin: float, end: float) -> int:
        """How often the count was lowered between two times."""
        return sum(1 for c in self.changes if begin <= c.time < end and c.after < c.before)


def play(
    trace: Trace,
    setting: Setting,
    policy: Policy,
    *,
    heir: Policy | None = None,
    heir_at: float = float("inf"),
    own_limit: bool = False,
) -> Run:
    """The whole trace under a policy. Loops and scrapes have phases of their own, by the seed.

    With `own_limit` the gateway admits what the policy tells it, from the setting's limit on.

    At `heir_at` the controller dies, and `heir` goes on without its memory or its scrapes.
    """
    fleet, telemetry = _fleet(trace, setting, own_limit=own_limit), Telemetry()
    chance = np.random.default_rng((setting.seed, 6))
    scrape, decision = (
        float(chance.uniform(0.0, period))
        for period in (policy.scrape_seconds, policy.period_seconds)
    )
    changes: list[Change] = []
    decisions, spent = 0, 0.0
    while min(scrape, decision) < trace.duration:
        if scrape <= decision:
            fleet.advance(scrape)
            telemetry.record(scrape, fleet.metrics(), fleet.gateway())
            scrape += policy.scrape_seconds
            continue
        if heir is not None and decision >= heir_at:
            policy, heir, telemetry = heir, None, Telemetry()
        fleet.advance(decision)
        seen = Seen(
            now=decision,
            desired=fleet.desired,
            replicas=tuple(fleet.metrics()),
            telemetry=telemetry,
        )
        began = process_time()
        step = policy.decide(seen)
        spent += process_time() - began
        decisions += 1
        if step.desired != fleet.desired:
            changes.append(Change(time=decision, before=fleet.desired, after=step.desired))
        _do(fleet, step)
        if own_limit and step.admission_limit is not None:
            fleet.set_admission_limit(step.admission_limit)
        decision += policy.period_seconds
    return Run(
        result=fleet.result(),
        changes=tuple(changes),
        decisions=decisions,
        decision_seconds=spent,
    )


def _fleet(trace: Trace, setting: Setting, *, own_limit: bool) -> FleetSimulation:
    """The fleet; where its limit may move, with room for all that a replica can run."""
    if not own_limit or setting.admission_limit is None:
        return FleetSimulation(trace, setting)
    roomy = replace(setting, admission_limit=setting.profile.max_running)
    fleet = FleetSimulation(trace, roomy)
    fleet.set_admission_limit(setting.admission_limit)
    return fleet


def _do(fleet: FleetSimulation, step: Step) -> None:
    """The count first, then routing, as the operator writes them."""
    if step.desired != fleet.desired:
        fleet.set_desired(step.desired, step.victim)
    for name, routable in step.routable:
        fleet.set_routable(name, routable)
