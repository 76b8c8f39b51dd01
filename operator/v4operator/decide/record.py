"""From a move to the decision that people read: a sentence, and the inputs with ages. Pure."""

from collections.abc import Iterator

from v4operator.decide.move import Move
from v4operator.decide.phrases import minutes, replicas
from v4operator.decide.situation import Situation
from v4operator.model.verdict import Action, Decision, Input

# A replica this far below a healthy one is named among the inputs; less is within the noise of a
# few minutes' efficiency (1 % to 4 % over 5 min in the counters' simulation).
_SLOW_RATIO = 0.9


def decision_of(situation: Situation, move: Move) -> Decision:
    """The record of `move`."""
    return Decision(
        time=situation.now,
        action=move.action,
        current=situation.observation.workload.desired,
        wanted=situation.wanted if move.advice is None else move.advice,
        desired=move.desired,
        reason=move.reason.value,
        sentence=_sentence(situation, move),
        vetoes=move.vetoes,
        alternative=move.alternative,
        inputs=tuple(_inputs(situation)),
        drain=move.drain,
        release=move.release,
        restore=move.restore,
    )


def _sentence(situation: Situation, move: Move) -> str:
    """What, on which demand, and why; a blindness that is the reason is told once."""
    demand = _demand(situation)
    reason = "" if move.why == situation.blind else f"; {move.why}"
    return f"{_head(situation, move)}: {demand}{reason}"


def _head(situation: Situation, move: Move) -> str:
    if move.advice is not None:
        return f"recommend {move.advice}, now {situation.count}"
    if move.action is Action.HOLD:
        return f"hold at {situation.count}"
    return f"{move.action.value} from {situation.count} to {move.desired}"


def _demand(situation: Situation) -> str:
    demand = situation.forecast.demand
    if situation.blind:
        return f"blind, {situation.blind}"
    ahead = f"{demand.horizon_replicas:.1f} in {minutes(demand.horizon_seconds)}"
    now = demand.now_replicas
    return f"demand {now:.1f} {replicas(now)} now, {ahead}"


def _inputs(situation: Situation) -> Iterator[Input]:
    yield from _demand_inputs(situation)
    yield from _capacity_inputs(situation)
    yield from _fleet_inputs(situation)


def _demand_inputs(situation: Situation) -> Iterator[Input]:
    demand, age = situation.forecast.demand, _oldest_seconds(situation)
    seen = "the last polls, a step" if demand.surging else "the last minutes"
    source = f"work arriving in {seen} over one replica's work at the objective"
    now = demand.now_replicas if demand.computable else None
    ahead = demand.horizon_replicas if demand.computable else None
    yield Input(name="demand", value=now, unit="replicas", age_seconds=age, source=source)
    yield Input(
        name="demand at the horizon",
        value=ahead,
        unit="replicas",
        age_seconds=age,
        source=f"{source}, {minutes(demand.horizon_seconds)} ahead",
    )
    yield Input(
        name="demand that counts",
        value=situation.demand,
        unit="replicas",
        age_seconds=age,
        source="present demand" if situation.blind else "higher of both",
    )
    yield Input(
        name="spread of unforeseen growth",
        value=demand.spread_ratio,
        unit="ratio",
        age_seconds=None,
        source=f"a prior of two public traces and {minutes(demand.spread_seconds)} of own"
        " forecast errors",
    )
    yield Input(
        name="least use of a further replica",
        value=demand.least_used_share,
        unit="ratio",
        age_seconds=None,
        source="the objective and how often replicas were missing"
        if demand.least_used_share is not None
        else "no gateway is known: a reserve is held instead",
    )
    if demand.least_used_share is not None:
        yield Input(
            name="work of a full replica",
            value=demand.full_work_ratio,
            unit="ratio",
            age_seconds=None,
            source="what replicas served while requests waited outside, over their capacity",
        )


def _capacity_inputs(situation: Situation) -> Iterator[Input]:
    forecast = situation.forecast
    if forecast.capacity is not None:
        yield Input(
            name="capacity of a replica",
            value=forecast.capacity.sequences,
            unit="sequences",
            age_seconds=None,
            source=forecast.capacity.source,
        )
    yield Input(
        name="start-up",
        value=forecast.start_up_seconds,
        unit="seconds",
        age_seconds=None,
        source=forecast.start_up_source,
    )
    ages = {r.replica.name: r.age_seconds for r in situation.observation.replicas}
    for name, speed in sorted(situation.fleet.speeds.items()):
        if speed < _SLOW_RATIO:
            yield Input(
                name=f"speed of {name}",
                value=speed,
                unit="ratio",
                age_seconds=ages.get(name),
                source="its efficiency over the last minutes",
            )


def _fleet_inputs(situation: Situation) -> Iterator[Input]:
    fleet, scaling = situation.fleet, situation.scaling
    gateway = situation.observation.gateway
    if gateway is not None:
        yield Input(
            name="waiting at the gateway",
            value=gateway.waiting_requests,
            unit="requests",
            age_seconds=None,
            source="spec.demand.query",
        )
    counted = {
        "count": situation.observation.workload.desired,
        "need": situation.need,
        "highest need of the shrink window": situation.floor,
        "serving": len(fleet.serving),
        "silent": len(fleet.silent),
        "starting": fleet.starts_under_way,
        "blocked": fleet.blocked,
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
    }
    for name, value in counted.items():
        source = situation.floor_source if name == "minReplicas" else _SOURCES[name]
        yield Input(name=name, value=value, unit="replicas", age_seconds=0.0, source=source)


_SOURCES = {
    "count": "workload",
    "need": "demand over capacity",
    "highest need of the shrink window": "policy memory, within bounds",
    "serving": "workload and metrics",
    "silent": "workload and metrics",
    "starting": "workload",
    "blocked": "workload",
    "maxReplicas": "spec.scaling",
}


def _oldest_seconds(situation: Situation) -> float | None:
    ages = (r.age_seconds for r in situation.observation.fresh)
    return max((age for age in ages if age is not None), default=None)
