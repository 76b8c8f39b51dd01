"""`v4-operator plan`: does this checkpoint fit, what would, how many for a demand, and the guide.

Reads flags or a manifest, asks `estimate`, shows the answer. Nothing is looked up or started.
Exit status: 0 fits or can be served, 1 does not (or cannot be told), 2 wrong usage.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticCustomError

from v4operator.adapters.manifest_file import load_file
from v4operator.api.quantity import parse_memory_budget
from v4operator.catalogue import load
from v4operator.catalogue.resolve import accelerator, checkpoint, engine, find_accelerator
from v4operator.cli.ending import WRONG_USAGE, Output
from v4operator.cli.plan_demand import Asked, context_of, demand_findings, workload_of
from v4operator.cli.plan_demand_view import demand_document, demand_table
from v4operator.cli.plan_view import fits_document, fits_table, report_document, report_table
from v4operator.estimate.hbm import check
from v4operator.estimate.hbm_fits import smallest_layouts
from v4operator.estimate.sizing import sizings
from v4operator.estimate.thinking import Thinking, context_finding
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import HbmBudget, MemoryPlan
from v4operator.model.layout import Layout
from v4operator.model.problem import InputError, Problem, nearest

_FINDING = 1
_DEFAULT_ENGINE = "vllm"


def command(
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="V4Deployments; - reads standard input.")
    ] = None,
    checkpoint_name: Annotated[str | None, typer.Option("--checkpoint", help="Its name.")] = None,
    engine_name: Annotated[
        str | None,
        typer.Option("--engine", help="Default: vllm; for a demand that of the published speed."),
    ] = None,
    engine_version: Annotated[str | None, typer.Option(help="Release, such as 0.33.0.")] = None,
    device: Annotated[str | None, typer.Option("--accelerator", help="Id or product.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Devices per replica; without: what would fit.")
    ] = None,
    tensor: Annotated[
        int | None, typer.Option("--tensor-parallel", min=1, help="Default: what is left.")
    ] = None,
    data: Annotated[int, typer.Option("--data-parallel", min=1, help="Attention ranks.")] = 1,
    pipeline: Annotated[int, typer.Option("--pipeline-parallel", min=1, help="Stages.")] = 1,
    expert: Annotated[bool, typer.Option("--expert-parallel", help="Spread experts.")] = False,
    max_context: Annotated[
        int | None, typer.Option(min=1, help="Tokens; default: the checkpoint's own maximum.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests of that length.")] = 1,
    hbm_budget: Annotated[str | None, typer.Option(help="Per device: 90%, 130Gi, 130GB.")] = None,
    kv_cache_dtype: Annotated[str | None, typer.Option(help="Default: the engine's.")] = None,
    moe_kernel: Annotated[str | None, typer.Option(help="marlin or humming (Hopper).")] = None,
    mode: Annotated[Thinking | None, typer.Option(help="How long answers are.")] = None,
    demand: Annotated[
        str | None, typer.Option(help="Requests to be served, such as 12rps: how many replicas?")
    ] = None,
    prompt: Annotated[int | None, typer.Option(min=1, help="Tokens of a prompt.")] = None,
    answer: Annotated[
        int | None, typer.Option(min=1, help="Tokens of an answer; default: the mode's.")
    ] = None,
    cache_hits: Annotated[
        str | None, typer.Option(help="Share of prompt tokens that the prefix cache holds: 70%.")
    ] = None,
    objective_ttft: Annotated[str, typer.Option(help="Time to first token.")] = "2s",
    objective_itl: Annotated[str, typer.Option(help="Time per further token.")] = "33ms",
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day to count ages to; default: today."),
    ] = None,
    guide: Annotated[
        bool, typer.Option("--guide", help="The self-hosting guide's figures beside ours.")
    ] = False,
    catalogue_file: Annotated[
        Path | None, typer.Option("--catalogue", help="Your own checkpoints and devices.")
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
    engine_args: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ENGINE ARGUMENTS]", show_default=False)
    ] = None,
) -> None:
    """Say whether a replica fits its devices.

    Or, with --demand, how many replicas a demand needs and what they cost.
    """
    with _refusing():
        known = load(catalogue_file)
        if guide:
            raise typer.Exit(_answer_guide(known, output))
        if file is not None:
            raise typer.Exit(_answer_file(file, known, output))
        plan = MemoryPlan(
            checkpoint=_checkpoint(checkpoint_name, known),
            engine=_engine(engine_name, demand, known),
            engine_version=engine_version,
            engine_args=tuple(engine_args or ()),
            accelerator=_device(device, None if demand else count, known),
            devices=count or 1,
            layout=_layout(count, tensor, data, pipeline, expert=expert),
            max_context_tokens=max_context,
            concurrency=concurrency,
            budget=_budget(hbm_budget),
            kv_cache_dtype=kv_cache_dtype,
            moe_kernel=_kernel(moe_kernel, known),
        )
        if demand is not None:
            asked = Asked(
                demand=demand,
                prompt=prompt,
                answer=answer,
                cache_hits=cache_hits,
                objective_ttft=objective_ttft,
                objective_itl=objective_itl,
                mode=mode,
                count=count,
                as_of=as_of,
            )
            raise typer.Exit(_answer_demand(plan, asked, known, output))
    if count is None:
        raise typer.Exit(_answer_fits(plan, known, output))
    raise typer.Exit(_answer_check(plan, known, mode, output))


@contextmanager
def _refusing() -> Iterator[None]:
    """Wrong usage ends with the reason on the error output."""
    try:
        yield
    except InputError as error:
        for problem in error.problems:
            typer.echo(f"v4-operator plan: {problem}", err=True)
        raise typer.Exit(WRONG_USAGE) from error


def _answer_check(plan: MemoryPlan, known: Catalogue, mode: Thinking | None, output: Output) -> int:
    report = check(plan, known)
    finding = context_finding(mode, report.context_tokens or 0)
    if finding is not None:
        report = replace(report, findings=(*report.findings, finding))
    if output is Output.JSON:
        _echo_json(report_document(plan, report))
    else:
        typer.echo(report_table(plan, report))
    return 0 if report.verdict.fits else _FINDING


def _answer_fits(plan: MemoryPlan, known: Catalogue, output: Output) -> int:
    named = find_accelerator(known, plan.accelerator)
    fits = smallest_layouts(plan, known, (named,) if named else known.accelerators)
    if output is Output.JSON:
        _echo_json(fits_document(plan, fits))
    else:
        typer.echo(fits_table(plan, fits))
    return 0 if fits else _FINDING


def _answer_demand(plan: MemoryPlan, asked: Asked, known: Catalogue, output: Output) -> int:
    workload = workload_of(asked, known)
    served = checkpoint(known, plan.checkpoint, where="--checkpoint")
    context = plan.max_context_tokens or context_of(workload, asked.mode, served)
    plan = replace(plan, max_context_tokens=context)
    today = (asked.as_of or datetime.now(UTC)).date()
    layout = plan.layout if asked.count or plan.layout.devices > 1 else None
    found = sizings(workload, plan, known, as_of=today, layout=layout)
    findings = tuple(demand_findings(plan, asked.mode, found, known))
    if output is Output.JSON:
        _echo_json(demand_document(plan, workload, found, findings, today))
    else:
        typer.echo(demand_table(plan, workload, found, findings))
    return 0 if any(sizing.replicas for sizing in found) else _FINDING


def _answer_guide(known: Catalogue, output: Output) -> int:
    # Here, so that the other answers do not pay for reading the guide.
    from v4operator.catalogue.guide import load_guide  # noqa: PLC0415
    from v4operator.cli.plan_guide import guide_document, guide_table  # noqa: PLC0415
    from v4operator.estimate.guide import compare  # noqa: PLC0415

    rows = compare(load_guide(), known)
    if output is Output.JSON:
        _echo_json(guide_document(rows))
    else:
        typer.echo(guide_table(rows))
    return 0


def _answer_file(file: Path, known: Catalogue, output: Output) -> int:
    """Each deployment of the file; the worst answer is the exit status."""
    answers = [(d, check(d.memory, known)) for d in load_file(file, known)]
    if output is Output.JSON:
        documents = [{"name": str(d.key), **report_document(d.memory, r)} for d, r in answers]
        _echo_json(documents[0] if len(documents) == 1 else documents)
    else:
        typer.echo("\n\n".join(f"{d.key}\n{report_table(d.memory, r)}" for d, r in answers))
    return 0 if all(report.verdict.fits for _, report in answers) else _FINDING


def _echo_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, allow_nan=False))


def _checkpoint(name: str | None, known: Catalogue) -> str:
    return checkpoint(known, name or "nothing", where="--checkpoint").name


def _layout(
    count: int | None, tensor: int | None, data: int, pipeline: int, *, expert: bool
) -> Layout:
    """Attention takes the devices that ranks and stages leave, unless it was told."""
    left = max(1, (count or 1) // (data * pipeline))
    return Layout(tensor=tensor or left, data=data, pipeline=pipeline, expert=expert)


def _engine(name: str | None, demand: str | None, known: Catalogue) -> str:
    """Empty where the published speed's own engine is meant."""
    if name is None and demand is not None:
        return ""
    return engine(known, name or _DEFAULT_ENGINE, where="--engine").name


def _device(name: str | None, count: int | None, known: Catalogue) -> str:
    """Empty where every device is to be tried."""
    if name is None and count is None:
        return ""
    return accelerator(known, name or "nothing", where="--accelerator").name


def _budget(text: str | None) -> HbmBudget | None:
    if text is None:
        return None
    try:
        return parse_memory_budget(text)
    except PydanticCustomError as error:
        context = error.context or {}
        problem = Problem(
            where="--hbm-budget",
            path="",
            found=repr(text),
            allowed=str(context.get("allowed", error.message())),
            nearest=context.get("nearest"),
        )
        raise InputError([problem]) from error


def _kernel(name: str | None, known: Catalogue) -> str | None:
    allowed = sorted(
        {row.kernel for row in known.load_factors if row.kernel}
        | {kernel.kernel for entry in known.engines for kernel in entry.kernels}
    )
    if name is None or name in allowed:
        return name
    hint = nearest(name, allowed)
    problem = Problem(
        where="--moe-kernel", path="", found=repr(name), allowed=", ".join(allowed), nearest=hint
    )
    raise InputError([problem])
