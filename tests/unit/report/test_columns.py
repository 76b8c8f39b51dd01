"""The row of `kubectl get v4`."""

from dataclasses import replace

import pytest
from tests.fleets import demand, forecast, observation, serving, silent

from v4operator.decide.decide import decide
from v4operator.model.forecast import ThroughputVerdict
from v4operator.model.hbm import HbmVerdict
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import ReplicaObservation
from v4operator.model.status import ColumnsStatus
from v4operator.model.units import GIB
from v4operator.report.columns import problem_columns, short_checkpoint
from v4operator.report.status import status


def row(*replicas: ReplicaObservation, verdict: ThroughputVerdict | None = None) -> ColumnsStatus:
    seen = observation(replicas or serving(2))
    told = forecast(demand(1.5), now=seen.now)
    if verdict is not None:
        told = replace(told, throughput=replace(told.throughput, verdict=verdict))
    decided, _ = decide(seen, told, PolicyMemory())
    return status(seen, told, decided, None).columns


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", "V4-Flash"),
        ("nvidia/DeepSeek-V4-Flash-NVFP4", "V4-Flash-NVFP4"),
        ("mlx-community/deepseek-ai-DeepSeek-V4-Flash-8bit", "V4-Flash-8bit"),
        ("our/own-tune-of-a-long-name", "own-tune-of-a-"),
        ("", "-"),
    ],
)
def test_a_checkpoint_is_shown_without_whose_it_is(name: str, short: str) -> None:
    assert short_checkpoint(name) == short


def test_a_sick_fleet_is_named_before_anything_else() -> None:
    assert row(verdict=ThroughputVerdict.SICK_REPLICA).state == "SickReplica"
    assert row(verdict=ThroughputVerdict.HEALTHY).state == "Healthy"


def test_a_fleet_without_metrics_is_not_called_healthy() -> None:
    blind = row(silent("a"), silent("b"), verdict=ThroughputVerdict.HEALTHY)
    assert (blind.state, blind.tokens_per_second, blind.kv) == ("NoMetrics", "-", "-")


def test_memory_is_what_is_held_of_what_may_be() -> None:
    seen = observation(serving(1))
    told = forecast(demand(0.5), now=seen.now)
    report = replace(told.hbm, required_bytes=97 * GIB, budget_bytes=130 * GIB)
    unknown = replace(report, required_bytes=None, verdict=HbmVerdict.UNKNOWN)
    unsupported = replace(unknown, verdict=HbmVerdict.UNSUPPORTED)
    shown = []
    for hbm in (report, unknown, unsupported):
        changed = replace(told, hbm=hbm, live_hbm=None)
        decided, _ = decide(seen, changed, PolicyMemory())
        shown.append(status(seen, changed, decided, None).columns.hbm)
    assert shown == ["97/130Gi", "-", "unsupported"]


def test_a_target_that_is_missing_has_a_word_in_every_column() -> None:
    told = problem_columns("deepseek-ai/DeepSeek-V4-Pro", "WorkloadUnavailable")
    assert told == ColumnsStatus(checkpoint="V4-Pro", state="NoWorkload")
    assert (told.hbm, told.kv, told.tokens_per_second) == ("-", "-", "-")
    assert problem_columns("", "InvalidSpec").state == "InvalidSpec"
