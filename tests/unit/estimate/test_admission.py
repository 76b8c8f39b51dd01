"""How many requests a replica should run, and what is said where its engine runs another number."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import deployment as made

from v4operator.act.render import fingerprint, render_deployment
from v4operator.act.settle import LiveTemplate, settle
from v4operator.catalogue import load
from v4operator.estimate.admission import admission_finding, admission_limit
from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.effective import effective
from v4operator.estimate.hbm import check
from v4operator.estimate.mix import mix_of
from v4operator.estimate.prior import prior
from v4operator.estimate.throughput import capacity
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.deployment import Deployment, GatewayQueries, MemoryPlan
from v4operator.model.forecast import Capacity, CapacityBound
from v4operator.model.layout import Layout
from v4operator.model.learned import Learned
from v4operator.model.replica import Workload
from v4operator.model.running import RunningEngine

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
    finding = admission_finding(of(), capacity, limit)
    assert (finding.reason if finding else None) == reason
    if finding is not None:
        assert "54" in finding.message
        assert ("256" if limit is None else str(limit)) in finding.message


def test_an_engine_without_a_limit_is_no_finding_behind_a_gateway_that_keeps_it() -> None:
    queue = GatewayQueries(waiting="sum(queue)", lost=None, server="")
    behind = replace(of(), gateway=queue)
    assert admission_finding(behind, carried(), None) is None
    found = admission_finding(behind, carried(), 16)
    assert found is not None
    assert found.reason == "AdmissionLimitDrift"


TEMPLATE: dict[str, Any] = {"spec": {"containers": [{"name": "engine", "image": "engine:1"}]}}
ENGINES = [
    pytest.param("sglang", Layout(tensor=4), id="SGLang"),
    pytest.param("sglang", Layout(tensor=1, data=8), id="SGLang by rank"),
    pytest.param("vllm", Layout(tensor=4), id="vLLM"),
    pytest.param("vllm", Layout(tensor=1, data=8), id="vLLM by rank"),
]


def told(deployment: Deployment, limit: int | None, before: dict[str, Any] | None = None) -> Any:
    """The Deployment as it is rendered with `limit` over the one that is there `before`."""
    live = before and LiveTemplate(
        annotations=before["metadata"]["annotations"], pod_spec=before["spec"]["template"]["spec"]
    )
    basis = fingerprint(deployment, TEMPLATE, None)
    settled = settle(deployment, live or None, basis=basis, admission_limit=lambda: limit)
    return render_deployment(deployment, TEMPLATE, uid="u", device_resource=None, settled=settled)


def judged(deployment: Deployment, rendered: dict[str, Any], capacity: Capacity) -> str | None:
    """What is found once a pod of that template runs."""
    args = tuple(rendered["spec"]["template"]["spec"]["containers"][0]["args"])
    running = RunningEngine(source="pod flash-0", args=args)
    workload = Workload(desired=1, version="1", replicas=(), running=running)
    found = effective(deployment, workload, (), (), CATALOGUE)
    finding = admission_finding(found.deployment, capacity, found.admission_limit)
    return finding.reason if finding else None


@pytest.mark.parametrize(("engine", "layout"), ENGINES)
@pytest.mark.parametrize("sequences", [1.2, 3.0, 9.9, 54.6, 1024.0])
def test_an_engine_that_was_just_told_the_limit_has_no_drift_however_it_is_rounded(
    engine: str, layout: Layout, sequences: float
) -> None:
    deployment = of(engine=engine, layout=layout, devices=layout.devices)
    rendered = told(deployment, max(1, int(sequences)))
    assert judged(deployment, rendered, carried(sequences=sequences)) is None


@pytest.mark.parametrize(("engine", "layout"), ENGINES)
def test_the_limit_drifts_with_the_fit_and_follows_it_with_the_next_template(
    engine: str, layout: Layout
) -> None:
    deployment = of(engine=engine, layout=layout, devices=layout.devices)
    first = told(deployment, 120)
    fitted = carried(sequences=54.6)
    assert judged(deployment, first, carried(sequences=54.6, confidence=0.0)) is None
    assert judged(deployment, told(deployment, 54, first), fitted) == "AdmissionLimitDrift"
    changed = replace(deployment, metrics_port=31000)
    assert judged(changed, told(changed, 54, first), fitted) is None


@pytest.mark.parametrize(
    "profile", CATALOGUE.profiles, ids=lambda p: f"{p.checkpoint}-{p.devices}x{p.accelerator}"
)
def test_the_first_limit_of_a_fleet_is_no_finding_before_its_speed_is_known(
    profile: PerformanceProfile,
) -> None:
    deployment = of(
        checkpoint=profile.checkpoint,
        engine=profile.engine,
        accelerator=profile.accelerator,
        devices=profile.devices,
        layout=Layout(tensor=profile.devices),
    )
    limit = limit_of(deployment)
    assert limit is not None
    fit = fit_from_prior(prior(deployment.memory, CATALOGUE))
    pool = check(deployment.memory, CATALOGUE).pool
    most = profile.max_running_requests
    first = capacity(fit, mix_of(()), deployment.objectives, pool=pool, max_running=most)
    assert judged(deployment, told(deployment, limit), first) is None


def test_an_engine_without_such_a_flag_is_not_judged() -> None:
    assert admission_finding(of(engine="llamacpp"), carried(), None) is None
