"""The V4Deployment whose scaling is simulated: a replica profile as a user would write it down."""

from dataclasses import dataclass, replace

from v4operator.catalogue import load
from v4operator.estimate.hbm import check
from v4operator.estimate.prior import prior
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.deployment import (
    Deployment,
    Key,
    MemoryPlan,
    Objectives,
    Scaling,
    ScalingMode,
)
from v4operator.model.hbm import HbmReport
from v4operator.model.layout import Layout
from v4operator.simulate.policies.policy import Briefing

# Replica profile -> checkpoint, accelerator, devices: the rows that the profiles were fitted on.
_ROWS = {
    "flash-fp8-4xh200": ("sgl-project/DeepSeek-V4-Flash-FP8", "h200-141", 4),
    "flash-fp4-4xh200": ("deepseek-ai/DeepSeek-V4-Flash", "h200-141", 4),
    "flash-fp4-8xh100": ("deepseek-ai/DeepSeek-V4-Flash", "h100-80", 8),
    "flash-fp4-4xb200": ("deepseek-ai/DeepSeek-V4-Flash", "b200", 4),
    "pro-fp4-8xb200": ("deepseek-ai/DeepSeek-V4-Pro", "b200", 8),
    "pro-fp4-8xh200": ("deepseek-ai/DeepSeek-V4-Pro", "h200-141", 8),
}

# The defaults of the resource: ten minutes each (`api.v1alpha1.BehaviorSpec`).
SHRINK_WINDOW_SECONDS = 600.0
_DRAIN_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the operator works out once from a spec, before it watches anything."""

    deployment: Deployment
    hbm: HbmReport
    profile: PerformanceProfile | None


def subject_of(
    profile: str, briefing: Briefing, *, interval_seconds: float, shrink_window_seconds: float
) -> Subject:
    """The subject for a replica profile; its catalogue law is the briefing's, right or wrong.

    Raises:
        KeyError: no such profile.
    """
    checkpoint, accelerator, devices = _ROWS[profile]
    memory = MemoryPlan(
        checkpoint=checkpoint,
        engine="sglang",
        engine_version=None,
        engine_args=(),
        accelerator=accelerator,
        devices=devices,
        layout=Layout(tensor=devices),
        max_context_tokens=None,
        concurrency=1,
        budget=None,
    )
    known = load()
    believed = prior(memory, known)
    return Subject(
        deployment=_deployment(memory, briefing, interval_seconds, shrink_window_seconds),
        hbm=check(memory, known),
        profile=replace(believed, step=briefing.law) if believed else None,
    )


def _deployment(
    memory: MemoryPlan, briefing: Briefing, interval_seconds: float, shrink_window_seconds: float
) -> Deployment:
    return Deployment(
        key=Key("simulated", "fleet"),
        generation=1,
        memory=memory,
        enforce_hbm=False,
        scaling=Scaling(
            mode=ScalingMode.AUTOMATIC,
            min_replicas=briefing.minimum,
            max_replicas=briefing.quota,
            paused=False,
            shrink_window_seconds=shrink_window_seconds,
            drain_timeout_seconds=_DRAIN_TIMEOUT_SECONDS,
        ),
        objectives=Objectives(
            ttft_seconds=briefing.ttft_seconds,
            inter_token_latency_seconds=briefing.inter_token_latency_seconds,
            attainment=briefing.attainment,
        ),
        endpoints=(),
        metrics_port=30000,
        metrics_path="/metrics",
        metrics_interval_seconds=interval_seconds,
    )
