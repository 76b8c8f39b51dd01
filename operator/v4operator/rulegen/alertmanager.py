"""An example of Alertmanager's configuration: who is told, what is told together, what is not.

Its receivers are webhooks that a team replaces by its own. Pure.
"""

from typing import Any

import yaml

from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import Severity

WEBHOOK = "http://127.0.0.1:9199/"
"""A receiver on the same machine; nothing leaves it before somebody has written where to."""

_TOGETHER = ("namespace", "v4deployment")

_EFFECTS = (
    "V4MetricsStale",
    "V4EngineStalled",
    "V4SickReplica",
    "V4AcceptanceDropped",
    "V4FleetDegraded",
    "V4ThroughputBelowModel",
    "V4Overloaded",
)
"""From cause to effect: whatever stands further left silences what stands right of it."""

_HEADER = "# Made by `v4-operator rules --what alertmanager`. Replace the addresses.\n"


def configuration(durations: Durations, webhook: str = WEBHOOK) -> str:
    """The whole file, valid as it is."""
    document = {
        "route": {
            "receiver": "tickets",
            "group_by": list(_TOGETHER),
            "group_wait": spelled(durations.group_wait),
            "group_interval": spelled(durations.group_interval),
            "repeat_interval": spelled(durations.repeat),
            "routes": [
                {"receiver": "pager", "matchers": [f'severity="{Severity.CRITICAL.value}"']},
                {"receiver": "nobody", "matchers": [f'severity="{Severity.INFO.value}"']},
            ],
        },
        "inhibit_rules": _inhibitions(),
        "receivers": [
            _receiver("pager", webhook),
            _receiver("tickets", webhook),
            {"name": "nobody"},
        ],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=100)


def _inhibitions() -> list[dict[str, Any]]:
    """A dead operator knows nothing, a blind fleet is not judged, a cause hides its effects."""
    return [
        _silences("V4OperatorDown", "V4.+", ()),
        _silences("V4DecisionsStalled", "|".join(("V4FleetBlind", *_EFFECTS)), _TOGETHER),
        _silences("V4FleetBlind", "|".join(_EFFECTS), _TOGETHER),
        _silences("V4MetricsStale", "|".join(_EFFECTS[1:3]), (*_TOGETHER, "replica")),
        _silences("V4EngineStalled", "V4SickReplica", (*_TOGETHER, "replica")),
        *(
            _silences(cause, "|".join(_EFFECTS[place:]), _TOGETHER)
            for cause, place in (
                ("V4EngineStalled", 3),
                ("V4SickReplica", 4),
                ("V4AcceptanceDropped", 4),
                ("V4FleetDegraded", 5),
            )
        ),
        _silences("V4HBMBudgetExceeded", "V4KVCacheSaturated|V4KVDemandExceedsPool", _TOGETHER),
        _silences("V4CannotScale", "V4Overloaded", _TOGETHER),
        {
            "source_matchers": ['severity="critical"', 'alertname=~"V4.+BudgetBurn"'],
            "target_matchers": ['severity="warning"', 'alertname=~"V4.+BudgetBurn"'],
            "equal": [*_TOGETHER, "alertname"],
        },
    ]


def _silences(cause: str, effects: str, equal: tuple[str, ...]) -> dict[str, Any]:
    """A source that is its own target silences nothing: Alertmanager leaves those alone."""
    rule: dict[str, Any] = {
        "source_matchers": [f'alertname="{cause}"'],
        "target_matchers": [f'alertname=~"{effects}"'],
    }
    return {**rule, "equal": list(equal)} if equal else rule


def _receiver(name: str, webhook: str) -> dict[str, Any]:
    return {"name": name, "webhook_configs": [{"url": webhook}]}
