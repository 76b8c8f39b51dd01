"""Cases as promtool's file of unit tests, with the rules that they need and no other.

All rules over three days of samples cost promtool minutes; one alert and what it reads cost little.
"""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.rig.build import path_of
from tests.rig.invoke import Said
from tests.rules.cases.case import Case, Kind

_LIMIT_SECONDS = 60.0
Told = list[dict[str, Any]]


def run(
    cases: tuple[Case, ...],
    rules: Path,
    folder: Path,
    *,
    told: Told | None = None,
    tool: Path | None = None,
) -> Said:
    """What promtool (the rig's, unless another is given) says of the cases with that rule file.

    `told`: labels and annotations, word for word, at the first minute at which a case fires.
    """
    (folder / "rules.yml").write_text(_needed({case.alert for case in cases}, rules))
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [_test(case, told) for case in cases],
    }
    path = folder / "tests.yml"
    path.write_text(yaml.safe_dump(document))
    return said(tool or path_of("promtool"), "test", "rules", path)


def said(tool: Path, *arguments: str | Path) -> Said:
    """One call of a promtool, to whatever end."""
    done = subprocess.run(  # noqa: S603 - a promtool that the rig or apt gave
        (tool, *arguments),
        env={},
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    return Said(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


@cache
def _rules(path: Path) -> tuple[dict[str, Any], ...]:
    """Parsed once: that takes longer than promtool does."""
    document = yaml.safe_load(path.read_text())
    return tuple(rule for group in document["groups"] for rule in group["rules"])


def _needed(alerts: set[str], path: Path) -> str:
    """The alerts of the rule file, with the records that they read, directly or not."""
    rules = _rules(path)
    kept = [rule for rule in rules if rule.get("alert") in alerts]
    for rule in reversed(rules):
        name = rule.get("record")
        if name and any(name in other["expr"] for other in kept):
            kept.insert(0, rule)
    return yaml.safe_dump({"groups": [{"name": "needed", "interval": "1m", "rules": kept}]})


def _test(case: Case, told: Told | None) -> dict[str, Any]:
    expr = (
        f'count by (alertname) (ALERTS{{alertname="{case.alert}", alertstate="firing"}}) > bool 0'
    )
    held = [{"labels": f'{{alertname="{case.alert}"}}', "value": 1}]
    test = {
        "name": f"{case.alert}: {case.name}",
        "interval": case.interval,
        "input_series": [{"series": k, "values": v} for k, v in case.series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": f"{minute}m", "exp_samples": expected}
            for minutes, expected in ((case.fires, held), (case.silent, []))
            for minute in minutes
        ],
    }
    if told is not None and case.kind is Kind.FIRES:
        test["alert_rule_test"] = [
            {"eval_time": f"{case.fires[0]}m", "alertname": case.alert, "exp_alerts": told}
        ]
    return test
