"""The committed boards, drawn by Grafana's own components on what a real operator exported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from tests.dashboards.drawing import Drawn
from tests.dashboards.gallery import BOARDS, GROWING, SICK, TOO_LARGE, Gallery, board, gallery

# Recording and drawing take a minute and a half; a machine that is busy takes several.
pytestmark = pytest.mark.timeout(900)

FLEET, DEPLOYMENT, CAPACITY = "v4-fleet", "v4-deployment", "v4-capacity"
SHOWN = ((FLEET, ".*"), (DEPLOYMENT, GROWING), (DEPLOYMENT, SICK), (CAPACITY, ".*"))
WIDTHS = (1280, 1920)
# Panels that have nothing to show when all is well, and say so in their own words.
MAY_BE_EMPTY = {
    "Firing alerts": "No alert fires",
    "Accepted length": "No speculative decoding",
    "Findings": "No finding",
    "Held back, by rule": "Nothing held the count back",
}
# What Prometheus itself makes of the rules.
OF_PROMETHEUS = {"ALERTS"}

every_shown = pytest.mark.parametrize(
    ("uid", "deployment"), SHOWN, ids=[f"{uid}-{name.strip('.*')}" for uid, name in SHOWN]
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery")) as open_gallery:
        yield open_gallery


def targets(uid: str, shown: Gallery, deployment: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in shown.moment(deployment).fill(board(uid))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target


def answers(shown: Gallery, deployment: str, target: dict[str, Any]) -> list[dict[str, Any]]:
    moment = shown.moment(deployment)
    if target.get("instant"):
        return shown.prometheus.query(target["expr"], at_seconds=moment.end)
    return shown.prometheus.query_range(
        target["expr"],
        start_seconds=moment.start,
        end_seconds=moment.end,
        step_seconds=moment.step,
    )


def metrics(expression: Any) -> Iterator[str]:
    if isinstance(expression, promql_parser.VectorSelector) and expression.name:
        yield expression.name
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(expression, name, None)
        if child is not None:
            yield from metrics(child)
    for child in getattr(expression, "args", ()):
        yield from metrics(child)


@pytest.mark.parametrize("uid", sorted(path.stem for path in BOARDS.glob("*.json")))
def test_every_metric_is_one_that_the_operator_exports(uid: str, shown: Gallery) -> None:
    asked = {
        name
        for _, target in targets(uid, shown, ".*")
        for name in metrics(promql_parser.parse(target["expr"]))
    }

    assert asked - OF_PROMETHEUS <= shown.recording.names
    assert len(asked) > 10


@every_shown
def test_prometheus_answers_every_query_with_series(
    uid: str, deployment: str, shown: Gallery
) -> None:
    silent = {
        title
        for title, target in targets(uid, shown, deployment)
        if not answers(shown, deployment, target)
    }

    assert silent <= set(MAY_BE_EMPTY)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", WIDTHS)
@every_shown
def test_every_panel_shows_what_prometheus_holds(
    uid: str, deployment: str, width: int, theme: str, shown: Gallery, tmp_path: Path
) -> None:
    drawn = shown.easel.draw(
        board(uid),
        shown.moment(deployment),
        theme=theme,
        width=width,
        picture=tmp_path / "picture.png",
    )

    assert_sound(drawn)
    assert empty(drawn) <= set(MAY_BE_EMPTY)
    for title in empty(drawn):
        assert MAY_BE_EMPTY[title] in drawn.panel(title)["text"]
    for panel in drawn.panels:
        if panel["type"] in {"timeseries", "stat", "bargauge"}:
            assert panel["series"] == held(uid, deployment, panel["title"], shown), panel["title"]


def assert_sound(drawn: Drawn) -> None:
    assert drawn.complaints == ()
    for panel in drawn.panels:
        assert "No data" not in panel["text"], panel["title"]
        assert panel["outside"] == [], panel["title"]
        assert panel["cut"] == [], panel["title"]


def empty(drawn: Drawn) -> set[str]:
    return {
        panel["title"]
        for panel in drawn.panels
        if panel["type"] not in {"row", "text"} and not panel["rows"]
    }


def held(uid: str, deployment: str, title: str, shown: Gallery) -> int:
    """Series that Prometheus answers a panel's queries with."""
    return sum(
        len(answers(shown, deployment, target))
        for of, target in targets(uid, shown, deployment)
        if of == title
    )


def test_the_fleet_board_says_which_deployment_needs_somebody_and_why(shown: Gallery) -> None:
    drawn = shown.easel.draw(board(FLEET), shown.moment(".*"))

    every = drawn.panel("Every deployment")
    assert every["rows"] == 3
    assert {GROWING, SICK, TOO_LARGE, "SickReplica", "weights-exceed"} <= set(every["text"])
    assert "2" in drawn.panel("Need attention")["text"]
    standing = drawn.panel("Conditions that need somebody")["text"]
    assert {"ThroughputDegraded", "HBMBudgetExceeded"} <= set(standing)
    assert GROWING not in standing


def test_the_deployment_board_names_the_sick_replica(shown: Gallery) -> None:
    drawn = shown.easel.draw(board(DEPLOYMENT), shown.moment(SICK))

    assert "SickReplica" in drawn.panel("Throughput")["text"]
    by_replica = drawn.panel("Efficiency by replica")
    assert by_replica["series"] == 4
    assert {f"{SICK}-{number}" for number in range(4)} <= set(by_replica["text"])
    assert drawn.panel("Every replica")["rows"] == 4
    assert {"weights", "kv-cache", "overhead", "budget"} <= set(drawn.panel("Planned")["text"])


def test_decisions_are_marked_on_the_graphs(shown: Gallery) -> None:
    grown = shown.easel.draw(board(DEPLOYMENT), shown.moment(GROWING)).marks
    untouched = shown.easel.draw(board(DEPLOYMENT), shown.moment(SICK)).marks

    assert grown["Decisions to grow"] >= 2
    assert untouched["Decisions to grow"] == 0


def test_the_capacity_board_tells_what_more_replicas_buy_and_cost(shown: Gallery) -> None:
    drawn = shown.easel.draw(board(CAPACITY), shown.moment(".*"))

    assert {"-1", "now", "+1", "+2", "+3"} <= set(
        drawn.panel("What each extra replica buys")["text"]
    )
    assert f"budget of demo/{GROWING}" in drawn.panel("Cost per hour by deployment")["text"]
    assert drawn.panel("Cost of the time range, by deployment")["rows"] == 3


def test_a_deployment_that_has_no_replica_is_drawn_too(shown: Gallery) -> None:
    drawn = shown.easel.draw(board(DEPLOYMENT), shown.moment(TOO_LARGE))

    assert_sound(drawn)
    assert "Nothing reported" in drawn.panel("Every replica")["text"]
    assert "weights-exceed" in drawn.panel("HBM")["text"]
    assert "WeightsExceed" in drawn.panel("Conditions")["text"]
