"""`v4-operator rules`: what Prometheus and Alertmanager are given, as YAML.

Nothing is looked up or applied. Exit status: 0 written, 2 wrong usage.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from v4operator.cli.ending import write
from v4operator.rulegen import alertmanager, render
from v4operator.rulegen.durations import Durations


class What(StrEnum):
    """What is written."""

    FILE = "file"
    PROMETHEUSRULE = "prometheusrule"
    ALERTMANAGER = "alertmanager"


def command(
    what: Annotated[
        What, typer.Option("--what", help="Plain rule file, PrometheusRule, or routes.")
    ] = What.FILE,
    time_scale: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Every duration is divided by this.")
    ] = 1.0,
    runbooks: Annotated[
        str, typer.Option(help="Where the runbook pages are served.")
    ] = render.RUNBOOKS,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Address of every receiver in the example of Alertmanager."
            f" [from the files {alertmanager.ADDRESSES}/RECEIVER]"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write this file instead of printing.")
    ] = None,
) -> None:
    """Write recording rules and alerts for Prometheus.

    Or an example of Alertmanager's configuration.
    """
    write("rules", _text(what, Durations().faster(time_scale), runbooks, webhook), output)


def _text(what: What, durations: Durations, runbooks: str, webhook: str | None) -> str:
    if what is What.FILE:
        return render.rule_file(durations, runbooks)
    if what is What.PROMETHEUSRULE:
        return render.prometheus_rule(durations, runbooks)
    webhooks = alertmanager.straight_to(webhook) if webhook else alertmanager.from_files
    return alertmanager.configuration(durations, webhooks)
