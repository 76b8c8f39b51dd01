"""Which alerts fired while the demo ran, and when, as Prometheus kept it. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WIDTHS = ("{:8.1f} min", "{:8}", "{:24}", "{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """One alert. `elapsed` in emulated seconds since the start; who is empty for the operator's."""

    name: str
    severity: str
    deployment: str
    replica: str
    elapsed: float


def query(lookback_seconds: float, step_seconds: float) -> str:
    """PromQL for the real Unix time at which each alert first fired."""
    span = f"{lookback_seconds * 1000:.0f}ms:{step_seconds * 1000:.0f}ms"
    return (
        "min by (alertname, severity, v4deployment, replica)"
        f' (min_over_time(timestamp(ALERTS{{alertstate="firing"}})[{span}]))'
    )


def read(body: bytes, *, started: float, speed: float) -> tuple[Fired, ...]:
    """What Prometheus answered to `query`, earliest first; `started` in real Unix seconds.

    Raises:
        ValueError, KeyError: it is no answer of Prometheus to an instant query.
    """
    listed = json.loads(body)["data"]["result"]
    return tuple(sorted(_fired(listed, started, speed), key=lambda each: each.elapsed))


def table(found: Iterable[Fired]) -> str:
    """One line an alert."""
    rows = [
        "  ".join(_WIDTHS).format(
            each.elapsed / 60.0,
            each.severity,
            each.name,
            " ".join(filter(None, (each.deployment, each.replica))),
        )
        for each in found
    ]
    return "\n".join(["alerts that fired:", *(rows or ["  none"])])


def _fired(listed: Iterable[Mapping[str, Any]], started: float, speed: float) -> Iterator[Fired]:
    for each in listed:
        labels, (_, first) = each["metric"], each["value"]
        yield Fired(
            name=labels["alertname"],
            severity=labels.get("severity", ""),
            deployment=labels.get("v4deployment", ""),
            replica=labels.get("replica", ""),
            elapsed=(float(first) - started) * speed,
        )
