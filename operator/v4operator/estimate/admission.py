"""How many requests one replica should run, and what its engine is told to run. Pure.

In an overload every request misses its objective unless each replica admits only what keeps it
(policy study, section 1). An engine's own limit queues the rest inside, first come first served.
"""

from dataclasses import replace

from v4operator.estimate.calibration import fit_from_prior
from v4operator.estimate.mix import mix_of
from v4operator.estimate.throughput import capacity
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.deployment import Deployment, MemoryPlan
from v4operator.model.forecast import Capacity, CapacityBound
from v4operator.model.hbm import Finding, HbmReport
from v4operator.model.learned import Learned

_DRIFT_RATIO = 1.25
"""A limit within a quarter of the computed one costs little either way: the objective's own margin
for fluctuation is about a sixth."""

_SURE = 0.6
"""The confidence from which a fit is this fleet's own (as in `throughput`)."""

_DEFAULTS = {
    "sglang": "256 for V4, over all its ranks",
    "vllm": "1,024 for each rank on devices of 70 GiB and more, else 256",
}
"""What an engine runs at most unless it is told: SGLang cookbook v0.5.15; vLLM 0.33.0, in
`EngineArgs.get_batch_defaults`, for its API server; an A100 and a GB10 count as small there."""

_FLAGS = {"sglang": "--max-running-requests", "vllm": "--max-num-seqs"}


def admission_limit(
    deployment: Deployment,
    hbm: HbmReport,
    profile: PerformanceProfile | None,
    known: tuple[MemoryPlan, Learned] | None,
) -> int | None:
    """Running requests of one replica that keep the objective, for an engine that is yet to start.

    By the sizing fit where one was learned of the same model on the same devices, else by the
    catalogue's profile of exactly these; `None` where there is neither: a neighbour's step times
    are off by up to three times. Before any traffic is known it is counted as all decode, which
    gives the most that any mix allows: a limit that is too low wastes devices for as long as it
    stands.
    """
    fit, mix = None, replace(mix_of(()), prefill_tokens=0.0)
    if known is not None and _alike(known[0], deployment.memory):
        fit, mix = known[1].sizing, known[1].mix or mix
    if fit is None and profile is not None and _is_of(profile, deployment.memory):
        fit = fit_from_prior(profile)
    if fit is None:
        return None
    most = profile.max_running_requests if profile else None
    found = capacity(fit, mix, deployment.objectives, pool=hbm.pool, max_running=most)
    return max(1, int(found.sequences))


def admission_finding(
    deployment: Deployment, found: Capacity | None, limit: int | None
) -> Finding | None:
    """Where the engine's own limit is missing, or is not what keeps the objective.

    Args:
        deployment: as it effectively is. Where it names a gateway that one keeps the limit, and an
            engine may be without.
        found: what one replica carries.
        limit: what the engine is told to run at most, over all ranks; `None`: nothing.
    """
    engine, ranks = deployment.memory.engine, deployment.memory.layout.data
    if found is None or engine not in _FLAGS or found.bound is CapacityBound.KV_POOL:
        return None  # a pool that is full admits no more by itself
    wanted = max(1, int(found.sequences))
    if limit is None:
        return None if deployment.gateway is not None else _missing(engine, wanted, found.source)
    near = wanted / _DRIFT_RATIO <= limit <= wanted * _DRIFT_RATIO
    if found.confidence < _SURE or near or abs(limit - wanted) < ranks:
        return None  # ranks are told whole requests: less than one for each is no drift
    return Finding(
        reason="AdmissionLimitDrift",
        message=f"the engine runs up to {limit} requests, and {wanted} keep the objective"
        f" ({found.source})",
        hint=f"change {_FLAGS[engine]} with the next rollout; an owned one follows by itself then",
    )


def _missing(engine: str, wanted: int, source: str) -> Finding:
    return Finding(
        reason="AdmissionLimitMissing",
        message=f"the engine is told no limit of running requests (its own is"
        f" {_DEFAULTS[engine]}), and {wanted} keep the objective ({source}): in an overload every"
        " request would miss it",
        hint=f"start it with {_FLAGS[engine]} (an owned one is, with its next rollout, once its"
        " speed is known), or limit requests at a gateway and name it in spec.demand",
    )


def _alike(one: MemoryPlan, other: MemoryPlan) -> bool:
    return (one.checkpoint, one.engine, one.accelerator, one.devices, one.layout) == (
        other.checkpoint,
        other.engine,
        other.accelerator,
        other.devices,
        other.layout,
    )


def _is_of(profile: PerformanceProfile, plan: MemoryPlan) -> bool:
    return (profile.checkpoint, profile.accelerator, profile.engine, profile.devices) == (
        plan.checkpoint,
        plan.accelerator,
        plan.engine,
        plan.devices,
    )
