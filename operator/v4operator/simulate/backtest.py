"""What policies would have done with a history: hours, money and missed objectives beside it.

The requests are made of the history's sums and served by the simulator, so that every policy meets
the same ones; what really happened stands beside them as it was measured. Nothing is fetched here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from v4operator.simulate.fast.setting import Overload
from v4operator.simulate.fast.truths import Truth
from v4operator.simulate.ground import Ground, Objective, ground_of
from v4operator.simulate.harness import Run, play
from v4operator.simulate.history import History
from v4operator.simulate.policies.recorded import Recorded
from v4operator.simulate.policies.registry import POLICIES
from v4operator.simulate.profiles import PROFILES
from v4operator.simulate.scenarios import own_trace

REPLAYED = "as it was, replayed"

# Two points of attainment: twice what a target of 99 % allows to miss, so a comparison of policies
# at that target would mean another fleet.
_NEAR = 0.02

# A missing step counts no hours for the fleet as it was; past this share the comparison is skewed.
_FEW_MISSING = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the replay takes for granted.

    `pace` multiplies the published step times of the profile, `usd_per_device_hour` is `None` where
    no price is known.
    """

    profile: str
    objective: Objective
    overload: Overload
    target: float
    pace: float
    seed: int
    usd_per_device_hour: float | None

    @property
    def devices(self) -> int:
        """Devices of one replica."""
        return PROFILES[self.profile].engine_devices


def ground_for(history: History, terms: Terms) -> Ground:
    """The common ground of all policies of a backtest.

    Raises:
        ValueError: the history holds no request.
    """
    truth = Truth(name=f"linear x{terms.pace:g}").with_hidden_factor(terms.pace)
    return ground_of(
        own_trace(truth, terms.target),
        history.trace(seed=terms.seed),
        profile=terms.profile,
        objective=terms.objective,
        overload=terms.overload,
        seed=terms.seed,
    )


def replayed(ground: Ground, name: str) -> Run:
    """A policy as it is documented, on these requests: seconds for a week."""
    policy = POLICIES[name].build(ground.profile, ground.briefing)
    return play(ground.trace, ground.setting, policy)


def as_it_was(history: History, ground: Ground) -> Run | None:
    """The same requests on the replicas that there were; `None` where their count is unknown.

    Beside what was measured it tells how far the replay can be believed.
    """
    counts = history.counts
    if counts is None:
        return None
    setting = replace(ground.setting, initial_replicas=counts[0])
    return play(ground.trace, setting, Recorded(counts, history.step_seconds))


def doubts(history: History, replay: Run | None) -> tuple[str, ...]:
    """What the user should know before believing the table."""
    told = []
    if history.missing_ratio > _FEW_MISSING:
        told.append(f"{history.missing_ratio:.0%} of the steps are without figures: hours are low")
    if replay is None or history.attainment is None:
        told.append("the replay cannot be compared with what was measured: replicas or objectives")
    elif abs(replay.result.attainment - history.attainment) > _NEAR:
        direction = "better" if replay.result.attainment > history.attainment else "worse"
        told.append(
            f"the same replicas do {direction} in the replay ({replay.result.attainment:.2%})"
            f" than was measured ({history.attainment:.2%}): --profile, --pace or objective differ"
        )
    return tuple(told)


def happened(history: History, terms: Terms) -> dict[str, Any]:
    """The row of what really ran."""
    replica_hours = history.replica_hours
    hours = None if replica_hours is None else replica_hours * terms.devices
    return _row("as it was", hours, terms) | {"attainment": history.attainment}


def row(name: str, run: Run, terms: Terms) -> dict[str, Any]:
    """The row of a policy; money only where a price is known."""
    result = run.result
    return _row(name, result.gpu_hours, terms) | {
        "attainment": result.attainment,
        "missedRequests": round((1.0 - result.attainment) * result.requests),
        "misses": dict(result.misses),
        "scalingActions": len(run.changes),
        "reversals": run.reversals,
        "meetsTarget": result.attainment >= terms.target,
    }


def document(
    history: History,
    terms: Terms,
    ground: Ground,
    rows: Sequence[Mapping[str, Any]],
    doubted: Sequence[str],
) -> dict[str, Any]:
    """Everything as JSON: seconds, tokens, hours of devices, US dollars, ratios from 0 to 1."""
    return {
        "deployment": {"namespace": history.namespace, "name": history.name},
        "startSeconds": history.start_seconds,
        "seconds": history.seconds,
        "missingRatio": history.missing_ratio,
        "requests": len(ground.trace),
        "promptTokens": int(ground.trace.prompt.sum()),
        "outputTokens": int(ground.trace.output.sum()),
        "target": terms.target,
        "profile": terms.profile,
        "pace": terms.pace,
        "overload": terms.overload,
        "usdPerDeviceHour": terms.usd_per_device_hour,
        "assumptions": list(ASSUMPTIONS),
        "doubts": list(doubted),
        "policies": list(rows),
    }


ASSUMPTIONS = (
    "requests arrive evenly within each step of the history, at the time when they really finished",
    "lengths are log-normal around each step's means, with the step's own sums",
    "a step without figures holds no requests",
    "replicas work at the published speed of the profile, times --pace",
    "policies start from their documented settings and the count that the first work needs",
)


def _row(name: str, gpu_hours: float | None, terms: Terms) -> dict[str, Any]:
    price = terms.usd_per_device_hour
    dollars = None if gpu_hours is None or price is None else gpu_hours * price
    return {"policy": name, "gpuHours": gpu_hours, "usd": dollars}
