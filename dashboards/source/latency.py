"""The objectives of a deployment: time to first token and inter-token latency."""

from dashboards.source.board import Section
from dashboards.source.objectives import attained
from dashboards.source.panels import graph, reference
from dashboards.source.style import LIMIT, OBSERVED, QUIET, RATIO, SECONDS
from dashboards.source.targets import DEPLOYMENTS, Query
from grafana_foundation_sdk.builders import timeseries

_LOWEST = 0.95  # an axis from zero would hide what is lost of the last per cent
TTFT, ITL = "ttft", "inter-token-latency"


def latency() -> Section:
    """Attainment of both objectives with its band, and the speed that a reader sees."""
    return Section(
        title="Objectives",
        panels=[
            _attainment(TTFT, "Time to first token", "requests whose first token came in time"),
            _attainment(ITL, "Inter-token latency", "tokens that came in time"),
            reference(
                graph(
                    "Seconds between two tokens",
                    "Mean over all running requests (running / decode speed), against the"
                    " objective. Per token, not per step, so speculation counts.",
                    SECONDS,
                    Query(
                        expr=f"sum(v4_replica_running_requests{{{DEPLOYMENTS}}}) / "
                        f"sum(rate(v4_replica_generated_tokens_total{{{DEPLOYMENTS}}}"
                        "[$__rate_interval]) > 0)",
                        legend="mean",
                    ),
                    Query(
                        expr=f'max(v4_slo_objective_seconds{{{DEPLOYMENTS}, slo="{ITL}"}})',
                        legend="objective",
                    ),
                    width=8,
                    colors={"mean": OBSERVED, "objective": LIMIT},
                ),
                "objective",
            ),
        ],
    )


def _attainment(slo: str, title: str, counted: str) -> timeseries.Panel:
    panel = graph(
        f"{title}: met",
        f"Share of {counted}. Between the two lines lies what the engine's buckets leave"
        " undecided; alerts count it as met.",
        RATIO,
        Query(expr=attained(slo, DEPLOYMENTS, "$__rate_interval"), legend="met, at most"),
        Query(
            expr=attained(slo, DEPLOYMENTS, "$__rate_interval", strict=True),
            legend="met, certainly",
        ),
        Query(expr=f'max(v4_slo_target_ratio{{{DEPLOYMENTS}, slo="{slo}"}})', legend="promised"),
        width=8,
        colors={"met, at most": OBSERVED, "met, certainly": QUIET, "promised": LIMIT},
    )
    return reference(panel.axis_soft_min(_LOWEST).max(1), "promised")
