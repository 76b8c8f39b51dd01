"""The effective configuration: engine's report over pod over spec, each value with its source.

Pure. Two sources that disagree are a finding which names both values. What cannot be read is not
known: no default stands in for it. Parallelism, context and KV format of spec against arguments are
compared by the memory check itself (`hbm_config`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise

from v4operator.catalogue.resolve import find_checkpoint
from v4operator.estimate.engine_args import EngineArgs, parse
from v4operator.estimate.node_devices import node_findings, visible_bytes
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import Deployment, MemoryPlan
from v4operator.model.hbm import Finding
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Workload
from v4operator.model.running import ConfiguredValue, RunningEngine

ENGINE, SPEC = "engine", "spec"
_VERSION, _FRACTION = "engine version", "memory fraction"

_PARSED = {"vllm": "vllm", "vllm-ascend": "vllm", "sglang": "sglang"}
"""Engines whose arguments are known, by the table that knows them."""

_SAME_RATIO = 0.005
"""Fractions and memory that differ by less are the same figure rounded otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What is planned with, where it comes from, and what does not agree.

    `admission_limit` are the running requests that the engine is told to stay within, over all
    ranks; `None`: it is told none. It means nothing where `arguments_known` is false.
    """

    deployment: Deployment
    values: tuple[ConfiguredValue, ...]
    findings: tuple[Finding, ...]
    admission_limit: int | None
    arguments_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """One value of one source."""

    name: str
    value: object
    source: str


def effective(
    deployment: Deployment,
    workload: Workload,
    readings: Iterable[EngineReading],
    before: tuple[ConfiguredValue, ...],
    catalogue: Catalogue,
) -> Effective:
    """Bring together what is said of one workload's engines.

    Args:
        deployment: as the spec has it.
        workload: with what its pods and nodes say.
        readings: the last ones of its engines.
        before: what was effective in the last cycle, for what an engine told then and is silent
            about now.
        catalogue: names of checkpoints and devices, and what of a device CUDA sees.
    """
    plan, running = deployment.memory, workload.running
    spec = _parsed(plan, plan.engine_args)
    seen = spec if running is None or running.args is None else _parsed(plan, running.args)
    wished = tuple(_argument_claims(spec, SPEC))
    ignored = _ignored(running, seen, wished)
    claims = [
        *_engine_claims(tuple(readings), before),
        *_pod_claims(running, seen, catalogue),
        *_spec_claims(plan, catalogue),
        *(claim for claim in wished if claim not in ignored),
    ]
    values, parted = _settled(claims)
    unset = (_not_set(claim, running) for claim in ignored if running is not None)
    mismatches = () if running is not None and running.replaced else (*parted, *unset)
    nodes = node_findings(plan, workload, catalogue)
    return Effective(
        deployment=replace(deployment, memory=_memory(plan, workload, values, catalogue)),
        values=tuple(values.values()),
        findings=(
            *mismatches,
            *_port_findings(deployment, running),
            *nodes,
            *_unreadable(running, plan),
        ),
        admission_limit=_limit(plan, seen),
        arguments_known=running is not None and running.args is not None,
    )


def _parsed(plan: MemoryPlan, args: tuple[str, ...]) -> EngineArgs:
    return parse(_PARSED.get(plan.engine, plan.engine), args)


def _engine_claims(
    readings: tuple[EngineReading, ...], before: tuple[ConfiguredValue, ...]
) -> Iterator[_Claim]:
    told = {each.name: each.value for each in before if each.source == ENGINE}
    versions = {r.version for r in readings if r.version} or {told.get(_VERSION)} - {None}
    if len(versions) == 1:  # several are a rollout: then the pod or the spec say where it goes
        yield _Claim(name=_VERSION, value=versions.pop(), source=ENGINE)
    fractions = [r.memory_fraction for r in readings if r.memory_fraction is not None]
    if fractions:
        yield _Claim(name=_FRACTION, value=max(fractions), source=ENGINE)


def _pod_claims(
    running: RunningEngine | None, seen: EngineArgs, catalogue: Catalogue
) -> Iterator[_Claim]:
    if running is None:
        return
    if running.devices is not None:
        yield _Claim(name="devices", value=running.devices, source=running.source)
    if running.args is None:
        return
    model = _model_of(running.args, catalogue)
    if model is not None:
        yield _Claim(name="checkpoint", value=model, source=running.source)
    yield from _argument_claims(seen, running.source)


def _ignored(
    running: RunningEngine | None, seen: EngineArgs, wished: tuple[_Claim, ...]
) -> tuple[_Claim, ...]:
    """Arguments of the spec that a pod whose command line is known is not started with."""
    if running is None or running.args is None:
        return ()
    there = {claim.name for claim in _argument_claims(seen, running.source)}
    return tuple(claim for claim in wished if claim.name not in there)


def _not_set(claim: _Claim, running: RunningEngine) -> Finding:
    return Finding(
        reason="ConfigMismatch",
        message=f"{claim.name}: the spec says {_text(claim.value)}, the {running.source} does not"
        " set it; the engine's own default holds",
        hint="start the engine with it, or take it out of engine.args",
    )


def _spec_claims(plan: MemoryPlan, catalogue: Catalogue) -> Iterator[_Claim]:
    found = find_checkpoint(catalogue, plan.checkpoint)
    yield _Claim(name="checkpoint", value=found.name if found else plan.checkpoint, source=SPEC)
    yield _Claim(name="devices", value=plan.devices, source=SPEC)
    if plan.engine_version is not None:
        yield _Claim(name=_VERSION, value=plan.engine_version, source=SPEC)


def _argument_claims(args: EngineArgs, source: str) -> Iterator[_Claim]:
    for field in fields(args):
        value = getattr(args, field.name)
        if field.name not in {"unknown", "unreadable"} and value is not None:
            yield _Claim(name=field.name.replace("_", " "), value=value, source=source)


def _settled(
    claims: list[_Claim],
) -> tuple[dict[str, ConfiguredValue], tuple[Finding, ...]]:
    """The first claim of each name holds; later ones that differ are findings."""
    held: dict[str, _Claim] = {}
    findings = []
    for claim in claims:
        first = held.setdefault(claim.name, claim)
        if not _same(first.value, claim.value):
            findings.append(_mismatch(claim.name, first, claim))
    values = {
        name: ConfiguredValue(name=name, value=_text(c.value), source=c.source)
        for name, c in held.items()
    }
    return values, tuple(findings)


def _mismatch(name: str, taken: _Claim, other: _Claim) -> Finding:
    return Finding(
        reason="ConfigMismatch",
        message=f"{name}: the {other.source} says {_text(other.value)}, the {taken.source}"
        f" {_text(taken.value)}; the {taken.source} was taken",
        hint="make both say the same: memory and throughput are planned with what was taken",
    )


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _SAME_RATIO * one
    return _text(one).lower() == _text(other).lower()


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _model_of(args: tuple[str, ...], catalogue: Catalogue) -> str | None:
    """The checkpoint that the command line loads, where the catalogue knows it by that name."""
    for word in args:
        name = word.partition("=")[2] or word
        found = find_checkpoint(catalogue, name) if "/" in name else None
        if found is not None:
            return found.name
    return None


def _memory(
    plan: MemoryPlan,
    workload: Workload,
    values: dict[str, ConfiguredValue],
    catalogue: Catalogue,
) -> MemoryPlan:
    version, running = values.get(_VERSION), workload.running
    changed = replace(
        plan,
        engine_version=version.value if version else None,
        visible_bytes=visible_bytes(plan, workload.nodes, catalogue),
    )
    if plan.weight_bytes is None:
        changed = replace(changed, checkpoint=values["checkpoint"].value)
    if running is None or plan.engine not in _PARSED:
        return changed
    if running.args is not None:
        return replace(changed, engine_args=_flags(running.args))
    reason = None if plan.engine_args else f"{running.source}: {running.unreadable}"
    return replace(changed, args_unreadable=reason)


def _flags(args: tuple[str, ...]) -> tuple[str, ...]:
    """From the first flag on: program and module decide nothing that is modelled."""
    place = next((n for n, word in enumerate(args) if word.startswith("--")), len(args))
    return args[place:]


def _port_findings(deployment: Deployment, running: RunningEngine | None) -> Iterator[Finding]:
    """An engine that listens elsewhere than its metrics are asked for; only where it says so."""
    told = _port_of(running.args) if running and running.args else None
    asked = deployment.metrics_port
    if running is None or told is None or told == asked or asked in running.ports:
        return
    yield Finding(
        reason="ConfigMismatch",
        message=f"port: the spec says {asked}, the {running.source} starts its engine on {told};"
        f" metrics are asked for on {asked}",
        hint=f"set engine.metrics.port to {told}",
    )


def _port_of(args: tuple[str, ...]) -> int | None:
    """The engine's own `--port`; the last one counts."""
    words = " ".join(args).replace("--port=", "--port ").split()
    named = [value for flag, value in pairwise(words) if flag == "--port"]
    return int(named[-1]) if named and named[-1].isdecimal() else None


def _unreadable(running: RunningEngine | None, plan: MemoryPlan) -> Iterator[Finding]:
    if running is None or running.args is not None or plan.engine not in _PARSED:
        return
    taken = "those of the spec are taken" if plan.engine_args else "memory is not judged"
    yield Finding(
        reason="EngineArgumentsUnreadable",
        message=f"the arguments of {running.source} cannot be read: {running.unreadable}; {taken}",
        hint="write the engine's arguments into the pod's command and args, or into engine.args",
    )


def _limit(plan: MemoryPlan, seen: EngineArgs) -> int | None:
    """Over all ranks: vLLM's is of each data-parallel engine, SGLang's of all of them."""
    limit = seen.running_requests
    if limit is None or _PARSED.get(plan.engine) != "vllm":
        return limit
    return limit * (seen.data or plan.layout.data)
