"""What Grafana would refuse, or a person would stumble over: found without a server."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from dashboards.source.board import as_json
from dashboards.source.boards import BOARDS
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

FOLDER = Path(__file__).parents[3] / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
DRAWABLE = {"timeseries", "stat", "bargauge", "table", "row", "text"}
VARIABLES = ("__rate_interval", "__interval", "__range_s", "__range")
Json = dict[str, Any]


def board(path: Path) -> Json:
    found: Json = json.loads(path.read_text())
    return found


def panels(path: Path) -> Iterator[Json]:
    for panel in board(path)["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions(path: Path) -> Iterator[str]:
    for panel in panels(path):
        yield from (target["expr"] for target in panel["targets"])
    for annotation in board(path)["annotations"].get("list", ()):
        yield annotation["expr"]


def with_numbers(expression: str) -> str:
    for name in VARIABLES:
        value = "60" if name.endswith("_s") else "1m"
        expression = expression.replace(f"${name}", value)
    return expression


every_board = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_the_files_are_what_the_source_writes() -> None:
    """If not: `python -m dashboards.source`."""
    made = {f"{each.uid}.json": as_json(each) for each in (make() for make in BOARDS)}
    assert {path.name: path.read_text() for path in FILES} == made


@every_board
def test_the_types_of_the_sdk_know_every_key(path: Path) -> None:
    again = json.loads(json.dumps(Dashboard.from_json(board(path)), cls=JSONEncoder))
    assert again == board(path)


@every_board
def test_every_panel_says_what_it_shows_and_in_which_unit(path: Path) -> None:
    for panel in panels(path):
        assert panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@every_board
def test_only_panels_that_can_be_drawn_without_a_server_are_used(path: Path) -> None:
    assert {panel["type"] for panel in board(path)["panels"]} <= DRAWABLE


@every_board
def test_numbers_and_titles_of_panels_are_unique(path: Path) -> None:
    numbers = [panel["id"] for panel in board(path)["panels"]]
    assert sorted(set(numbers)) == sorted(numbers)
    titles = [panel["title"] for panel in panels(path)]
    assert sorted(set(titles)) == sorted(titles)


@every_board
def test_no_panel_lies_on_another_or_beyond_the_edge(path: Path) -> None:
    places = [panel["gridPos"] for panel in board(path)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@every_board
def test_everything_asks_the_prometheus_that_was_chosen(path: Path) -> None:
    for panel in panels(path):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for variable in board(path)["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2, "labels of the chosen time range"


@every_board
def test_every_query_is_promql(path: Path) -> None:
    for expression in expressions(path):
        promql_parser.parse(with_numbers(expression))


@every_board
def test_rates_span_what_grafana_says_and_nothing_fixed(path: Path) -> None:
    for expression in expressions(path):
        for window in re.findall(r"\[([^\]]+)\]", expression):
            assert window in {"$__rate_interval", "$__range"}, expression


@every_board
def test_every_series_is_bound_to_what_was_chosen(path: Path) -> None:
    for expression in expressions(path):
        for name, selector in re.findall(r"\b(v4_\w+)(\{[^}]*\})?", expression):
            assert 'namespace=~"$namespace"' in selector, (name, expression)


@every_board
def test_a_board_can_be_found_again_and_leads_to_the_others(path: Path) -> None:
    found = board(path)
    assert found["uid"] == path.stem
    others = {f"/d/{other.stem}" for other in FILES if other != path}
    assert others <= {link["url"] for link in found["links"]}
    assert not found["editable"]


def test_uids_are_unique() -> None:
    assert len({board(path)["uid"] for path in FILES}) == len(FILES) == 3
