"""Groups of rules as YAML: a plain rule file, or a PrometheusRule. Pure, the same for the same."""

from typing import Any

import yaml

from v4operator.rulegen import memory, objectives, operating, records, scaling, throughput
from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import Alert, Group, Record

RUNBOOKS = "docs/runbooks"
"""Where the pages lie in the repository; a team gives the address under which it serves them."""

_HEADER = "# Made by `v4-operator rules{flags}`. Do not edit.\n"
_WIDTH = 100

Document = dict[str, Any]


def groups(durations: Durations) -> tuple[Group, ...]:
    """All groups, recording rules before the alerts that read them."""
    return (
        records.throughput(durations),
        records.caches(durations),
        records.objectives(durations),
        operating.alerts(durations),
        throughput.alerts(durations),
        memory.alerts(durations),
        objectives.alerts(durations),
        scaling.alerts(durations),
    )


def alerts(durations: Durations) -> tuple[Alert, ...]:
    """Every alert, in the order of the file."""
    return tuple(r for group in groups(durations) for r in group.rules if isinstance(r, Alert))


def rule_file(durations: Durations, runbooks: str = RUNBOOKS) -> str:
    """What goes under `rule_files` of Prometheus."""
    return _dumped("", {"groups": _groups(durations, runbooks)})


def prometheus_rule(durations: Durations, runbooks: str = RUNBOOKS) -> str:
    """The same for the Prometheus operator."""
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "v4-operator",
            "namespace": "v4-operator-system",
            "labels": {"app.kubernetes.io/name": "v4-operator"},
        },
        "spec": {"groups": _groups(durations, runbooks)},
    }
    return _dumped(" --what prometheusrule", resource)


def _dumped(flags: str, document: Document) -> str:
    written = yaml.safe_dump(document, sort_keys=False, width=_WIDTH)
    return _HEADER.format(flags=flags) + written


def _groups(durations: Durations, runbooks: str) -> list[Document]:
    return [
        {
            "name": group.name,
            "interval": spelled(durations.evaluation),
            "rules": [_rule(rule, runbooks) for rule in group.rules],
        }
        for group in groups(durations)
    ]


def _rule(rule: Record | Alert, runbooks: str) -> Document:
    if isinstance(rule, Record):
        return {"record": rule.name, "expr": rule.expr}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": spelled(rule.after),
        "labels": {"severity": rule.severity.value, **rule.labels},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{runbooks.rstrip('/')}/{rule.name}.md",
        },
    }
