"""A day in a real Prometheus, made of blocks, is fetched and replayed by `v4-operator backtest`."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.rig.addresses import Block
from tests.rig.invoke import invoke
from tests.rig.prometheus import Prometheus, prometheus
from typer.testing import CliRunner

from v4operator.cli.backtest import command

app = typer.Typer()
app.command()(command)

_LABELS = 'namespace="llm",v4deployment="chat"'
_SCRAPE_SECONDS = 30
_HOURS = 30  # a query's day and a part of another
_RATE = 0.5  # requests a second and replica

_PER_SECOND = {
    "v4_replica_finished_requests_total": _RATE,
    "v4_replica_prompt_tokens_total": _RATE * 1000,
    "v4_replica_prefix_hit_tokens_total": _RATE * 250,
    "v4_replica_generated_tokens_total": _RATE * 200,
}


def exposition(end: int) -> Iterator[str]:
    """Two replicas that count; one of them restarts in the middle; then nothing for an hour."""
    start, gap = end - _HOURS * 3600, end - 3600
    times = range(start, gap, _SCRAPE_SECONDS)
    middle = start + _HOURS * 1800
    for family, rate in _PER_SECOND.items():
        yield f"# TYPE {family.removesuffix('_total')} counter"
        for replica in ("chat-0", "chat-1"):
            for at in times:
                since = middle if replica == "chat-1" and at >= middle else start
                yield f'{family}{{{_LABELS},replica="{replica}"}} {(at - since) * rate} {at}'
    yield "# TYPE v4_deployment_current_replicas gauge"
    yield from (f"v4_deployment_current_replicas{{{_LABELS}}} 2 {at}" for at in times)
    yield "# TYPE v4_slo_requests counter"
    for slo, missed in (("ttft", 0.02), ("inter-token-latency", 0.01)):
        for verdict, share in (("met", 1 - missed), ("missed", missed)):
            labels = f'{{{_LABELS},slo="{slo}",verdict="{verdict}"}}'
            yield from (
                f"v4_slo_requests_total{labels} {(at - start) * share} {at}" for at in times
            )
    yield "# EOF"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, block: Block
) -> Iterator[tuple[Prometheus, Path]]:
    folder = tmp_path_factory.mktemp("history")
    end = int(time.time()) // _SCRAPE_SECONDS * _SCRAPE_SECONDS
    text = folder / "history.om"
    text.write_text("\n".join([*exposition(end), ""]))
    invoke(
        "promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder / "prometheus-data"
    )
    with prometheus("global: {}\n", folder=folder, block=block) as running:
        yield running, folder


def backtest(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_history_is_fetched_recorded_and_replayed_alike(
    server: tuple[Prometheus, Path],
) -> None:
    running, folder = server
    recorded = folder / "recorded.json"
    asked = ("--prometheus", running.url, "-n", "llm", "--deployment", "chat", "--since", "30h")
    chosen = ("--policy", "hpa", "-o", "json")
    live = backtest(*asked, *chosen, "--record", recorded)
    assert live.exit_code == 0, live.output
    said = json.loads(live.stdout)
    served = (_HOURS - 1) * 3600 * 2 * _RATE
    assert said["requests"] == pytest.approx(served, rel=0.01)
    assert said["promptTokens"] == pytest.approx(served * 1000, rel=0.01)
    assert said["outputTokens"] == pytest.approx(served * 200, rel=0.01)
    assert said["missingRatio"] == pytest.approx(1 / _HOURS, abs=0.005)
    was = said["policies"][0]
    assert was["attainment"] == pytest.approx(0.98, abs=0.001)
    assert was["gpuHours"] == pytest.approx((_HOURS - 1) * 2 * 4, rel=0.01)
    again = backtest("--file", recorded, *chosen)
    assert json.loads(again.stdout) == said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--deployment", "chap"], "did you mean 'llm/chat'?", id="another name"),
        pytest.param(
            ["--deployment", "chat", "--step", "20s", "--since", "2h"],
            "scraped less than twice in 20 s",
            id="a step below the scrapes",
        ),
        pytest.param(
            ["--deployment", "chat", "--since", "30m"], "it holds no v4_* series", id="the gap"
        ),
    ],
)
def test_what_has_no_history_says_why(
    server: tuple[Prometheus, Path], arguments: list[str], message: str
) -> None:
    result = backtest("--prometheus", server[0].url, "-n", "llm", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_prometheus_that_is_not_there_is_an_error_of_one_sentence(block: Block) -> None:
    url = f"http://{block.host}:{block.free_port()}"
    result = backtest("--prometheus", url, "--deployment", "chat")
    assert result.exit_code == 2
    assert result.output.startswith("v4-operator backtest: Prometheus 'backtest': ")
