"""Burn rates over hours and days, on history that is made in seconds: a real Prometheus holds it.

Counters of four days become blocks (`promtool tsdb create-blocks-from openmetrics`), the recording
rules are filled in behind them (`... from rules`, once for rates and once for the ratios that read
them), and the alerts' own expressions are asked at the end.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from tests.rig.addresses import Block
from tests.rig.invoke import invoke
from tests.rig.prometheus import Prometheus, prometheus
from tests.rig.waiting import eventually

from v4operator.rulegen import render
from v4operator.rulegen.durations import Durations
from v4operator.rulegen.rule import Record

HOUR, DAY = 3600, 86_400
HISTORY, STEP = 4 * DAY, 60
# The alerts ask for the last value of the records; half an hour of them is plenty.
FILLED = HOUR // 2
PER_STEP = 600  # requests, so that a share of one in two hundred is a whole number
QUIET = "scrape_configs: []\n"
SLO = "ttft"

Share = Callable[[int], float]
# Share of late requests by seconds before the end. Promised are 99 of 100.
FLEETS: dict[str, Share] = {
    "well": lambda _: 0.005,
    "ill-for-seven-hours": lambda before: 0.08 if before <= 7 * HOUR else 0.005,
    "ill-for-two-hours": lambda before: 0.2 if before <= 2 * HOUR else 0.005,
    "leaking": lambda _: 0.02,
    "ill-until-an-hour-ago": lambda before: 0.2 if HOUR < before <= 2 * HOUR else 0.005,
}
BURNING = {
    "1h": {"ill-for-two-hours"},
    "6h": {"ill-for-seven-hours", "ill-for-two-hours"},
    "1d": set[str](),
    "3d": {"ill-for-seven-hours", "ill-for-two-hours", "leaking"},
}


@pytest.fixture(scope="module")
def end() -> int:
    """The last moment of the history, in Unix seconds."""
    return int(time.time()) // STEP * STEP - 10 * STEP


@pytest.fixture(scope="module")
def history(
    end: int, tmp_path_factory: pytest.TempPathFactory, block: Block
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("history")
    (folder / "history.om").write_text("\n".join([*lines(end), "# EOF", ""]))
    data = folder / "prometheus-data"
    invoke("promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history.om", data)
    with prometheus(QUIET, folder=folder, block=block) as server:
        for level in levels():
            fill(server, level, folder, end)
        yield server


def lines(end: int) -> Iterator[str]:
    for fleet, late in FLEETS.items():
        told = f'namespace="n",v4deployment="{fleet}",slo="{SLO}"'
        missed = met = 0
        for at in range(end - HISTORY, end + 1, STEP):
            missed += round(PER_STEP * late(end - at))
            met += PER_STEP - round(PER_STEP * late(end - at))
            yield f'v4_slo_requests_total{{{told},verdict="missed"}} {missed} {at}'
            yield f'v4_slo_requests_total{{{told},verdict="met"}} {met} {at}'
            yield f"v4_slo_target_ratio{{{told}}} 0.99 {at}"


def levels() -> tuple[list[Record], list[Record]]:
    """Records of objectives: those that read counters, then those that read these."""
    records = [
        rule
        for group in render.groups(Durations())
        for rule in group.rules
        if isinstance(rule, Record) and "v4_slo" in rule.name
    ]
    raw = [rule for rule in records if "rate(" in rule.expr]
    return raw, [rule for rule in records if rule not in raw]


def fill(server: Prometheus, records: list[Record], folder: Path, end: int) -> None:
    """Compute the records for the end of the history, and have Prometheus take them up."""
    rules = [{"record": rule.name, "expr": rule.expr} for rule in records]
    path = folder / "level.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "level", "rules": rules}]}))
    invoke(
        *("promtool", "tsdb", "create-blocks-from", "rules", f"--url={server.url}"),
        *(f"--start={end - FILLED}", f"--end={end}"),
        *(f"--output-dir={folder / 'prometheus-data'}", path),
    )
    server.component.restart()
    eventually(
        lambda: server.api.get("/-/ready").status_code == httpx.codes.OK,
        what="it is ready with the new blocks",
        not_yet=(httpx.HTTPError,),
    )


@pytest.mark.parametrize("window", BURNING)
def test_a_burn_is_seen_in_the_windows_that_it_has_lasted_for(
    window: str, history: Prometheus, end: int
) -> None:
    alert = next(
        rule
        for rule in render.alerts(Durations())
        if rule.name == "V4TTFTBudgetBurn" and rule.labels["window"] == window
    )
    found = history.query(alert.expr, at_seconds=end)
    assert {each["metric"]["v4deployment"] for each in found} == BURNING[window]


def test_the_figures_are_shares_of_all_requests_in_the_window(
    history: Prometheus, end: int
) -> None:
    asked = 'v4deployment:v4_slo_missed:ratio_rate6h{v4deployment="ill-for-two-hours"}'
    (found,) = history.query(asked, at_seconds=end)
    assert float(found["value"][1]) == pytest.approx((2 * 0.2 + 4 * 0.005) / 6, rel=0.02)
