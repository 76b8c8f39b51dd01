"""Manifests as people write them -> frozen deployments, or every mistake with its place.

Hostile until parsed: size, documents and nesting are bounded before anything is looked at.
"""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import ValidationError

from v4operator.api.mistakes import explain
from v4operator.api.scaling import ScheduleSpec
from v4operator.api.v1alpha1 import (
    DEFAULT_METRICS_PATH,
    DEFAULT_METRICS_PORT,
    GROUP,
    KIND,
    HbmPolicy,
    V4Deployment,
    V4DeploymentSpec,
)
from v4operator.catalogue import load, resolve
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import (
    Cost,
    Deployment,
    GatewayQueries,
    Key,
    MemoryPlan,
    Objectives,
    Rollout,
    Scaling,
    Schedule,
)
from v4operator.model.layout import Layout
from v4operator.model.problem import InputError, Problem, nearest

MAX_BYTES = 1 << 20  # a V4Deployment with its pod template stays under 50 kB
MAX_DOCUMENTS = 500
MAX_NODES = 50_000  # aliases count each time they are used, which stops "billion laughs"


def load_text(text: str, where: str, catalogue: Catalogue | None = None) -> tuple[Deployment, ...]:
    """Every V4Deployment in YAML text; documents of other kinds are passed over.

    `where` names the origin of the text in messages.

    Raises:
        InputError: with every mistake found in all documents.
    """
    known = catalogue or load()
    problems: list[Problem] = []
    deployments: list[Deployment] = []
    for place, document in _documents(text, where):
        try:
            deployments.append(parse(document, place, known))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return tuple(deployments)


def parse(document: Any, where: str, catalogue: Catalogue) -> Deployment:
    """One document -> one deployment with every default filled in.

    Raises:
        InputError: with every mistake found.
    """
    try:
        resource = V4Deployment.model_validate(document)
    except ValidationError as error:
        raise InputError(explain(error, V4Deployment, where)) from error
    problems = tuple(_unknown_names(resource.spec, where, catalogue))
    problems += tuple(_impossible_layout(resource.spec, where))
    if problems:
        raise InputError(problems)
    return _deployment(resource)


def _documents(text: str, where: str) -> Iterator[tuple[str, Any]]:
    if len(text) > MAX_BYTES:
        found = f"more than {MAX_BYTES} characters"
        raise InputError([Problem(where=where, path="", found=found, allowed="up to 1 MiB")])
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError) as error:
        found = " ".join(str(error).split())
        raise InputError([Problem(where=where, path="", found=found, allowed="YAML")]) from error
    if len(documents) > MAX_DOCUMENTS or not _bounded(documents):
        allowed = f"up to {MAX_DOCUMENTS} documents and {MAX_NODES} nodes"
        raise InputError([Problem(where=where, path="", found="more", allowed=allowed)])
    for number, document in enumerate(documents):
        place = where if len(documents) == 1 else f"{where} (document {number + 1})"
        if document is not None and _is_ours(document, place):
            yield place, document


def _bounded(root: Any) -> bool:
    stack, nodes = [root], 0
    while stack:
        nodes += 1
        if nodes > MAX_NODES:
            return False
        node = stack.pop()
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return True


def _is_ours(document: Any, where: str) -> bool:
    """Pass over other kinds, but not a mistyped one of ours."""
    if not isinstance(document, dict):
        found = type(document).__name__
        raise InputError([Problem(where=where, path="", found=found, allowed="a mapping")])
    api_version, kind = str(document.get("apiVersion", GROUP)), document.get("kind", KIND)
    return kind == KIND or nearest(api_version.split("/", maxsplit=1)[0], [GROUP]) is not None


def _deployment(resource: V4Deployment) -> Deployment:
    spec = resource.spec
    return Deployment(
        key=Key(resource.metadata.namespace, resource.metadata.name),
        generation=resource.metadata.generation,
        memory=_memory_plan(spec),
        enforce_hbm=spec.hbm.policy is HbmPolicy.ENFORCE,
        scaling=Scaling(
            mode=spec.scaling.mode,
            min_replicas=spec.scaling.min_replicas,
            max_replicas=spec.scaling.max_replicas,
            paused=spec.scaling.paused,
            shrink_window_seconds=spec.scaling.behavior.shrink_window,
            drain_timeout_seconds=spec.scaling.behavior.drain_timeout,
            warm_replicas=spec.scaling.warm_replicas,
            schedules=tuple(_schedule(schedule) for schedule in spec.scaling.schedules),
        ),
        objectives=Objectives(
            ttft_seconds=spec.objectives.ttft,
            inter_token_latency_seconds=spec.objectives.inter_token_latency,
            attainment=spec.objectives.attainment,
        ),
        endpoints=tuple(url.rstrip("/") for url in spec.workload.endpoints or ()),
        metrics_port=spec.engine.metrics.port or DEFAULT_METRICS_PORT[spec.engine.name],
        metrics_path=spec.engine.metrics.path or DEFAULT_METRICS_PATH[spec.engine.name],
        metrics_interval_seconds=spec.metrics.interval,
        metrics_server=spec.metrics.server,
        gateway=_gateway(spec),
        replicas=spec.replicas,
        cost=Cost(
            device_usd_per_hour=spec.cost.device_per_hour,
            budget_usd_per_hour=spec.cost.budget_per_hour,
        ),
        rollout=Rollout(
            max_surge=spec.workload.rollout.max_surge,
            max_unavailable=spec.workload.rollout.max_unavailable,
        ),
    )


def _gateway(spec: V4DeploymentSpec) -> GatewayQueries | None:
    demand = spec.demand
    if demand is None:
        return None
    return GatewayQueries(
        waiting=demand.query,
        lost=demand.lost_query,
        server=demand.prometheus or spec.metrics.prometheus or "",
    )


def _schedule(schedule: ScheduleSpec) -> Schedule:
    return Schedule(
        name=schedule.name,
        start=schedule.start,
        zone=ZoneInfo(schedule.time_zone),
        duration_seconds=schedule.duration,
        min_replicas=schedule.min_replicas,
    )


def _memory_plan(spec: V4DeploymentSpec) -> MemoryPlan:
    custom = spec.model.custom
    return MemoryPlan(
        checkpoint=custom.base if custom else str(spec.model.checkpoint),
        engine=spec.engine.name,
        engine_version=spec.engine.version,
        engine_args=tuple(spec.engine.args),
        accelerator=spec.accelerator.product,
        devices=spec.accelerator.count,
        layout=_layout(spec),
        max_context_tokens=spec.model.max_context_tokens,
        concurrency=spec.hbm.concurrency,
        budget=spec.hbm.budget,
        weight_bytes=custom.weight_bytes if custom else None,
        kv_cache_dtype=None if spec.model.kv_cache_dtype == "auto" else spec.model.kv_cache_dtype,
    )


def _layout(spec: V4DeploymentSpec) -> Layout:
    parallelism, count = spec.parallelism, spec.accelerator.count
    data, pipeline = parallelism.data, parallelism.pipeline
    tensor = parallelism.tensor or max(1, count // (data * pipeline))
    # SGLang counts all devices of a stage as tensor ones and shares them out among the data ranks.
    if spec.engine.name == "sglang" and tensor * pipeline == count and tensor % data == 0:
        tensor //= data
    return Layout(tensor=tensor, data=data, pipeline=pipeline, expert=parallelism.expert)


def _impossible_layout(spec: V4DeploymentSpec, where: str) -> Iterator[Problem]:
    layout = _layout(spec)
    if layout.devices != spec.accelerator.count:
        yield Problem(
            where=where,
            path="spec.parallelism",
            found=f"tensor {layout.tensor} x data {layout.data} x pipeline {layout.pipeline} "
            f"= {layout.devices} devices",
            allowed=f"a product of spec.accelerator.count = {spec.accelerator.count}",
        )


def _unknown_names(spec: V4DeploymentSpec, where: str, catalogue: Catalogue) -> Iterator[Problem]:
    custom = spec.model.custom
    path = "spec.model.custom.base" if custom else "spec.model.checkpoint"
    name = custom.base if custom else str(spec.model.checkpoint)
    for find, word, place in (
        (resolve.checkpoint, name, path),
        (resolve.accelerator, spec.accelerator.product, "spec.accelerator.product"),
    ):
        try:
            find(catalogue, word, where=where, path=place)
        except InputError as error:
            yield from error.problems
