"""The few kinds of panels that the boards are made of: graph, figure, bars.

Only types that Grafana's packages can draw outside a server, so that every panel is drawn in tests.
"""

from collections.abc import Mapping

from dashboards.source.style import PLAIN, QUIET, Steps, fixed
from dashboards.source.targets import SOURCE, Query, now, over_time
from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DynamicConfigValue,
    FieldColorModeId,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
)

FIGURE_HEIGHT = 4
_STATE_WIDTH = 4
GRAPH_HEIGHT = 8
# What a panel says where there is no series: a replica that is not there, a price that is unknown.
NOTHING = "Nothing reported"


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    colors: Mapping[str, str] | None = None,
    no_value: str = NOTHING,
) -> timeseries.Panel:
    """Lines over time on an axis with zero, with a legend; `colors` by name of the series."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .axis_soft_min(0)
        .datasource(SOURCE)
        .span(width)
        .height(GRAPH_HEIGHT)
        .targets(list(over_time(queries)))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .line_width(2)
        .fill_opacity(0)
        .show_points(kinds.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(_tooltip())
    )
    for name, color in (colors or {}).items():
        panel.override_by_name(name, [fixed(color)])
    return panel.no_value(no_value)


def stacked(panel: timeseries.Panel, *, bars: bool = False) -> timeseries.Panel:
    """The same graph with its series on top of each other."""
    style = kinds.GraphDrawStyle.BARS if bars else kinds.GraphDrawStyle.LINE
    return (
        panel.draw_style(style)
        .line_width(1)
        .fill_opacity(70 if bars else 30)
        .stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    )


def stepped(panel: timeseries.Panel) -> timeseries.Panel:
    """The same graph for counts that jump."""
    return panel.line_interpolation(kinds.LineInterpolation.STEP_AFTER)


def mostly_zero(panel: timeseries.Panel) -> timeseries.Panel:
    """The same graph for what is 0 when all is well: its axis then ends at 1, not at 100."""
    return panel.axis_soft_max(1)


def with_line_at(panel: timeseries.Panel, steps: Steps) -> timeseries.Panel:
    """The same graph with a dashed line at each threshold."""
    style = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(thresholds(steps)).thresholds_style(style)


def reference(panel: timeseries.Panel, *names: str) -> timeseries.Panel:
    """The same graph in which these series are dashed, and never stacked on the others."""
    for name in names:
        panel.override_by_name(name, _dashed())
    return panel


def reference_like(panel: timeseries.Panel, pattern: str, color: str) -> timeseries.Panel:
    """The same for every series whose name matches, all in one colour."""
    return panel.override_by_regexp(pattern, [*_dashed(), fixed(color)])


def figure(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 4,
    steps: Steps = PLAIN,
    decimals: int | None = None,
    no_value: str = "unknown",
) -> stat.Panel:
    """One number (or a few, each with its name) as of now, in the colour of its threshold."""
    text = "value_and_name" if len(queries) > 1 else "value"
    panel = _figure(title, description, unit, queries, width).thresholds(thresholds(steps))
    panel.text_mode(kinds.BigValueTextMode(text)).mappings([_quiet(no_value)])
    return panel if decimals is None else panel.decimals(decimals)


def state(
    title: str, description: str, query: Query, colors: Mapping[str, str], *, other: str = QUIET
) -> stat.Panel:
    """The word that holds now: the name of the only series, in the colour of the word."""
    panel = (
        _figure(title, description, "none", (query,), _STATE_WIDTH)
        .text_mode(kinds.BigValueTextMode.NAME)
        .thresholds(thresholds(((None, other),)))
        .no_value("unknown")
    )
    for word, color in colors.items():
        panel.override_by_name(word, [fixed(color)])
    return panel


def bars(
    title: str, description: str, unit: str, *queries: Query, width: int = 12, color: str
) -> bargauge.Panel:
    """Horizontal bars, one for each series, as of now."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .datasource(SOURCE)
        .span(width)
        .height(GRAPH_HEIGHT)
        .targets(list(now(queries)))
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .name_placement(kinds.BarGaugeNamePlacement.LEFT)
        .value_mode(kinds.BarGaugeValueMode.TEXT)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(color))
        .reduce_options(_last())
    )


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Grafana's form of the steps."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


def _dashed() -> list[DynamicConfigValue]:
    return [
        DynamicConfigValue(id_val="custom.drawStyle", value="line"),
        DynamicConfigValue(id_val="custom.fillOpacity", value=0),
        DynamicConfigValue(id_val="custom.lineWidth", value=2),
        DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]}),
        DynamicConfigValue(id_val="custom.stacking", value={"mode": "none", "group": "A"}),
    ]


def _figure(
    title: str, description: str, unit: str, queries: tuple[Query, ...], width: int
) -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(FIGURE_HEIGHT)
        .targets(list(now(queries)))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.VALUE)
        .reduce_options(_last())
    )


def _quiet(text: str) -> SpecialValueMap:
    """What is not known is grey, not in the colour of the lowest threshold."""
    result = ValueMappingResult(text=text, color=QUIET, index=0)
    match = SpecialValueMatch.NULL
    return SpecialValueMap(options=DashboardSpecialValueMapOptions(match=match, result=result))


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .calcs([])
    )


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions()
        .mode(kinds.TooltipDisplayMode.MULTI)
        .sort(kinds.SortOrder.DESCENDING)
    )
