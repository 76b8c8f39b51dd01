"""A case as promtool's file of unit tests, with the rules that it needs and no other.

All rules over three days of samples cost promtool minutes; one alert and what it reads cost little.
"""

from pathlib import Path
from typing import Any

import yaml
from tests.rig.invoke import Said, attempt
from tests.rules.cases import Case


def run(cases: tuple[Case, ...], rules: Path, folder: Path) -> Said:
    """What promtool says of the cases with that rule file."""
    (folder / "rules.yml").write_text(_needed({case.alert for case in cases}, rules.read_text()))
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [_test(case) for case in cases],
    }
    path = folder / "tests.yml"
    path.write_text(yaml.safe_dump(document))
    return attempt("promtool", "test", "rules", path)


def _needed(alerts: set[str], text: str) -> str:
    """The alerts of the rule file, with the records that they read, directly or not."""
    document = yaml.safe_load(text)
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    kept = [rule for rule in rules if rule.get("alert") in alerts]
    for rule in reversed(rules):
        name = rule.get("record")
        if name and any(name in other["expr"] for other in kept):
            kept.insert(0, rule)
    return yaml.safe_dump({"groups": [{"name": "needed", "interval": "1m", "rules": kept}]})


def _test(case: Case) -> dict[str, Any]:
    expr = (
        f'count by (alertname) (ALERTS{{alertname="{case.alert}", alertstate="firing"}}) > bool 0'
    )
    held = [{"labels": f'{{alertname="{case.alert}"}}', "value": 1}]
    return {
        "name": f"{case.alert}: {case.name}",
        "interval": case.interval,
        "input_series": [{"series": k, "values": v} for k, v in case.series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": f"{minute}m", "exp_samples": expected}
            for minutes, expected in ((case.fires, held), (case.silent, []))
            for minute in minutes
        ],
    }
