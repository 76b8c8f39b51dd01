"""How many requests a replica should run, and what is said where its engine runs another number."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import deployment as made

from v4operator.catalogue import load
from v4operator.estimate.admission import admission_finding, admission_limit
from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.hbm import check
from v4operator.estimate.mix import mix_of
from v4operator.estimate.prior import prior
from v4operator.model.deployment import Deployment, MemoryPlan
from v4operator.model.forecast import Capacity, CapacityBound
from v4operator.model.learned import Learned

CATALOGUE = load()


def of(**changes: Any) -> Deployment:
    base = made()
    return replace(base, memory=replace(base.memory, **changes))


def limit_of(deployment: Deployment, known: tuple[MemoryPlan, Learned] | None = None) -> int | None:
    memory = deployment.memory
    return admission_limit(deployment, check(memory, CATALOGUE), prior(memory, CATALOGUE), known)


def carried(**changes: Any) -> Capacity:
    values = Capacity(
        sequences=54.6,
        decode_tokens_per_second=1600.0,
        requests_per_second=1.6,
        inter_token_latency_seconds=0.033,
        bound=CapacityBound.INTER_TOKEN_LATENCY,
        confidence=0.8,
        source="fitted on this fleet",
    )
    return replace(values, **changes)


def test_what_was_learned_of_the_traffic_lowers_a_limit_that_counts_on_decode_alone() -> None:
    deployment = of()
    learned = Learned(
        key="k", sizing=fit_from_prior(prior(deployment.memory, CATALOGUE)), mix=mix_of(())
    )
    first, then = limit_of(deployment), limit_of(deployment, (deployment.memory, learned))
    assert first is not None
    assert then is not None
    assert 1 < then < first


def test_what_was_learned_of_another_model_is_not_used() -> None:
    deployment = of()
    learned = Learned(key="k", sizing=fit_from_prior(None), mix=mix_of(()))
    other = of(checkpoint="deepseek-ai/DeepSeek-V4-Pro").memory
    assert limit_of(deployment, (other, learned)) == limit_of(deployment)


def test_a_profile_of_other_devices_is_no_reason_for_a_limit() -> None:
    assert limit_of(of(devices=2)) is None


@pytest.mark.parametrize(
    ("capacity", "limit", "reason"),
    [
        (carried(), None, "AdmissionLimitMissing"),
        (carried(), 54, None),
        (carried(), 65, None),
        (carried(), 96, "AdmissionLimitDrift"),
        (carried(), 16, "AdmissionLimitDrift"),
        (carried(confidence=0.3), 96, None),
        (carried(bound=CapacityBound.KV_POOL), None, None),
        (None, None, None),
    ],
    ids=[
        "none",
        "as computed",
        "near enough",
        "too high",
        "too low",
        "not sure",
        "the pool limits by itself",
        "not known",
    ],
)
def test_a_limit_that_is_missing_or_off_is_told_with_both_figures(
    capacity: Capacity | None, limit: int | None, reason: str | None
) -> None:
    finding = admission_finding("sglang", capacity, limit)
    assert (finding.reason if finding else None) == reason
    if finding is not None:
        assert "54" in finding.message
        assert ("256" if limit is None else str(limit)) in finding.message


def test_an_engine_without_such_a_flag_is_not_judged() -> None:
    assert admission_finding("llamacpp", carried(), None) is None
