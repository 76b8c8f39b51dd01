"""The fleet board: which deployment needs me."""

from dashboards.source.attention import STANDING, attention
from dashboards.source.board import FLEET, Section, board
from dashboards.source.cost import devices
from dashboards.source.fleet_table import deployments
from dashboards.source.panels import figure, graph, mostly_zero, stacked, with_line_at
from dashboards.source.style import (
    BAD,
    COUNT,
    DOLLARS,
    EFFICIENCY_LINE,
    GOOD,
    KV_LINE,
    NONE_IS_GOOD,
    RATIO,
    SECONDS,
    TOKENS_PER_SECOND,
)
from dashboards.source.targets import BY_DEPLOYMENT, NAMESPACES, Query, fullest
from grafana_foundation_sdk.models import dashboard as kinds

_LEGEND = "{{namespace}}/{{v4deployment}}"


def fleet() -> kinds.Dashboard:
    """All deployments of the chosen namespaces."""
    return board(
        FLEET,
        "Which deployment needs me: verdicts, objectives, replicas and cost of every deployment.",
        [_now(), deployments(), attention(), _trends(), _operator()],
        deployment=None,
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=[
            figure(
                "Deployments",
                "Deployments that the operator reports on.",
                COUNT,
                Query(expr=f"count(v4_deployment_info{{{NAMESPACES}}})", legend="deployments"),
            ),
            figure(
                "Need attention",
                "Deployments with a condition that should not stand; the table below names it.",
                COUNT,
                Query(
                    expr=f"count(max by ({BY_DEPLOYMENT}) {STANDING}) or vector(0)",
                    legend="need attention",
                ),
                steps=NONE_IS_GOOD,
            ),
            figure(
                "Replicas",
                "Replicas that serve, and replicas that the last decisions ask for.",
                COUNT,
                Query(expr=f"sum(v4_deployment_ready_replicas{{{NAMESPACES}}})", legend="ready"),
                Query(
                    expr=f"sum(v4_deployment_desired_replicas{{{NAMESPACES}}})", legend="desired"
                ),
            ),
            figure(
                "Decode speed",
                "Tokens that all replicas with fresh metrics generate in a second.",
                TOKENS_PER_SECOND,
                Query(
                    expr=f"sum(v4_deployment_decode_tokens_per_second{{{NAMESPACES}}})",
                    legend="decode",
                ),
                decimals=1,
            ),
            figure(
                "Devices",
                "Accelerators that existing replicas hold, serving or not, of those with a price.",
                COUNT,
                Query(
                    expr=f"sum({devices(NAMESPACES)})",
                    legend="devices",
                ),
                decimals=0,
            ),
            figure(
                "Cost per hour",
                "Price of the devices that are held now; absent where no price is known.",
                DOLLARS,
                Query(
                    expr=f"sum(v4_deployment_cost_dollars_per_hour{{{NAMESPACES}}})", legend="cost"
                ),
                decimals=0,
            ),
        ],
    )


def _trends() -> Section:
    return Section(
        title="Trends",
        panels=[
            stacked(
                graph(
                    "Decode speed by deployment",
                    "Tokens generated in a second, by deployment, on top of each other.",
                    TOKENS_PER_SECOND,
                    _each("v4_deployment_decode_tokens_per_second"),
                )
            ),
            with_line_at(
                graph(
                    "Efficiency by deployment",
                    "Decoded over expected tokens at the same batch and context. 1 is what the"
                    " model expects; absent where it cannot be told.",
                    RATIO,
                    _each("v4_deployment_decode_efficiency_ratio"),
                ),
                EFFICIENCY_LINE,
            ),
            with_line_at(
                graph(
                    "Fullest KV cache by deployment",
                    "Share of the KV cache in use. Above the line engines begin to preempt.",
                    RATIO,
                    _each("v4_replica_kv_cache_usage_ratio"),
                ),
                KV_LINE,
            ),
            mostly_zero(
                graph(
                    "Requests that wait",
                    "Requests inside engines that are not running yet, by deployment.",
                    COUNT,
                    Query(
                        expr=f"sum by ({BY_DEPLOYMENT})"
                        f" (v4_replica_waiting_requests{{{NAMESPACES}}})",
                        legend=_LEGEND,
                    ),
                )
            ),
        ],
    )


def _operator() -> Section:
    return Section(
        title="Operator",
        panels=[
            graph(
                "Time for one deployment",
                "How long a cycle of the operator takes for one deployment, half and 99 % of them.",
                SECONDS,
                _work(0.99, "99 %"),
                _work(0.5, "50 %"),
                width=8,
            ),
            mostly_zero(
                graph(
                    "Cycles that failed",
                    "Cycles that ended in an error and are tried again, in a second.",
                    COUNT,
                    Query(
                        expr="sum by (controller)"
                        " (rate(controller_runtime_reconcile_errors_total[$__rate_interval]))",
                        legend="{{controller}}",
                    ),
                    width=8,
                )
            ),
            graph(
                "Scrapes of engines",
                "Scrapes in a second, good and failed.",
                COUNT,
                Query(
                    expr="sum by (result)"
                    f" (rate(v4_replica_scrapes_total{{{NAMESPACES}}}[$__rate_interval]))",
                    legend="{{result}}",
                ),
                width=8,
                colors={"good": GOOD, "failed": BAD},
            ),
        ],
    )


def _each(metric: str) -> Query:
    return Query(expr=fullest(metric), legend=_LEGEND)


def _work(quantile: float, legend: str) -> Query:
    buckets = "rate(controller_runtime_reconcile_time_seconds_bucket[$__rate_interval])"
    return Query(expr=f"histogram_quantile({quantile}, sum by (le) ({buckets}))", legend=legend)
