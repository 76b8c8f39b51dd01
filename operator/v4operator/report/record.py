"""The decision record: why this number of replicas, with inputs, ages, formula and alternative.

Pure; the keys are documented in `docs/quick-start.md` and kept stable. In tokens, seconds, ratios
and numbers of replicas. `None` is "not known". An engine's configuration is left out; a finding
may quote the flag that it is about.
"""

from dataclasses import dataclass, fields
from enum import Enum
from math import isfinite
from typing import Any

from v4operator.decide.reasons import EXPLANATION, Reason
from v4operator.model.forecast import Forecast
from v4operator.model.hbm import Finding
from v4operator.model.status import Status
from v4operator.model.verdict import Decision, Verdict
from v4operator.report.document import document, rfc3339
from v4operator.report.next_step import next_step

_OF_STATUS = (
    "observedGeneration",
    "replicas",
    "readyReplicas",
    "desiredReplicas",
    "observed",
    "capacity",
    "hbm",
    "replicaStatuses",
    "throughput",
    "findings",
    "conditions",
)
"""What is shown of the status. `lastDecision` stands below `decision` in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycled:
    """What one cycle came to; as frozen values, so that it is rendered only where it is asked."""

    forecast: Forecast
    verdict: Verdict
    status: Status


def record(cycled: Cycled, now: float) -> dict[str, Any]:
    """One V4Deployment as `explain` and `top` show it, JSON-able; `now` in Unix seconds."""
    told, decision = document(cycled.status), cycled.verdict.decision
    return {
        "metadata": told["metadata"],
        "ageSeconds": round(max(0.0, now - decision.time), 1),
        "problem": None,
        "decision": _decision(decision, cycled),
        "formula": _formula(cycled.forecast),
        "nextStep": next_step(decision, cycled.forecast),
        "status": {name: told["status"][name] for name in _OF_STATUS},
    }


def problem_record(namespace: str, name: str, problem: Finding) -> dict[str, Any]:
    """The same keys where nothing could be looked at, and why."""
    return {
        "metadata": {"namespace": namespace, "name": name},
        "ageSeconds": None,
        "problem": {"reason": problem.reason, "message": problem.message},
        "decision": None,
        "formula": None,
        "nextStep": "Mend what is named; it is looked at again by itself.",
        "status": None,
    }


def _decision(decision: Decision, cycled: Cycled) -> dict[str, Any]:
    return {
        "time": rfc3339(decision.time),
        "since": rfc3339(cycled.status.last_decision.time),
        "action": decision.action.value,
        "current": decision.current,
        "wanted": decision.wanted,
        "desired": decision.desired,
        "reason": decision.reason,
        "meaning": EXPLANATION[Reason(decision.reason)],
        "sentence": decision.sentence,
        "vetoes": [_plain(veto) for veto in decision.vetoes],
        "alternative": decision.alternative,
        "inputs": [_plain(each) for each in decision.inputs],
        "drain": decision.drain,
        "release": decision.release,
        "restore": decision.restore,
    }


def _formula(forecast: Forecast) -> dict[str, Any]:
    """Need = demand over what one replica carries, looked ahead by its start-up."""
    capacity = forecast.capacity
    return {
        "demand": _plain(forecast.demand),
        "capacityOfReplica": _plain(capacity) if capacity else None,
        "startUpSeconds": round(forecast.start_up_seconds),
        "startUpSource": forecast.start_up_source,
    }


def _plain(value: Any) -> dict[str, Any]:
    return {_camel(f.name): _value(getattr(value, f.name)) for f in fields(value)}


def _value(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return round(value, _DECIMALS) if isfinite(value) else None
    return value


_DECIMALS = 4
"""Of a rate, a ratio or seconds; more would be noise that hides the figure."""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
