"""What of the fleet needs somebody: conditions with their reasons, and alerts that fire."""

from dashboards.source.board import DEPLOYMENT, Section, link_to
from dashboards.source.tables import Column, grid
from dashboards.source.targets import BY_DEPLOYMENT, NAMESPACES

# Findings that stand, and what should hold but does not. A count at its minimum is as it should be.
_FINDINGS = (
    f"v4_deployment_condition_reason{{{NAMESPACES},"
    ' condition=~"HBMBudgetExceeded|ThroughputDegraded|ScalingLimited", reason!="AtMinimum"}'
    f" and on ({BY_DEPLOYMENT}, condition)"
    f' (v4_deployment_status_condition{{{NAMESPACES}, status="true"}} == 1)'
)
_FAILINGS = (
    f'v4_deployment_condition_reason{{{NAMESPACES}, condition=~"Ready|MetricsAvailable"}}'
    f" and on ({BY_DEPLOYMENT}, condition)"
    f' (v4_deployment_status_condition{{{NAMESPACES}, status="false"}} == 1)'
)
STANDING = f"({_FINDINGS} or {_FAILINGS})"
# The operator's own alerts carry no namespace.
_ALERTS = 'namespace=~"$namespace|", alertstate="firing", alertname=~"V4.*"'


def attention() -> Section:
    """Two tables side by side, each saying so when it is empty."""
    return Section(
        title="What stands",
        panels=[
            grid(
                "Conditions that need somebody",
                "Findings that stand and conditions that do not hold, each with its reason.",
                _label("namespace", "Namespace"),
                Column(
                    field="v4deployment",
                    title="Deployment",
                    link=("Open", link_to(DEPLOYMENT, "Namespace", "Deployment")),
                ),
                Column(
                    field="condition",
                    title="Condition",
                    expr=f"max by ({BY_DEPLOYMENT}, condition, reason) {STANDING}",
                ),
                _label("reason", "Reason"),
                sort="Deployment",
                width=14,
                no_value="Nothing stands",
            ),
            grid(
                "Firing alerts",
                "Alerts of this product that fire now, with or without a deployment; the name"
                " leads to the runbook.",
                Column(
                    field="alertname",
                    title="Alert",
                    expr=f"max by (alertname, severity, v4deployment) (ALERTS{{{_ALERTS}}})",
                    link=("Runbook", "${runbooks}/${__value.raw}.md"),
                ),
                _label("v4deployment", "Deployment"),
                _label("severity", "Severity", 90),
                sort="Severity",
                width=10,
                no_value="No alert fires",
            ),
        ],
    )


def _label(name: str, title: str, width: int | None = None) -> Column:
    return Column(field=name, title=title, width=width)
