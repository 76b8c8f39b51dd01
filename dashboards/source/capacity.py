"""The capacity board: is there room, what would more of it buy, what does it cost."""

from dashboards.source.board import CAPACITY, Section, board
from dashboards.source.cost import cost, cost_now
from dashboards.source.panels import bars, figure, graph, reference, stepped, with_line_at
from dashboards.source.style import (
    BAD,
    COUNT,
    EXPECTED,
    FORECAST,
    GOOD,
    LIMIT,
    OBSERVED,
    RATIO,
    SECONDS,
    TOKENS_PER_SECOND,
    WARN,
    Steps,
)
from dashboards.source.targets import BY_DEPLOYMENT, DEPLOYMENTS, Query
from grafana_foundation_sdk.models import dashboard as kinds

_LEGEND = "{{namespace}}/{{v4deployment}}"
_ROOM: Steps = ((None, BAD), (0, WARN), (1, GOOD))  # one replica may fail
_USED: Steps = ((None, GOOD), (0.8, WARN), (1, BAD))
_ZERO: Steps = ((None, "transparent"), (0, BAD))


def capacity() -> kinds.Dashboard:
    """One deployment or several together."""
    return board(
        CAPACITY,
        "Forecast, headroom, what each extra replica buys, GPU-hours, cost, break-even.",
        [_now(), _demand(), _replicas(), cost()],
        deployment="many",
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=[
            figure(
                "Headroom",
                "Replicas that serve less what the demand needs; below 1 no replica may fail.",
                COUNT,
                Query(expr=f"min({_headroom()})", legend="replicas"),
                steps=_ROOM,
                decimals=1,
            ),
            figure(
                "Capacity in use",
                "Demand over replicas that serve.",
                RATIO,
                Query(
                    expr=f"sum(v4_deployment_demand_replicas{{{DEPLOYMENTS}}})"
                    f" / sum(v4_deployment_ready_replicas{{{DEPLOYMENTS}}})",
                    legend="in use",
                ),
                steps=_USED,
                decimals=0,
            ),
            figure(
                "Start-up",
                "Learned time from creation to ready of a new replica; the horizon follows it.",
                SECONDS,
                Query(expr=f"max(v4_deployment_start_up_seconds{{{DEPLOYMENTS}}})", legend="time"),
            ),
            *cost_now(),
        ],
    )


def _demand() -> Section:
    return Section(
        title="Demand and forecast",
        panels=[
            reference(
                graph(
                    "Forecast and what came",
                    "Demand in replicas, what was forecast for this moment one horizon earlier,"
                    " and the replicas that serve.",
                    COUNT,
                    _sum("v4_deployment_demand_replicas", "came"),
                    _sum("v4_deployment_forecast_due_demand_replicas", "was forecast"),
                    _sum("v4_deployment_horizon_demand_replicas", "expected at the horizon"),
                    _sum("v4_deployment_ready_replicas", "ready"),
                    colors={
                        "came": OBSERVED,
                        "was forecast": FORECAST,
                        "expected at the horizon": EXPECTED,
                        "ready": GOOD,
                    },
                ),
                "was forecast",
                "expected at the horizon",
            ),
            with_line_at(
                graph(
                    "Headroom by deployment",
                    "Replicas that serve less what the demand needs. Below zero the objectives"
                    " are at risk.",
                    COUNT,
                    Query(expr=_headroom(), legend=_LEGEND),
                ).axis_soft_min(-1),
                _ZERO,
            ),
        ],
    )


def _replicas() -> Section:
    return Section(
        title="Replicas",
        panels=[
            bars(
                "What each extra replica buys",
                "Decode speed of the fleet at the objectives with one replica less, as now, and"
                " with one to three more: two replicas are not twice one.",
                TOKENS_PER_SECOND,
                *(_with_extra(extra, name) for extra, name in _EXTRAS),
                width=8,
                color=OBSERVED,
            ).decimals(1),
            stepped(
                graph(
                    "Recommended and actual",
                    "Replicas that the forecast asks for, that the workload holds, that serve.",
                    COUNT,
                    _sum("v4_deployment_recommended_replicas", "recommended"),
                    _sum("v4_deployment_current_replicas", "held"),
                    _sum("v4_deployment_ready_replicas", "ready"),
                    width=8,
                    colors={"recommended": FORECAST, "held": OBSERVED, "ready": GOOD},
                )
            ).decimals(0),
            reference(
                graph(
                    "Decode speed and capacity",
                    "Tokens generated in a second, and what the replicas that serve could do at"
                    " the objectives.",
                    TOKENS_PER_SECOND,
                    _sum("v4_deployment_decode_tokens_per_second", "observed"),
                    _with_extra("0", "capacity"),
                    width=8,
                    colors={"observed": OBSERVED, "capacity": LIMIT},
                ),
                "capacity",
            ),
        ],
    )


_EXTRAS = (
    ("-1", "-1"),
    ("0", "now"),
    ("1", "+1"),
    ("2", "+2"),
    ("3", "+3"),
)


def _with_extra(extra: str, name: str) -> Query:
    metric = "v4_deployment_capacity_decode_tokens_per_second"
    return Query(expr=f'sum({metric}{{{DEPLOYMENTS}, extra="{extra}"}})', legend=name)


def _headroom() -> str:
    ready = f"max by ({BY_DEPLOYMENT}) (v4_deployment_ready_replicas{{{DEPLOYMENTS}}})"
    return f"{ready} - max by ({BY_DEPLOYMENT}) (v4_deployment_demand_replicas{{{DEPLOYMENTS}}})"


def _sum(metric: str, legend: str) -> Query:
    return Query(expr=f"sum({metric}{{{DEPLOYMENTS}}})", legend=legend)
