"""Queries: what a panel asks Prometheus for, under which name it shows."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

# One board shows one deployment or several: the same selector serves both.
DEPLOYMENTS = 'namespace=~"$namespace", v4deployment=~"$v4deployment"'
NAMESPACES = 'namespace=~"$namespace"'
BY_DEPLOYMENT = "namespace, v4deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One expression, and the name of its series (`{{label}}` is filled in)."""

    expr: str
    legend: str


def fullest(metric: str) -> str:
    """The highest value of each deployment in the chosen namespaces."""
    return f"max by ({BY_DEPLOYMENT}) ({metric}{{{NAMESPACES}}})"


def over_time(queries: tuple[Query, ...]) -> tuple[Dataquery, ...]:
    """Targets for a graph."""
    return tuple(
        Dataquery().expr(one.expr).legend_format(one.legend).range().ref_id(_letter(index))
        for index, one in enumerate(queries)
    )


def now(queries: tuple[Query, ...]) -> tuple[Dataquery, ...]:
    """Targets for what is shown as of the end of the time range."""
    return tuple(
        Dataquery().expr(one.expr).legend_format(one.legend).instant().ref_id(_letter(index))
        for index, one in enumerate(queries)
    )


def rows(expressions: tuple[str, ...]) -> tuple[Dataquery, ...]:
    """Targets for a table: labels and `Value #A`, `Value #B`, ... become columns."""
    return tuple(
        Dataquery()
        .expr(expr)
        .legend_format("")
        .instant()
        .format(PromQueryFormat.TABLE)
        .ref_id(_letter(index))
        for index, expr in enumerate(expressions)
    )


def _letter(index: int) -> str:
    return chr(ord("A") + index)
