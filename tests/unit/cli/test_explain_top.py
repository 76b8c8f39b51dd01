"""`explain` and `top` as they are typed, against an operator's real pages."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
import typer
from rich.console import Console
from tests.unit.cli.test_plan import MANIFEST
from tests.unit.report.test_decisions import cycled
from typer.testing import CliRunner

from v4operator.cli import explain, plan, top
from v4operator.cli.top_view import picture, worst_first
from v4operator.model.deployment import Key
from v4operator.report.decisions import Decisions, Standing
from v4operator.report.record import Cycled
from v4operator.runtime.heartbeat import Heartbeat
from v4operator.runtime.server import HealthServer, Pages

GOOD, SICK = Key("ns", "good"), Key("ns", "sick")


def run(command: Any, *words: str, stdin: str | None = None) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(command)
    outcome = CliRunner().invoke(app, words, input=stdin)
    return outcome.exit_code, outcome.output


def put(held: Decisions, made: Cycled, key: Key) -> None:
    calm = replace(made.status, key=key, findings=(), conditions=())
    held.record(made.forecast, made.verdict, calm)


def served(held: Decisions) -> HealthServer:
    pages = Pages(metrics=bytes, not_ready=lambda: None, heartbeat=Heartbeat(), document=held.page)
    return HealthServer(pages).start()


@pytest.fixture(params=[True])
def leads(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def url(leads: bool) -> Iterator[str]:  # noqa: FBT001 - a parameter of the tests
    standing = Standing(identity="a_1", leads=lambda: leads, leader=lambda: "b_2", now=lambda: 0.0)
    held = Decisions(standing)
    put(held, cycled(), GOOD)
    held.withhold(SICK, "InvalidSpec", "no such checkpoint")
    server = served(held)
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


def test_explain_says_why_and_what_next(url: str) -> None:
    status, shown = run(explain.command, "good", "--operator", url)
    assert status == 0
    assert cycled().verdict.decision.sentence in " ".join(shown.split())
    assert all(word in shown for word in ("why", "formula", "next", "minReplicas"))


def test_a_problem_is_a_finding(url: str) -> None:
    status, shown = run(explain.command, "sick", "--operator", url)
    assert status == 1
    assert "InvalidSpec: no such checkpoint" in shown
    assert run(top.command, "--operator", url)[0] == 1


def test_json_has_the_documented_keys(url: str) -> None:
    record = json.loads(run(explain.command, "good", "--operator", url, "-o", "json")[1])
    keys = "metadata ageSeconds problem decision formula nextStep status"
    assert list(record) == keys.split()
    fleets = json.loads(run(top.command, "--operator", url, "-o", "json")[1])
    assert [fleet["metadata"]["name"] for fleet in fleets] == ["good", "sick"]


def test_top_shows_every_replica(url: str) -> None:
    status, shown = run(top.command, "good", "-n", "ns", "--operator", url)
    assert status == 0
    assert all(replica.name in shown for replica in cycled().status.replica_statuses)


def test_an_unknown_name_is_answered_with_the_nearest(url: str) -> None:
    status, shown = run(explain.command, "goood", "-n", "ns", "--operator", url)
    assert status == 2
    assert "did you mean ns/good?" in shown


@pytest.mark.parametrize("leads", [False], indirect=True)
def test_a_standby_is_refused_with_the_name_of_the_leader(url: str) -> None:
    status, shown = run(top.command, "--operator", url)
    assert status == 2
    assert "a_1 is a standby; the leader is b_2" in shown


def test_nobody_there_is_told_with_the_address() -> None:
    status, shown = run(top.command, "--operator", "http://127.0.0.1:1")
    assert status == 2
    assert "http://127.0.0.1:1/v1/v4deployments: connection refused" in shown


def test_the_worst_replica_stands_first() -> None:
    good = {
        "name": "c",
        "phase": "ready",
        "unknown": None,
        "verdict": "Healthy",
        "efficiencyRatio": 1.0,
    }
    slow = {**good, "name": "b", "efficiencyRatio": 0.9}
    sick = {**good, "name": "d", "verdict": "SickReplica", "efficiencyRatio": 0.4}
    silent = {**good, "name": "e", "unknown": "connection refused"}
    crashed = {**good, "name": "f", "phase": "crashed"}
    starting = {**good, "name": "a", "phase": "starting"}
    order = worst_first([starting, good, slow, sick, silent, crashed])
    assert [each["name"] for each in order] == ["f", "e", "d", "b", "c", "a"]


def test_plan_reads_standard_input() -> None:
    status, shown = run(plan.command, "-f", "-", stdin=MANIFEST.format(name="piped", count=4))
    assert status == 0
    assert "default/piped" in shown


def test_top_says_below_old_figures_that_nobody_answers_any_more() -> None:
    record = {"metadata": {"namespace": "ns", "name": "a"}, "status": None}
    problem = {"problem": {"reason": "InvalidSpec", "message": "no"}}
    drawn = Console(width=80, file=StringIO(), record=True)
    drawn.print(picture([record | problem], "connection refused"))
    text = drawn.export_text()
    assert "ns/a  InvalidSpec: no" in text
    assert text.rstrip().endswith("no answer since: connection refused")
