"""A scenario: which fleets are emulated, what they are asked for, and what goes wrong when.

Read from YAML or JSON (times in seconds after the start); every mistake is named with its path.
"""

from dataclasses import dataclass, replace
from typing import Any

import yaml

from v4operator.model.deployment import Key
from v4operator.model.problem import InputError, Problem
from v4operator.model.reading import Engine
from v4operator.simulate.events import CrashEvent, FaultEvent, QuotaEvent
from v4operator.simulate.exposition import VERSIONS
from v4operator.simulate.fields import Fields
from v4operator.simulate.fleet import Event
from v4operator.simulate.member import Faults, FleetSpec, StartUp
from v4operator.simulate.profiles import PROFILES, ReplicaProfile
from v4operator.simulate.traffic import Lengths, Rate, Traffic
from v4operator.simulate.truth import Objective

_POINT = 2  # a point of a rate: seconds, requests a second


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetScenario:
    """One fleet and what happens to it."""

    spec: FleetSpec
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All fleets on one clock that runs `speed` times as fast as the machine's."""

    speed: float
    fleets: tuple[FleetScenario, ...]


def read_scenario(text: str, *, where: str) -> Scenario:
    """Read a scenario from YAML or JSON.

    Raises:
        InputError: with every problem found.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = Problem(where=where, path="", found=str(error), allowed="YAML or JSON")
        raise InputError([problem]) from error
    problems: list[Problem] = []
    root = Fields(document, where=where, path="", problems=problems)
    scenario = Scenario(
        speed=root.number("speed", 1.0, low=0.001),
        fleets=tuple(_fleet(fields) for fields in root.each("fleets")),
    )
    _refuse_twins(scenario, root)
    root.close()
    if problems:
        raise InputError(problems)
    return scenario


def _refuse_twins(scenario: Scenario, root: Fields) -> None:
    keys = [fleet.spec.key for fleet in scenario.fleets]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        root.complain("fleets", str(key), "each namespace and name once")


def _fleet(fields: Fields) -> FleetScenario:
    spec = FleetSpec(
        key=Key(fields.text("namespace", "default"), fields.text("name")),
        engine=Engine(fields.choice("engine", [engine.value for engine in VERSIONS])),
        model=fields.text("model"),
        profile=_profile(fields),
        replicas=fields.whole("replicas"),
        start_up=_start_up(fields.inner("startUp")),
        objective=_objective(fields.inner("objectives")),
        traffic=_traffic(fields.inner("traffic")) if "traffic" in fields else None,
        quota=fields.whole("quota") if "quota" in fields else None,
        context_tokens=fields.whole("contextTokens", 262_144, low=1),
        batched_tokens=fields.whole("batchedTokens", 16_384, low=1),
        weights_gib=fields.number("weightsGiB", 38.92),
        free_memory_gib=fields.number("freeMemoryGiB", 9.84),
    )
    events = tuple(_event(event) for event in fields.each("events"))
    fields.close()
    return FleetScenario(spec=spec, events=events)


def _profile(fields: Fields) -> ReplicaProfile:
    profile = PROFILES[fields.choice("profile", sorted(PROFILES))]
    slowed = profile.slowed(fields.number("slowness", 1.0, low=0.01))
    return replace(
        slowed,
        max_running=fields.whole("maxRunning", profile.max_running, low=1),
        kv_capacity_tokens=fields.whole("kvCapacityTokens", profile.kv_capacity_tokens, low=1),
    )


def _start_up(fields: Fields) -> StartUp:
    start_up = StartUp(
        seconds=fields.number("seconds"),
        variation=fields.number("variation", 0.0),
        seed=fields.whole("seed", 0),
    )
    fields.close()
    return start_up


def _objective(fields: Fields) -> Objective:
    objective = Objective(
        ttft_seconds=fields.number("ttftSeconds"),
        inter_token_latency_seconds=fields.number("interTokenLatencySeconds"),
        attainment=min(1.0, fields.number("attainment")),
    )
    fields.close()
    return objective


def _traffic(fields: Fields) -> Traffic:
    traffic = Traffic(
        rate=_rate(fields),
        prompt=_lengths(fields.inner("prompt")),
        output=_lengths(fields.inner("output")),
        cached_ratio=min(1.0, fields.number("cachedRatio", 0.0)),
        seed=fields.whole("seed", 0),
    )
    fields.close()
    return traffic


def _rate(fields: Fields) -> Rate:
    found = fields.raw("rate")
    repeat = fields.number("repeatSeconds") if "repeatSeconds" in fields else None
    try:
        return Rate(points=_points(found), repeat_seconds=repeat)
    except (TypeError, ValueError):
        fields.complain(
            "rate",
            found,
            "[[seconds, requests a second], ...] in order of time, none negative, "
            "and repeatSeconds not before the last of them",
        )
        return Rate(points=((0.0, 0.0),))


def _points(found: Any) -> tuple[tuple[float, float], ...]:
    points = [tuple(map(float, point)) for point in found]
    if any(len(point) != _POINT for point in points):
        raise ValueError("a point is a time and a rate")
    return tuple((point[0], point[1]) for point in points)


def _lengths(fields: Fields) -> Lengths:
    lengths = Lengths(
        mean_tokens=fields.number("meanTokens", low=1.0),
        variation=fields.number("variation", 0.0),
    )
    fields.close()
    return lengths


def _event(fields: Fields) -> Event:
    at = fields.number("at")
    event: Event
    if "quota" in fields:
        event = QuotaEvent(at=at, quota=fields.whole("quota"))
    elif fields.flag("crash"):
        restart = fields.number("restartSeconds") if "restartSeconds" in fields else None
        event = CrashEvent(at=at, replica=fields.text("replica"), restart_seconds=restart)
    else:
        event = FaultEvent(at=at, replica=fields.text("replica"), faults=read_faults(fields))
    fields.close()
    return event


def read_faults(fields: Fields, before: Faults | None = None) -> Faults:
    """The faults that a mapping names; what it leaves out stays as `before`."""
    before = before or Faults()
    return Faults(
        speed_factor=fields.number("speedFactor", before.speed_factor, low=0.001),
        stalled=fields.flag("stalled") if "stalled" in fields else before.stalled,
        metrics_lost=fields.flag("metricsLost") if "metricsLost" in fields else before.metrics_lost,
        unreachable=fields.flag("unreachable") if "unreachable" in fields else before.unreachable,
    )
