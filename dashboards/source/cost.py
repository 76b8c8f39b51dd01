"""Money: what the devices cost, what a token costs, and what the API would ask for it."""

from dashboards.source.board import Section
from dashboards.source.panels import figure, graph, reference, reference_like, stacked
from dashboards.source.style import (
    BAD,
    COUNT,
    DOLLARS,
    GOOD,
    LIMIT,
    OBSERVED,
    RATIO,
    TOKENS,
    WARN,
    Steps,
)
from dashboards.source.tables import Column, grid
from dashboards.source.targets import BY_DEPLOYMENT, DEPLOYMENTS, Query
from grafana_foundation_sdk.builders import stat, table

_LEGEND = "{{namespace}}/{{v4deployment}}"
_SECONDS_PER_HOUR = 3600
_PER_MILLION = 1e6
# What the API would cost over what the devices cost: above 1 the own fleet is the cheaper one.
_BREAK_EVEN: Steps = ((None, BAD), (0.8, WARN), (1, GOOD))


def cost_now() -> tuple[stat.Panel, ...]:
    """Figures for the top of the board."""
    return (
        figure(
            "Cost per hour",
            "Price of the devices that are held now; absent where no price is known.",
            DOLLARS,
            Query(expr=f"sum(v4_deployment_cost_dollars_per_hour{{{DEPLOYMENTS}}})", legend="now"),
            decimals=0,
        ),
        figure(
            "Cost per Mtok",
            "Cost of the time range over the millions of tokens generated in it.",
            DOLLARS,
            Query(
                expr=f"{_spent('$__range')} / ({_generated('$__range')} / {_PER_MILLION:.0f})",
                legend="cost",
            ),
            decimals=2,
        ),
        figure(
            "API / own cost",
            "What the provider's API would ask for the same tokens, over what the devices cost."
            " Above 100 % the own fleet is cheaper.",
            RATIO,
            Query(expr=f"sum({_api('$__range')}) / {_spent('$__range')}", legend="ratio"),
            steps=_BREAK_EVEN,
            decimals=0,
        ),
    )


def cost() -> Section:
    """Over time, and by deployment for the whole time range."""
    return Section(
        title="Cost",
        panels=[
            stacked(
                graph(
                    "Devices held",
                    "Accelerators that existing replicas hold, of those with a price; the area is"
                    " device-hours.",
                    COUNT,
                    Query(
                        expr=f"sum by ({BY_DEPLOYMENT}) ({devices(DEPLOYMENTS)})",
                        legend=_LEGEND,
                    ),
                    width=8,
                )
            ),
            reference_like(
                graph(
                    "Cost per hour by deployment",
                    "What each deployment spends in an hour, and its budget where one is set.",
                    DOLLARS,
                    _each("v4_deployment_cost_dollars_per_hour", _LEGEND),
                    _each("v4_deployment_cost_budget_dollars_per_hour", f"budget of {_LEGEND}"),
                    width=8,
                ),
                "/^budget of /",
                LIMIT,
            ),
            reference(
                graph(
                    "Break-even against the API",
                    "What is spent in an hour, and what the provider's API would ask for the same"
                    " tokens. Above the dashed line the API would be cheaper.",
                    DOLLARS,
                    Query(
                        expr=f"sum(v4_deployment_cost_dollars_per_hour{{{DEPLOYMENTS}}})",
                        legend="own fleet",
                    ),
                    Query(expr=_per_hour(f"sum({_api('$__rate_interval')})"), legend="API"),
                    width=8,
                    colors={"own fleet": OBSERVED, "API": "orange"},
                ),
                "API",
            ),
            _by_deployment(),
        ],
    )


def devices(selector: str) -> str:
    """Devices held by each deployment: what they cost an hour over the price of one."""
    spent = f"v4_deployment_cost_dollars_per_hour{{{selector}}}"
    return f"{spent} / v4_deployment_device_price_dollars_per_hour{{{selector}}}"


def _by_deployment() -> table.Panel:
    return grid(
        "Cost of the time range, by deployment",
        "Device-hours and dollars of the chosen time range, tokens generated in it, what a million"
        " of them cost, and what the provider's API would have asked for the same traffic.",
        Column(field="namespace", title="Namespace"),
        Column(field="v4deployment", title="Deployment"),
        Column(
            field="Value #A",
            title="Device-hours",
            width=130,
            expr=f"sum by ({BY_DEPLOYMENT}) (increase(v4_deployment_device_seconds_total"
            f"{{{DEPLOYMENTS}}}[$__range])) / {_SECONDS_PER_HOUR}",
            unit=COUNT,
            decimals=1,
        ),
        _money("B", "Cost", _over_range(_spent("$__range", BY_DEPLOYMENT))),
        Column(
            field="Value #C",
            title="Output tokens",
            width=130,
            expr=_over_range(_generated("$__range", BY_DEPLOYMENT)),
            unit=TOKENS,
            decimals=1,
        ),
        _money(
            "D",
            "$ per million",
            f"{_spent('$__range', BY_DEPLOYMENT)}"
            f" / ({_generated('$__range', BY_DEPLOYMENT)} / {_PER_MILLION:.0f})",
        ),
        _money("E", "API would ask", _over_range(_api("$__range"))),
        Column(
            field="Value #F",
            title="API over own",
            width=120,
            expr=f"{_api('$__range')} / {_spent('$__range', BY_DEPLOYMENT)}",
            unit=RATIO,
            decimals=0,
            steps=_BREAK_EVEN,
        ),
        sort="Deployment",
        height=6,
    )


def _money(letter: str, title: str, expr: str) -> Column:
    return Column(
        field=f"Value #{letter}", title=title, width=130, expr=expr, unit=DOLLARS, decimals=2
    )


def _each(metric: str, legend: str) -> Query:
    return Query(expr=f"max by ({BY_DEPLOYMENT}) ({metric}{{{DEPLOYMENTS}}})", legend=legend)


def _spent(window: str, by: str = "") -> str:
    return _rate("v4_deployment_cost_dollars_total", window, by)


def _generated(window: str, by: str = "") -> str:
    return _rate("v4_replica_generated_tokens_total", window, by)


def _api(window: str) -> str:
    """Dollars in a second that the API would ask for each deployment's traffic."""
    prompt = _rate("v4_replica_prompt_tokens_total", window, BY_DEPLOYMENT)
    hits = _rate("v4_replica_prefix_hit_tokens_total", window, BY_DEPLOYMENT)
    hits = f"({hits} or 0 * {prompt})"  # an engine that tells of no hits: none is discounted
    return (
        f"(({prompt} - {hits}) * {_price('input')} + {hits} * {_price('cached-input')}"
        f" + {_generated(window, BY_DEPLOYMENT)} * {_price('output')}) / {_PER_MILLION:.0f}"
    )


def _price(kind: str) -> str:
    metric = "v4_deployment_api_dollars_per_million_tokens"
    return f'max by ({BY_DEPLOYMENT}) ({metric}{{{DEPLOYMENTS}, kind="{kind}"}})'


def _rate(metric: str, window: str, by: str) -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{DEPLOYMENTS}}}[{window}]))"


def _over_range(per_second: str) -> str:
    return f"({per_second}) * $__range_s"


def _per_hour(per_second: str) -> str:
    return f"{_SECONDS_PER_HOUR} * {per_second}"
