"""Findings of what runs: more on a device than the budget, and whose metrics an engine answers."""

from dataclasses import replace

import pytest
from tests.fleets import demand, deployment, forecast, observation, observed, reading, replica

from v4operator.decide.budget import findings
from v4operator.model.figures import Figure, Tag
from v4operator.model.hbm import Finding, KvPool
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.observation import Observation
from v4operator.model.reading import Engine
from v4operator.model.units import GIB

_DIFFERS = Finding(reason="ModelDiffers", message="KV pool: 6.7 GiB")


def _live(budget_gib: int) -> LiveHbm:
    weights, pool, overhead = (
        Figure(value=size * GIB, tag=Tag.MEASURED, source="test") for size in (40, 80, 6)
    )
    return LiveHbm(
        weights=weights,
        kv_pool=pool,
        overhead=overhead,
        overhead_counts=True,
        budget_bytes=budget_gib * GIB,
        visible_bytes=140 * GIB,
        pool=KvPool(capacity_tokens=1.0, fixed_tokens_per_request=0.0),
        kv_capacity_tokens=1,
        max_concurrency=1,
        findings=(_DIFFERS,),
    )


def _found(seen: Observation, live: LiveHbm | None = None) -> list[Finding]:
    return list(findings(seen, replace(forecast(demand(1.0)), live_hbm=live)))


def test_a_device_that_holds_more_than_the_budget_is_a_finding_with_its_figures() -> None:
    first, *others = _found(observation([observed(replica("a"))]), _live(100))
    assert first.reason == "HBMBudgetExceeded"
    assert first.message.startswith("Live: Beyond the budget: a device holds 126.0 GiB of 100.0")
    assert "memory fraction" in (first.hint or "")
    assert _DIFFERS in others


def test_a_device_within_the_budget_only_tells_where_the_model_differs() -> None:
    assert _found(observation([observed(replica("a"))]), _live(126)) == [_DIFFERS]


@pytest.mark.parametrize(
    ("declared", "answers", "mismatch"),
    [
        ("sglang", Engine.SGLANG, False),
        ("sglang", Engine.VLLM, True),
        ("vllm", Engine.VLLM_MLX, True),
        ("vllm-ascend", Engine.VLLM, False),
        ("vllm-ascend", Engine.SGLANG, True),
        ("nim", Engine.NIM, False),
        ("nim", Engine.VLLM, False),
        ("nim", Engine.SGLANG, False),
        ("nim", Engine.LLAMACPP, True),
        ("llamacpp", Engine.LLAMACPP, False),
        ("mlx", Engine.VLLM_MLX, False),
        ("mlx", Engine.VLLM, True),
    ],
)
def test_an_engine_is_what_its_metrics_are_or_what_it_wraps(
    declared: str, answers: Engine, *, mismatch: bool
) -> None:
    memory = replace(deployment().memory, engine=declared)
    seen = observation([observed(replica("a"), reading=reading(engine=answers))], memory=memory)
    assert [f.reason == "EngineMismatch" for f in _found(seen)] == [True] * mismatch
