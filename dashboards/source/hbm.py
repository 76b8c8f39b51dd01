"""Memory of one device: what the plan needs and what the engines hold, against the budget."""

from dashboards.source.board import Section
from dashboards.source.panels import GRAPH_HEIGHT, NOTHING, figure, graph, reference, stacked
from dashboards.source.style import BYTES, EXPECTED, LIMIT, OBSERVED, QUIET, TOKENS
from dashboards.source.targets import DEPLOYMENTS, Query
from grafana_foundation_sdk.builders import timeseries

# A bar every few minutes is enough for what changes with a deployment.
_BARS = 30
_COMPONENTS = {"weights": OBSERVED, "kv-cache": "purple", "overhead": QUIET}


def hbm() -> Section:
    """Two stacks with the budget over them, and the KV cache that is left."""
    return Section(
        title="HBM of one device",
        panels=[
            _stack(
                "Planned",
                "Bytes of one device that weights, KV cache and overhead take by the plan.",
                "v4_deployment_hbm_bytes",
            ),
            _stack(
                "Live, fullest replica",
                "The same from what the engines report.",
                "v4_deployment_hbm_live_bytes",
                "The engine reports no memory",
            ),
            figure(
                "KV capacity",
                "Tokens that the KV caches of all replicas hold together.",
                TOKENS,
                _one("v4_deployment_kv_capacity_tokens", "tokens"),
                decimals=1,
            ).height(GRAPH_HEIGHT),
        ],
    )


def _stack(title: str, description: str, metric: str, no_value: str = NOTHING) -> timeseries.Panel:
    panel = graph(
        title,
        f"{description} Dashed: the budget, and what the device has. SGLang's budget"
        " holds weights and KV cache; its overhead lies above.",
        BYTES,
        _part(metric, '="weights"'),
        _part(metric, '="kv-cache"'),
        _part(metric, '!~"weights|kv-cache"'),
        _one("v4_deployment_hbm_budget_bytes", "budget"),
        _one("v4_deployment_hbm_device_bytes", "device"),
        width=10,
        colors={**_COMPONENTS, "budget": LIMIT, "device": EXPECTED},
        no_value=no_value,
    )
    return reference(stacked(panel, bars=True).max_data_points(_BARS), "budget", "device")


def _part(metric: str, component: str) -> Query:
    selector = f"{DEPLOYMENTS}, component{component}"
    return Query(expr=f"max by (component) ({metric}{{{selector}}})", legend="{{component}}")


def _one(metric: str, legend: str) -> Query:
    return Query(expr=f"max({metric}{{{DEPLOYMENTS}}})", legend=legend)
