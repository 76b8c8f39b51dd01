"""How a deployment scales: what was wanted, recommended, decided, and what held it back."""

from dashboards.source.board import Section
from dashboards.source.panels import graph, reference, stacked, stepped
from dashboards.source.style import COUNT, EXPECTED, FORECAST, GOOD, LIMIT, OBSERVED, QUIET
from dashboards.source.targets import DEPLOYMENTS, Query


def scaling() -> Section:
    """Counts, demand, and the rules that kept or bounded the count."""
    return Section(
        title="Scaling",
        panels=[
            reference(
                stepped(
                    graph(
                        "Replicas over time",
                        "Recommended by the forecast, desired after all vetoes, held by the"
                        " workload, ready to serve, and the bounds. Marks are decisions.",
                        COUNT,
                        _count("v4_deployment_recommended_replicas", "recommended"),
                        _count("v4_deployment_desired_replicas", "desired"),
                        _count("v4_deployment_current_replicas", "held"),
                        _count("v4_deployment_ready_replicas", "ready"),
                        _count("v4_deployment_spec_max_replicas", "maximum"),
                        _count("v4_deployment_spec_min_replicas", "minimum"),
                        colors={
                            "recommended": FORECAST,
                            "desired": EXPECTED,
                            "held": OBSERVED,
                            "ready": GOOD,
                            "maximum": LIMIT,
                            "minimum": QUIET,
                        },
                    )
                ).decimals(0),
                "maximum",
                "minimum",
            ),
            reference(
                graph(
                    "Demand, in replicas",
                    "Work that is asked for, in replicas at the objectives: now, and expected by"
                    " the time a replica started now would serve.",
                    COUNT,
                    _count("v4_deployment_demand_replicas", "now"),
                    _count("v4_deployment_horizon_demand_replicas", "at the horizon"),
                    _count("v4_deployment_ready_replicas", "ready"),
                    colors={"now": OBSERVED, "at the horizon": FORECAST, "ready": GOOD},
                ),
                "ready",
            ),
            stacked(
                graph(
                    "Held back, by rule",
                    "Cycles in a minute in which a rule kept or bounded the count.",
                    COUNT,
                    Query(
                        expr="60 * sum by (reason) (rate(v4_deployment_vetoes_total"
                        f"{{{DEPLOYMENTS}}}[$__rate_interval])) > 0",
                        legend="{{reason}}",
                    ),
                    no_value="Nothing held the count back",
                ),
                bars=True,
            ).max_data_points(60),
            stacked(
                graph(
                    "Replicas by phase",
                    "Every replica that exists: serving, on its way, or stuck.",
                    COUNT,
                    Query(
                        expr=f"sum by (phase) (v4_replica_phase{{{DEPLOYMENTS}}}) > 0",
                        legend="{{phase}}",
                    ),
                    colors={"ready": GOOD, "starting": EXPECTED, "draining": QUIET},
                ).decimals(0),
                bars=True,
            ).max_data_points(60),
        ],
    )


def _count(metric: str, legend: str) -> Query:
    return Query(expr=f"max({metric}{{{DEPLOYMENTS}}})", legend=legend)
