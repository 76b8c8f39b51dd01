"""What every board has: variables, links to the others and to the runbooks, decisions as marks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboards.source.style import EXPECTED, OBSERVED
from dashboards.source.targets import DEPLOYMENTS, SOURCE
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as kinds

FLEET, DEPLOYMENT, CAPACITY = "v4-fleet", "v4-deployment", "v4-capacity"
_TITLES = {
    FLEET: "DeepSeek V4 / Fleet",
    DEPLOYMENT: "DeepSeek V4 / Deployment",
    CAPACITY: "DeepSeek V4 / Capacity and cost",
}
# Where the folder docs/runbooks is served; a person sets it once, the default finds none.
RUNBOOKS = "/runbooks"

Panel = Builder[kinds.Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A headline and the panels under it, left to right, wrapped at the width of the board."""

    title: str
    panels: Sequence[Panel] = field(default=())


def board(
    uid: str, description: str, sections: Sequence[Section], *, deployment: str | None
) -> kinds.Dashboard:
    """A finished board. `deployment` says how a deployment is chosen: `None`, `one`, `many`."""
    made = (
        dashboard.Dashboard(_TITLES[uid])
        .uid(uid)
        .description(description)
        .tags(["deepseek-v4"])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(kinds.DashboardCursorSync.CROSSHAIR)
        .links([_link(other) for other in _TITLES if other != uid])
        .link(_runbooks())
        .variables(_variables(deployment))
    )
    if deployment is not None:
        made.annotations([_decisions("grow", OBSERVED), _decisions("shrink", EXPECTED)])
    for section in sections:
        made.with_row(dashboard.Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    return _numbered(made.build())


def as_json(made: kinds.Dashboard) -> str:
    """The text of the committed file."""
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def link_to(uid: str, namespace: str, deployment: str) -> str:
    """Address of a board for the deployment that two columns of a table name."""
    return (
        f"/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}"
        f"&var-namespace=${{__data.fields.{namespace}}}"
        f"&var-v4deployment=${{__data.fields.{deployment}}}"
    )


def _numbered(made: kinds.Dashboard) -> kinds.Dashboard:
    for number, panel in enumerate(made.panels or [], start=1):
        panel.id_val = number
    return made


def _link(uid: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(_TITLES[uid].partition(" / ")[2])
        .type(kinds.DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def _runbooks() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Runbooks")
        .type(kinds.DashboardLinkType.LINK)
        .url("${runbooks}")
        .icon("doc")
        .target_blank(target_blank=True)
    )


def _variables(deployment: str | None) -> list[Builder[kinds.VariableModel]]:
    told: list[Builder[kinds.VariableModel]] = [
        dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        _labels("namespace", "Namespace", "v4_deployment_info")
        .multi(multi=True)
        .include_all(include_all=True),
    ]
    if deployment is not None:
        one = _labels("v4deployment", "Deployment", 'v4_deployment_info{namespace=~"$namespace"}')
        many = deployment == "many"
        told.append(one.multi(multi=many).include_all(include_all=many))
    told.append(
        dashboard.TextBoxVariable("runbooks")
        .label("Runbooks at")
        .default_value(RUNBOOKS)
        .hide(kinds.VariableHide.HIDE_VARIABLE)
    )
    return told


def _labels(name: str, label: str, series: str) -> dashboard.QueryVariable:
    query = f"label_values({series}, {name})"
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(kinds.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(kinds.VariableSort.ALPHABETICAL_ASC)
    )


def _decisions(action: str, color: str) -> dashboard.AnnotationQuery:
    counted = f'v4_deployment_decisions_total{{{DEPLOYMENTS}, action="{action}"}}'
    return (
        dashboard.AnnotationQuery()
        .name(f"Decisions to {action}")
        .datasource(SOURCE)
        .enable(enable=True)
        .hide(hide=False)
        .icon_color(color)
        .expr(f"sum by (v4deployment) (increase({counted}[$__rate_interval])) > 0")
        .title_format(f"{{{{v4deployment}}}}: {action}")
    )
