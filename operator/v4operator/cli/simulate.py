"""`v4-operator simulate`: a trace, a policy, and what it costs beside whoever knows the future.

Reads, plays and shows; the parts are in `simulate`. Needs the extra `simulate`. The JSON keys stay.
Exit status: 0 the target is met, 1 it is not, 2 wrong usage.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from v4operator.cli.ending import Output, Refused, refusing
from v4operator.cli.simulator import FINDING, Overload, known, need_the_extra
from v4operator.cli.simulator import plot as draw_plot

if TYPE_CHECKING:
    from v4operator.simulate.ground import Ground
    from v4operator.simulate.harness import Run
    from v4operator.simulate.scenarios import Scenario
    from v4operator.simulate.score import Bounds


@refusing("simulate")
def command(
    trace: Annotated[
        Path | None, typer.Option(help="CSV: arrival_s, prompt_tokens, output_tokens.")
    ] = None,
    policy: Annotated[
        str, typer.Option(help="ours, hpa, keda, kpa, wva-..., dynamo-....")
    ] = "ours",
    knob: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the policy; repeatable.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Replica profile.")] = "flash-fp8-4xh200",
    truth: Annotated[str | None, typer.Option(help="What replicas really do. [linear]")] = None,
    startup: Annotated[float, typer.Option(min=0, help="Seconds until a replica serves.")] = 480.0,
    overload: Annotated[Overload, typer.Option(help="Where the excess waits.")] = Overload.PLAIN,
    slo_ttft: Annotated[float, typer.Option(min=0.001, help="Seconds.")] = 2.0,
    slo_itl: Annotated[float, typer.Option(min=0.001, help="Seconds.")] = 1.0 / 30.0,
    target: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of requests. [0.99]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of start-up times and ties.")] = 0,
    scenario: Annotated[
        str | None, typer.Option(help="One of the protocol; --trace is the file it names.")
    ] = None,
    oracle: Annotated[
        bool, typer.Option(help="Search the clairvoyant fleets too: a minute or two for a day.")
    ] = True,
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
    plot: Annotated[Path | None, typer.Option(help="PNG of replicas and demand over time.")] = None,
) -> None:
    """Play a trace on a simulated fleet under a policy."""
    need_the_extra()
    from v4operator.simulate.ground import Objective, ground_of  # noqa: PLC0415 - after the check
    from v4operator.simulate.harness import play  # noqa: PLC0415
    from v4operator.simulate.policies.registry import POLICIES  # noqa: PLC0415
    from v4operator.simulate.profiles import PROFILES  # noqa: PLC0415
    from v4operator.simulate.score import bounds_of  # noqa: PLC0415

    entry = POLICIES[known("--policy", policy, POLICIES)]
    chosen = _scenario(scenario, truth, target)
    if scenario is None and trace is None:
        raise Refused("give --trace FILE, or --scenario NAME with the trace that it names")
    try:
        requests = chosen.trace(trace, seed)
        ground = ground_of(
            chosen,
            requests,
            profile=known("--profile", profile, PROFILES),
            objective=Objective(
                ttft_seconds=slo_ttft, tpot_seconds=slo_itl, start_up_seconds=startup
            ),
            overload=overload.value,
            seed=seed,
        )
        knobs = _knobs(knob or [], entry.defaults())
        run = play(ground.trace, ground.setting, entry.build(profile, ground.briefing, knobs))
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from None
    bounds = bounds_of(ground) if oracle else None
    if plot is not None:
        draw_plot(plot, chosen.name, {policy: run}, ground, bounds)
    _show(policy, run, ground, bounds, output)
    raise typer.Exit(0 if run.result.attainment >= ground.target else FINDING)


def _scenario(name: str | None, truth: str | None, target: float | None) -> "Scenario":
    """The named scenario, or the user's own trace; truth and target override what it has."""
    from v4operator.simulate.fast.truths import TRUTHS  # noqa: PLC0415 - needs the extra
    from v4operator.simulate.scenarios import SCENARIOS, own_trace  # noqa: PLC0415

    real = None if truth is None else TRUTHS[known("--truth", truth, TRUTHS)]
    if name is None:
        return own_trace(real or TRUTHS["linear"], 0.99 if target is None else target)
    chosen = SCENARIOS[known("--scenario", name, SCENARIOS)]
    return replace(
        chosen,
        truth=chosen.truth if real is None else real,
        target=chosen.target if target is None else target,
    )


def _knobs(given: Iterable[str], allowed: Mapping[str, float]) -> dict[str, float]:
    """NAME=VALUE of the policy's knobs."""
    knobs = {}
    for text in given:
        name, _, value = text.partition("=")
        known("--knob", name, allowed)
        try:
            knobs[name] = float(value)
        except ValueError:
            raise Refused(f"--knob {name}: found {value!r}, allowed: a number") from None
    return knobs


def _show(
    policy: str, run: "Run", ground: "Ground", bounds: "Bounds | None", output: Output
) -> None:
    from v4operator.simulate.score import document  # noqa: PLC0415 - needs the extra

    row = document(policy, run, ground, bounds)
    if output is Output.JSON:
        typer.echo(json.dumps(row, indent=2, allow_nan=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in row.items():
        table.add_row(name, _cell(value))
    Console().print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, dict):
        return "  ".join(f"{name} {_cell(part)}" for name, part in value.items())
    return str(value)
