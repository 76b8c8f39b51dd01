"""What stands of one deployment: its conditions, and findings by code."""

from dashboards.source.board import Section
from dashboards.source.tables import Column, grid
from dashboards.source.targets import DEPLOYMENTS

_STATUS = {"true": "text", "false": "text", "unknown": "yellow"}


def standing() -> Section:
    """The same as `kubectl describe` shows, without its sentences."""
    status = f"v4_deployment_status_condition{{{DEPLOYMENTS}}} == 1"
    return Section(
        title="What stands",
        panels=[
            grid(
                "Conditions",
                "Every condition with its status and reason; `v4-operator explain` has the"
                " sentences.",
                Column(
                    field="condition",
                    title="Condition",
                    expr=f"max by (condition, status) ({status})",
                ),
                Column(field="status", title="Status", width=90, words=_STATUS),
                Column(
                    field="reason",
                    title="Reason",
                    expr="max by (condition, reason)"
                    f" (v4_deployment_condition_reason{{{DEPLOYMENTS}}})",
                ),
                sort="Condition",
                width=14,
            ),
            grid(
                "Findings",
                "What a person should know, by code: a configuration that can never act, a"
                " disagreement between engine and manifest, and the like.",
                Column(
                    field="code",
                    title="Code",
                    expr=f"max by (code) (v4_deployment_problems{{{DEPLOYMENTS}}} > 0)",
                ),
                sort="Code",
                width=10,
                no_value="No finding",
            ),
        ],
    )
