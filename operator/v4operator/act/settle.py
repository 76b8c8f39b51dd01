"""What a live pod template has settled on is kept while nothing else replaces the pods. Pure.

The limit of running requests moves with every fit and the grace period with `drainTimeout`: either
in a template would restart a fleet that takes minutes to come up. So both are rendered once, read
back from the live template ever after, and decided anew only together with another change. Draining
itself does not wait for that: it is done before a pod is told to end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from v4operator.act.render import BASIS_ANNOTATION, Settled, fresh
from v4operator.estimate.engine_args import parse
from v4operator.model.deployment import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTemplate:
    """The pod template that is in force, with the annotations of its Deployment."""

    annotations: Mapping[str, str]
    pod_spec: Mapping[str, Any]


def settle(
    deployment: Deployment,
    live: LiveTemplate | None,
    *,
    basis: str,
    admission_limit: Callable[[], int | None],
) -> Settled:
    """What to render.

    Args:
        deployment: what the V4Deployment says now.
        live: what is in force, if anything is.
        basis: the `fingerprint` of what would be rendered now.
        admission_limit: running requests of one replica that keep the objective, where known;
            asked only where a template is rendered anew.
    """
    # A template without the annotation is of an operator that did not know of it: kept as it is.
    if live is None or live.annotations.get(BASIS_ANNOTATION, basis) != basis:
        return fresh(deployment, admission_limit())
    grace = live.pod_spec.get("terminationGracePeriodSeconds")
    return Settled(
        grace_seconds=fresh(deployment, None).grace_seconds if grace is None else int(grace),
        admission_limit=_limit_of(deployment, live.pod_spec),
    )


def _limit_of(deployment: Deployment, pod_spec: Mapping[str, Any]) -> int | None:
    """The limit of one replica that the first container's arguments set."""
    containers: Sequence[Mapping[str, Any]] = pod_spec.get("containers") or ({},)
    engine = "vllm" if deployment.memory.engine.startswith("vllm") else deployment.memory.engine
    limit = parse(engine, tuple(containers[0].get("args") or ())).running_requests
    if limit is None or engine != "vllm":
        return limit
    return limit * deployment.memory.layout.data
