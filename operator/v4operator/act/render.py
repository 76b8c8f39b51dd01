"""A V4Deployment with a pod template -> the Deployment and the Service that it owns. Pure.

The same spec gives the same documents under every version of the operator, given what `settle` read
back from the live ones. What a template says
itself is left alone; what it leaves open is filled in for engines that take minutes to start and
whose requests must not be cut. The number of replicas is never in here: whoever applies a document
with a count owns the count, and takes it back when the document is applied again without one.
"""

import json
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Any

from v4operator.act.render_args import Limits, arguments, command
from v4operator.estimate.startup import time_to_ready
from v4operator.model.deployment import Deployment
from v4operator.model.learned import StartUps

NAME_LABEL = "v4serving.dev/v4deployment"
"""On owned objects and pods: whose they are. The Deployment selects on it."""

ROUTABLE_LABEL = "v4serving.dev/routable"
"""On pods: the Service selects on `true` and the Deployment does not, so that a pod that is drained
gets no new requests and stays the Deployment's own."""

PRE_STOP_SECONDS = 15
"""Proxies and gateways learn of a pod's end within seconds; the rest is for slow ones."""

_AFTER_DRAIN_SECONDS = 30
"""An engine that was told to stop is gone within 6 s (SGLang 0.5.23, vLLM 0.33 observed 2.5 s)."""

BASIS_ANNOTATION = "v4serving.dev/rendered-from"
"""On an owned Deployment: the fingerprint of what its pod template was rendered from."""

_LEAST_DRAIN_SECONDS = 600
"""The default of `drainTimeout`: whoever lowers it does not restart the fleet for a shorter grace
period."""

_START_UPS = 3
"""A start that takes three times as long as expected is not going to happen (DESIGN section 4)."""

_PROBE_SECONDS = 5
_PROBE_FAILURES = 3
"""Three in a row: one health check may sit behind a long prefill."""

_HEALTH_PATHS = {"nim": "/v1/health/ready"}
"""NIM LLM 2.0; vLLM, llama.cpp and vllm-mlx answer on `/health`."""

_READY_SINCE = (0, 5, 23)
"""SGLang's cheap `/ready`; `/health` of older ones costs a token and takes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What of a pod template is decided once, and again only when the template changes anyway.

    `admission_limit` is the number of running requests of one replica; `None` leaves the engine's.
    """

    grace_seconds: int
    admission_limit: int | None = None


def fresh(deployment: Deployment, admission_limit: int | None) -> Settled:
    """What a template that is rendered now should settle on."""
    drain = max(_LEAST_DRAIN_SECONDS, ceil(deployment.scaling.drain_timeout_seconds))
    grace = drain + PRE_STOP_SECONDS + _AFTER_DRAIN_SECONDS
    return Settled(grace_seconds=grace, admission_limit=admission_limit)


def fingerprint(
    deployment: Deployment, template: dict[str, Any], device_resource: str | None
) -> str:
    """What a pod template is rendered from, apart from what is settled, in 16 hexadecimal digits.

    Twice the same means that the pods need not be replaced.
    """
    rendered = _template(deployment, template, device_resource, None)
    text = json.dumps(rendered, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def render_deployment(
    deployment: Deployment,
    template: dict[str, Any],
    *,
    uid: str,
    device_resource: str | None,
    settled: Settled,
) -> dict[str, Any]:
    """The owned Deployment, without its number of replicas.

    Args:
        deployment: what the V4Deployment says.
        template: its pod template, as a person wrote it; not changed.
        uid: of the V4Deployment, which owns the result.
        device_resource: what a container asks for to get a device, if that is known.
        settled: what `settle` found.
    """
    basis = {BASIS_ANNOTATION: fingerprint(deployment, template, device_resource)}
    rollout = deployment.rollout
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_metadata(deployment, uid), "annotations": basis},
        "spec": {
            "selector": {"matchLabels": _labels(deployment)},
            "template": _template(deployment, template, device_resource, settled),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": rollout.max_surge,
                    "maxUnavailable": rollout.max_unavailable,
                },
            },
            "progressDeadlineSeconds": _start_limit_seconds(deployment),
        },
    }


def render_service(deployment: Deployment, *, uid: str) -> dict[str, Any]:
    """The owned Service: ready pods that are not being drained."""
    port = deployment.metrics_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(deployment, uid),
        "spec": {
            "selector": {**_labels(deployment), ROUTABLE_LABEL: "true"},
            "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def _metadata(deployment: Deployment, uid: str) -> dict[str, Any]:
    key = deployment.key
    return {
        "name": key.name,
        "namespace": key.namespace,
        "labels": _labels(deployment),
        "ownerReferences": [
            {
                "apiVersion": "v4serving.dev/v1alpha1",
                "kind": "V4Deployment",
                "name": key.name,
                "uid": uid,
                "controller": True,
            }
        ],
    }


def _labels(deployment: Deployment) -> dict[str, str]:
    return {NAME_LABEL: deployment.key.name}


def _template(
    deployment: Deployment,
    template: dict[str, Any],
    device_resource: str | None,
    settled: Settled | None,
) -> dict[str, Any]:
    made = deepcopy(template)
    metadata = made.setdefault("metadata", {})
    labels = metadata.get("labels") or {}
    metadata["labels"] = {**labels, **_labels(deployment), ROUTABLE_LABEL: "true"}
    spec = made.setdefault("spec", {})
    if settled is not None:
        spec.setdefault("terminationGracePeriodSeconds", settled.grace_seconds)
    containers = spec.get("containers") or []
    if containers:
        if "command" not in containers[0]:
            _fill_command(deployment, containers[0], _limits(spec, settled))
        _fill_engine(deployment, containers[0], device_resource)
    return made


def _limits(spec: dict[str, Any], settled: Settled | None) -> Limits:
    """What the engine is told of the time that it has to end, and of the requests that it takes."""
    if settled is None:
        return Limits()
    grace = int(spec["terminationGracePeriodSeconds"])
    left = grace - PRE_STOP_SECONDS - _AFTER_DRAIN_SECONDS
    return Limits(
        running_requests=settled.admission_limit, drain_seconds=left if left > 0 else None
    )


def _fill_engine(
    deployment: Deployment, container: dict[str, Any], device_resource: str | None
) -> None:
    """The first container runs the engine. One with a command of its own keeps its arguments."""
    port = deployment.metrics_port
    container.setdefault("ports", [{"name": "http", "containerPort": port, "protocol": "TCP"}])
    limits = (container.get("resources") or {}).get("limits") or {}
    if device_resource is not None and not any("/" in name for name in limits):
        count = str(deployment.memory.devices)
        resources = container.get("resources") or {}
        container["resources"] = {**resources, "limits": {**limits, device_resource: count}}
    lifecycle = container.setdefault("lifecycle", {})
    lifecycle.setdefault("preStop", {"sleep": {"seconds": PRE_STOP_SECONDS}})
    for name, probe in _probes(deployment).items():
        container.setdefault(name, probe)


def _fill_command(deployment: Deployment, container: dict[str, Any], limits: Limits) -> None:
    program = command(deployment)
    if program is not None:
        container["command"] = program
    line = arguments(deployment, container.get("args") or [], limits)
    if line:
        container["args"] = line


def _probes(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """No liveness probe: a busy engine may be late, and a restart costs minutes."""
    check = {
        "httpGet": {"path": _health_path(deployment), "port": deployment.metrics_port},
        "periodSeconds": _PROBE_SECONDS,
        "timeoutSeconds": _PROBE_SECONDS,
    }
    starts = ceil(_start_limit_seconds(deployment) / _PROBE_SECONDS)
    return {
        "startupProbe": {**check, "failureThreshold": starts},
        "readinessProbe": {**check, "failureThreshold": _PROBE_FAILURES},
    }


def _health_path(deployment: Deployment) -> str:
    memory = deployment.memory
    if memory.engine != "sglang":
        return _HEALTH_PATHS.get(memory.engine, "/health")
    version = memory.engine_version
    return "/ready" if version is None or _numbers(version) >= _READY_SINCE else "/health"


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, such as (0, 5, 23) of 0.5.23.post1."""
    parts = version.removeprefix("v").split(".")
    return tuple(int(part) for part in parts if part.isdecimal())


def _start_limit_seconds(deployment: Deployment) -> int:
    """By what is known before any start was seen: a figure that moved would restart the fleet."""
    expected = time_to_ready(StartUps(), deployment.memory.checkpoint).seconds
    return ceil(_START_UPS * expected)
