"""Rows, bounds and tables; small traces, so that the clairvoyant search takes no time."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from v4operator.simulate.fast.setting import Blind
from v4operator.simulate.fast.trace import poisson_like
from v4operator.simulate.fast.truths import TRUTHS
from v4operator.simulate.ground import Ground, Objective, ground_of
from v4operator.simulate.harness import Run, play
from v4operator.simulate.plot import draw
from v4operator.simulate.policies.constant import Constant
from v4operator.simulate.scenarios import SCENARIOS, own_trace
from v4operator.simulate.score import (
    Bounds,
    bounds_of,
    document,
    gap_closed,
    geometric_mean,
    rho,
)
from v4operator.simulate.table import Contest, standings, table

KEYS = {
    "policy",
    "attainment",
    "gpuHours",
    "oracleGpuHours",
    "oracleGatewayGpuHours",
    "rho",
    "scalingActions",
    "reversals",
    "ttft",
    "itl",
    "misses",
}


@lru_cache
def ground() -> Ground:
    quiet = poisson_like(rate=1.0, variation=1.0, seconds=900.0, prompt=1000, output=300, seed=1)
    busy = quiet.amplified(300.0, 600.0, 12)
    return ground_of(
        own_trace(TRUTHS["linear"], 0.95),
        busy,
        profile="flash-fp8-4xh200",
        objective=Objective(start_up_seconds=60.0),
        overload="gateway",
        seed=1,
    )


@lru_cache
def bounds() -> Bounds:
    return bounds_of(ground())


@lru_cache
def constant(replicas: int) -> Run:
    of = ground()
    setting = replace(of.setting, initial_replicas=replicas)
    return play(of.trace, setting, Constant(replicas))


def test_the_clairvoyant_fleet_costs_less_than_the_smallest_constant_one() -> None:
    found = bounds()
    assert found.oracle_gpu_hours is not None
    assert found.oracle_gateway_gpu_hours is not None
    assert found.constant_gpu_hours is not None
    assert found.oracle_gateway_gpu_hours <= found.oracle_gpu_hours < found.constant_gpu_hours
    assert len(found.schedule) == 3


def test_a_run_that_meets_the_target_is_measured_against_the_oracle() -> None:
    enough = bounds().constant_replicas
    assert enough is not None
    run, of = constant(enough), ground()
    ratio = rho(run, bounds(), of.target)
    assert ratio == pytest.approx(run.result.gpu_hours / (bounds().oracle_gpu_hours or 0.0))
    assert gap_closed(run, bounds(), of.target) == pytest.approx(0.0, abs=0.01)


def test_a_run_that_misses_it_has_no_cost_score() -> None:
    run = constant(1)
    assert run.result.attainment < ground().target
    assert rho(run, bounds(), ground().target) is None
    assert gap_closed(run, bounds(), ground().target) is None


def test_the_row_has_the_stable_keys_and_is_json() -> None:
    row = document("constant", constant(1), ground(), bounds())
    assert row.keys() >= KEYS
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["underOracleGpuHours"] != 0.0
    misses = row["misses"]
    assert isinstance(misses, dict)
    assert {"queue", "startup", "retraction", "timeout"} <= misses.keys()


def test_without_bounds_the_row_says_so() -> None:
    row = document("constant", constant(1), ground(), None)
    assert (row["oracleGpuHours"], row["rho"], row["gapClosed"]) == (None, None, None)
    assert "overOracleGpuHours" not in row


def test_shrinks_in_a_blind_span_are_counted() -> None:
    of = ground()
    blind = replace(of, setting=replace(of.setting, blind=(Blind(begin=0.0, end=60.0),)))
    assert document("constant", constant(1), blind, None)["shrinksWhileBlind"] == 0


@pytest.mark.parametrize(
    ("values", "mean"), [([2.0, 8.0], 4.0), ([], None)], ids=["two", "nothing"]
)
def test_the_geometric_mean_is_of_ratios(values: list[float], mean: float | None) -> None:
    assert geometric_mean(values) == (None if mean is None else pytest.approx(mean))


def _row(
    scenario: str, ratio: float | None, setting: str = "default", policy: str = "ours"
) -> dict[str, Any]:
    row = document(policy, constant(1), ground(), bounds())
    names = {"scenario": scenario, "overload": "gateway", "setting": setting}
    return row | names | {"rho": ratio}


def _report(rows: list[dict[str, Any]], **planned: int) -> str:
    of = {("a", "gateway", policy): runs for policy, runs in planned.items()}
    return table(rows, Contest(day_long=("a", "b"), commit="abc", command="python x", planned=of))


def test_the_table_averages_seeds_and_tells_misses() -> None:
    rows = [_row("a", 1.2), _row("a", 1.3), _row("b", None), _row("a", 9.0, setting="trial")]
    text = _report(rows)
    assert "`python x` at commit abc: 3 runs and 1 trials" in text
    assert "| ours | default | 2 | 1.250 |" in text.partition("### a, gateway")[2]
    assert "| ours | default | 1 | missed 1/1 |" in text.partition("### b, gateway")[2]
    assert "ours (default) missed 1 of 3" in text
    assert "No saving can be told" in text


def test_the_summary_has_ours_beside_the_best_rival_that_met_the_target() -> None:
    rows = [_row(scenario, 1.5) for scenario in "ab"]
    rows += [_row(scenario, 2.0, "tuned", "hpa") for scenario in "ab"]
    rows += [_row(scenario, 1.9, f"without-{scenario}", "kpa") for scenario in "ab"]
    rows += [_row("a", 1.1, "tuned", "keda"), _row("b", None, "tuned", "keda")]
    rows += [_row("a", 1.0, "tuned", "aibrix")]
    rows += [_row(scenario, 1.6, "own-limit") for scenario in "ab"]
    text = _report(rows)
    assert "| best rival, tuned | hpa |" in text
    assert "| best rival, left-out | kpa |" in text
    assert "| ours, its own admission limit | ours |" in text
    assert "| best rival, default | none has run everywhere and met the target |" in text
    assert "Ours costs 25.0% less than hpa, tuned on the same traces." in text
    assert "aibrix" not in text.partition("## Not run")[0]  # it has not run in every scenario


def test_a_policy_that_missed_ranks_behind_all_that_met() -> None:
    rows = [_row(s, 3.0, policy="hpa") for s in "ab"]
    rows += [_row("a", 1.0, policy="kpa"), _row("b", None, policy="kpa")]
    assert [(s.policy, s.ratio) for s in standings(rows, ("a", "b"))] == [
        ("hpa", pytest.approx(3.0)),
        ("kpa", None),
    ]


def test_what_was_planned_and_has_not_run_is_said() -> None:
    text = _report([_row("a", 1.2)], ours=1, hpa=5, kpa=1)
    assert "* a, gateway: hpa, kpa\n" in text
    assert "ours (" not in text.partition("## Not run")[2].partition("###")[0]
    assert "* a, gateway: ours (1 of 5 seeds)\n" in _report([_row("a", 1.2)], ours=5)
    assert "Nothing: all that was planned has run." in _report([_row("a", 1.2)], ours=1)


def test_the_picture_is_written(tmp_path: Path) -> None:
    path = tmp_path / "run.png"
    draw(path, "a burst", {"constant": constant(1)}, ground(), bounds())
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_with_a_file_asks_for_it(name: str) -> None:
    scenario = SCENARIOS[name]
    if scenario.file is None:
        assert len(scenario.trace(None, 1)) > 0
    else:
        with pytest.raises(ValueError, match=scenario.file):
            scenario.trace(None, 1)


def test_a_limited_quota_is_a_share_of_the_peak() -> None:
    of = ground()
    limited = replace(SCENARIOS["quota"], target=0.95)
    made = ground_of(
        limited,
        of.trace,
        profile=of.profile,
        objective=Objective(),
        overload="plain",
        seed=1,
    )
    assert made.briefing.quota == made.setting.quota
    assert made.briefing.quota == 1  # of a peak of two
    assert not made.briefing.gateway
    assert of.briefing.gateway


def test_the_admission_limit_is_what_a_full_replica_can_keep() -> None:
    limit = ground().setting.admission_limit
    assert limit is not None
    assert 45 <= limit <= 65  # 1000 / 300 tokens: 30.5 ms over 0.474 ms are 64
