"""Tables: several instant queries side by side, one row for each deployment or replica."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboards.source.panels import NOTHING, thresholds
from dashboards.source.style import PLAIN, QUIET, Steps, mapping
from dashboards.source.targets import SOURCE, rows
from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

_NARROWEST = 60  # pixels; Grafana's default of 150 makes a table of a dozen columns scroll sideways


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: `field` is a label, or `Value #A` of the first query and so on.

    `expr` is the query that brings it, if it is not a label of another one. Columns without a
    `width` (pixels) share what the others leave.
    """

    field: str
    title: str
    width: int | None = None
    expr: str | None = None
    unit: str | None = None
    decimals: int | None = None
    steps: Steps | None = None
    words: Mapping[str, str] | None = None
    link: tuple[str, str] | None = None


def grid(
    title: str,
    description: str,
    *columns: Column,
    sort: str,
    descending: bool = False,
    height: int = 8,
    width: int = 24,
    no_value: str = NOTHING,
) -> table.Panel:
    """A table of these columns in this order, and of nothing else."""
    expressions = tuple(column.expr for column in columns if column.expr is not None)
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .unit("none")
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .targets(list(rows(expressions)))
        .thresholds(thresholds(PLAIN))
        .transformations([_merged(), _named(columns)])
        .cell_height(kinds.TableCellHeight.SM)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(desc=descending)])
        .align(kinds.FieldTextAlignment.AUTO)
        .min_width(_NARROWEST)
    )
    for column in columns:
        panel.override_by_name(column.title, _properties(column))
    return panel.no_value(no_value)


def _merged() -> DataTransformerConfig:
    return DataTransformerConfig(id_val="merge", options={})


def _named(columns: tuple[Column, ...]) -> DataTransformerConfig:
    fields = [column.field for column in columns]
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {},
            "includeByName": dict.fromkeys(fields, True),
            "indexByName": {field: index for index, field in enumerate(fields)},
            "renameByName": {column.field: column.title for column in columns},
        },
    )


def _properties(column: Column) -> list[DynamicConfigValue]:
    told: list[DynamicConfigValue] = []
    if column.width is not None:
        told.append(DynamicConfigValue(id_val="custom.width", value=column.width))
    if column.field.startswith("Value "):
        told.append(_dash_for_nothing())
    if column.unit is not None:
        told.append(DynamicConfigValue(id_val="unit", value=column.unit))
    if column.decimals is not None:
        told.append(DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.words is not None:
        told += [mapping(column.words), _colored()]
    if column.steps is not None:
        told += [_at(column.steps), _colored()]
    if column.link is not None:
        title, url = column.link
        told.append(DynamicConfigValue(id_val="links", value=[{"title": title, "url": url}]))
    return told


def _dash_for_nothing() -> DynamicConfigValue:
    """A figure that one row lacks is a quiet dash; the sentence is for a table without rows."""
    result = {"text": "-", "color": QUIET, "index": 0}
    value = [{"type": "special", "options": {"match": "null", "result": result}}]
    return DynamicConfigValue(id_val="mappings", value=value)


def _colored() -> DynamicConfigValue:
    return DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"})


def _at(steps: Steps) -> DynamicConfigValue:
    told = [{"value": value, "color": color} for value, color in steps]
    return DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": told})
