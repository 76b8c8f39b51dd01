"""The effective configuration: arguments over plan over the engine's defaults, each from a source.

No arithmetic on memory. What cannot be told is a reason, never a default.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from v4operator.catalogue.fine_tune import with_weight_bytes
from v4operator.catalogue.resolve import find_accelerator, find_checkpoint, find_engine
from v4operator.catalogue.versions import at_least, release
from v4operator.estimate.engine_args import EngineArgs, parse
from v4operator.model.catalogue import (
    Accelerator,
    Catalogue,
    Checkpoint,
    EngineEntry,
    EngineMemory,
    KernelDefault,
    LoadFactor,
)
from v4operator.model.deployment import HbmBudget, MemoryPlan
from v4operator.model.figures import Figure, Tag
from v4operator.model.hbm import Finding
from v4operator.model.layout import Layout

FP4_FORMATS = frozenset({"mxfp4", "nvfp4"})  # formats whose experts go through a MoE kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One replica as it would be started. `version` is the newest known where none was given.

    `memory_fraction`, `batched_tokens` and `running_requests` are what was set, `None` for the
    engine's own default. `kernel` is `None` for experts that need none.
    """

    checkpoint: Checkpoint
    accelerator: Accelerator
    engine: EngineEntry
    memory: EngineMemory
    version: str
    devices: int
    layout: Layout
    context_tokens: int
    concurrency: int
    budget: HbmBudget | None
    memory_fraction: float | None
    batched_tokens: int | None
    running_requests: int | None
    kv_cache_dtype: str
    indexer: str
    speculative: bool
    kernel: str | None
    load_factor: LoadFactor | None
    args: EngineArgs
    findings: tuple[Finding, ...]


OWN_CATALOGUE = "add what is missing to a catalogue of your own (V4_CATALOGUE_DIR, --catalogue)"
_PLAIN_ARGUMENTS = (
    "write the arguments that the engine is started with into the pod's command and args, or into"
    " engine.args"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Why there is no configuration to check, and what would help."""

    reasons: tuple[str, ...]
    hint: str | None = None


def resolve(plan: MemoryPlan, catalogue: Catalogue) -> Configuration | Unresolved:
    """Bring plan, arguments and catalogue together."""
    checkpoint = find_checkpoint(catalogue, plan.checkpoint)
    accelerator = find_accelerator(catalogue, plan.accelerator)
    engine = find_engine(catalogue, plan.engine)
    if checkpoint is None or accelerator is None or engine is None or engine.memory is None:
        names = tuple(_unknown_names(plan, checkpoint, accelerator, engine))
        return Unresolved(reasons=names, hint=OWN_CATALOGUE)
    args = parse(engine.name, plan.engine_args)
    reasons = tuple(_unreadable(plan, args, engine.name))
    if reasons:
        return Unresolved(reasons=reasons, hint=_PLAIN_ARGUMENTS)
    if plan.visible_bytes is not None:
        visible = Figure(value=plan.visible_bytes, tag=Tag.MEASURED, source="node label")
        accelerator = replace(accelerator, visible_bytes=visible)
    if plan.weight_bytes is not None:
        checkpoint = with_weight_bytes(checkpoint, plan.weight_bytes)
    version = _version(plan, engine)
    kernel = _kernel(plan, args, checkpoint, engine.kernels, version)
    layout = _layout(plan, args, engine.name)
    context = args.context_tokens or plan.max_context_tokens or checkpoint.max_context_tokens
    return Configuration(
        checkpoint=checkpoint,
        accelerator=accelerator,
        engine=engine,
        memory=engine.memory,
        version=version,
        devices=plan.devices,
        layout=layout,
        context_tokens=context,
        concurrency=plan.concurrency,
        budget=plan.budget,
        memory_fraction=args.memory_fraction,
        batched_tokens=args.batched_tokens,
        running_requests=args.running_requests,
        kv_cache_dtype=args.kv_cache_dtype or plan.kv_cache_dtype or "auto",
        indexer=args.indexer or "fp8",
        speculative=bool(args.speculative),
        kernel=kernel,
        load_factor=_load_factor(catalogue, accelerator, checkpoint, kernel),
        args=args,
        findings=(
            *_version_findings(plan, engine, version),
            *_argument_findings(plan, args, layout, engine.name),
        ),
    )


def _unknown_names(
    plan: MemoryPlan,
    checkpoint: Checkpoint | None,
    accelerator: Accelerator | None,
    engine: EngineEntry | None,
) -> Iterator[str]:
    if checkpoint is None:
        yield f"checkpoint {plan.checkpoint!r} is not in the catalogue"
    if accelerator is None:
        yield f"accelerator {plan.accelerator!r} is not in the catalogue"
    if engine is None:
        yield f"engine {plan.engine!r} is not in the catalogue"
    elif engine.memory is None:
        yield f"no memory model of {engine.name} is known"


def _unreadable(plan: MemoryPlan, args: EngineArgs, engine: str) -> Iterator[str]:
    if plan.args_unreadable is not None:
        yield f"the engine's arguments cannot be read: {plan.args_unreadable}"
    for argument in args.unreadable:
        yield f"the engine argument {argument!r} cannot be read"
    if engine == "sglang" and (args.data or 1) > 1 and not args.data_attention:
        yield (
            f"--dp-size {args.data} without --enable-dp-attention starts {args.data} whole copies "
            "of the model, which one replica here is not"
        )


def _version(plan: MemoryPlan, engine: EngineEntry) -> str:
    given = plan.engine_version
    return given if given and release(given) else engine.newest_version or ""


def _kernel(
    plan: MemoryPlan,
    args: EngineArgs,
    checkpoint: Checkpoint,
    defaults: tuple[KernelDefault, ...],
    version: str,
) -> str | None:
    if checkpoint.expert_format not in FP4_FORMATS:
        return None
    in_force = [entry.kernel for entry in defaults if at_least(version, entry.since)]
    named = args.kernel if args.kernel not in {None, "auto"} else None
    return named or plan.moe_kernel or (in_force[-1] if in_force else None)


def _load_factor(
    catalogue: Catalogue, accelerator: Accelerator, checkpoint: Checkpoint, kernel: str | None
) -> LoadFactor | None:
    """The most specific row that matches: kernel before family before neither."""
    matching = [
        row
        for row in catalogue.load_factors
        if row.architecture == accelerator.architecture
        and row.kernel in {None, kernel}
        and row.family in {None, checkpoint.family}
    ]
    return max(matching, key=lambda r: (r.kernel is not None, r.family is not None), default=None)


def _layout(plan: MemoryPlan, args: EngineArgs, engine: str) -> Layout:
    """Attention ranks as `Layout` counts them: SGLang's own tp spans the data-parallel ranks."""
    planned = plan.layout
    data = args.data or planned.data
    pipeline = args.pipeline or planned.pipeline
    tensor = args.tensor or planned.tensor
    spans_ranks = engine == "sglang" and tensor * data * pipeline != plan.devices
    if spans_ranks and tensor * pipeline == plan.devices and tensor % data == 0:
        tensor //= data
    expert = planned.expert if args.expert is None else args.expert
    return Layout(tensor=tensor, data=data, pipeline=pipeline, expert=expert)


def _version_findings(plan: MemoryPlan, engine: EngineEntry, version: str) -> Iterator[Finding]:
    newest = engine.newest_version or ""
    if version != plan.engine_version:
        given = f"{plan.engine_version!r} is no release" if plan.engine_version else "none given"
        yield Finding(
            reason="EngineVersionAssumed",
            message=f"Engine version: {given}; {engine.name} {version} is assumed.",
            hint="Name the release: defaults and the KV layout differ between releases.",
        )
    elif not at_least(newest, version):
        yield Finding(
            reason="EngineVersionNewer",
            message=f"{engine.name} {version} is newer than {newest}, the newest release known.",
            hint="Compare the KV capacity that the engine reports with this one.",
        )


def _argument_findings(
    plan: MemoryPlan, args: EngineArgs, layout: Layout, engine: str
) -> Iterator[Finding]:
    if args.unknown:
        yield Finding(
            reason="UnknownArguments",
            message=f"Arguments of unknown effect on memory: {', '.join(args.unknown)}.",
        )
    for name, planned, given in _stated_twice(plan, args, layout, engine):
        if planned is not None and given is not None and planned != given:
            yield Finding(
                reason="ConfigMismatch",
                message=f"{name}: the plan says {planned}, the engine arguments say {given}; "
                "the arguments were taken.",
                hint="Make both say the same.",
            )


def _stated_twice(
    plan: MemoryPlan, args: EngineArgs, layout: Layout, engine: str
) -> Iterator[tuple[str, object, object]]:
    planned = _layout(replace(plan, engine_args=()), EngineArgs(), engine)
    yield "parallelism", planned.label, layout.label
    yield "expert parallelism", planned.expert, args.expert
    yield "maximum context", plan.max_context_tokens, args.context_tokens
    yield "KV cache dtype", plan.kv_cache_dtype, args.kv_cache_dtype
    yield "MoE kernel", plan.moe_kernel, args.kernel
