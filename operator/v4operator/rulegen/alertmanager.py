"""An example of Alertmanager's configuration: who is told, what is told together, what is not.

Its receivers are webhooks that a team replaces by its own. The address of a webhook is a secret
where it carries a token, so the example reads it from mounted files. Pure.
"""

from collections.abc import Callable
from typing import Any

import yaml

from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import Severity

ADDRESSES = "/etc/alertmanager/addresses"
"""Where a Secret with a key for each receiver is mounted (`spec.secrets` of the Prometheus
operator mounts below /etc/alertmanager/secrets: replace it then)."""

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

_HEADER = "# Made by `v4-operator rules --what alertmanager`. An example to start from.\n"


Webhooks = Callable[[str], dict[str, str] | None]
"""The `webhook_configs` entry of a receiver by its name, or nothing where nobody is told."""


def from_files(receiver: str) -> dict[str, str]:
    """The address is in a mounted file named like the receiver."""
    return {"url_file": f"{ADDRESSES}/{receiver}"}


def straight_to(url: str) -> Webhooks:
    """Every receiver is this address; it stands in the configuration for all to read."""
    return lambda _: {"url": url}


def nowhere(_: str) -> None:
    """Alerts are shown by Alertmanager itself and sent to nobody."""


def configuration(durations: Durations, webhooks: Webhooks = from_files) -> str:
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
            _receiver("pager", webhooks),
            _receiver("tickets", webhooks),
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


def _receiver(name: str, webhooks: Webhooks) -> dict[str, Any]:
    address = webhooks(name)
    return {"name": name, "webhook_configs": [address]} if address else {"name": name}
