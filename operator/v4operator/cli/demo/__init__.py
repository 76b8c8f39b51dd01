"""`v4-operator demo`: emulated engines, the real operator beside them, and what became of it.

Both run as processes of their own, as a user would start them; the demo only looks at the status
files that the operator writes and at what the emulator's clients really saw.
"""

import asyncio
import json
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from v4operator.adapters.emulated import emulated_clock
from v4operator.cli.demo.claims import Claim, claims
from v4operator.cli.demo.processes import Processes, StartFailed
from v4operator.cli.demo.record import Record
from v4operator.cli.demo.view import LiveView, PlainView, picture
from v4operator.cli.demo.watch import watch

_MANIFESTS = ("flash-chat", "pro-agents", "guide-example")


def command(
    speed: Annotated[
        float, typer.Option(min=1, max=120, help="Emulated seconds per real second.")
    ] = 40.0,
    minutes: Annotated[
        float, typer.Option(min=1, max=240, help="Length in emulated minutes.")
    ] = 28.0,
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines instead of the live view, as without a terminal.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the summary to this file.")
    ] = None,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", help="Write the last view to this file, as SVG.")
    ] = None,
) -> None:
    """Show three emulated deployments in a minute.

    Growth ahead of demand, a sick replica, and an HBM budget that does not hold.

    Exit status 0 if all three happened, 1 if one did not, 2 if it could not run.
    """
    live = sys.stdout.isatty() and not plain
    try:
        record = asyncio.run(_play(speed, minutes * 60.0, LiveView() if live else PlainView()))
    except StartFailed as error:
        typer.echo(f"v4-operator demo: {error}", err=True)
        raise typer.Exit(2) from error
    found = claims(record)
    typer.echo(_summary(record, found))
    if json_file is not None:
        json_file.write_text(json.dumps(_document(record, found), indent=2) + "\n")
    if picture_file is not None:
        picture_file.write_text(picture(record))
    raise typer.Exit(0 if all(claim.holds for claim in found) else 1)


async def _play(speed: float, seconds: float, view: LiveView | PlainView) -> Record:
    """Start both processes, watch them, and end them whatever happens."""
    with TemporaryDirectory(prefix="v4-demo-") as folder, as_file(files(__package__)) as package:
        manifests = Path(folder) / "manifests"
        manifests.mkdir()
        for name in _MANIFESTS:
            shutil.copy(package / "story" / f"{name}.yaml", manifests)
        async with Processes(Path(folder)) as processes:
            control_url = await processes.emulator(package / "story" / "scenario.yaml", speed)
            await processes.operator(manifests, control_url)
            clock = await emulated_clock(control_url)
            status = Path(folder) / "status"
            with view:
                return await watch(control_url, clock, status, seconds=seconds, show=view.show)


def _summary(record: Record, found: tuple[Claim, ...]) -> str:
    minutes = record.elapsed_seconds / 60.0
    lines = [f"\n{minutes:.0f} emulated minutes in {record.real_seconds:.0f} s"]
    lines += [f"  {'ok ' if claim.holds else 'NO '} {claim.sentence}" for claim in found]
    return "\n".join(lines)


def _document(record: Record, found: tuple[Claim, ...]) -> dict[str, object]:
    return {
        "emulatedSeconds": round(record.elapsed_seconds, 1),
        "realSeconds": round(record.real_seconds, 1),
        "claims": [
            {"name": c.name, "holds": c.holds, "sentence": c.sentence, "figures": dict(c.figures)}
            for c in found
        ],
    }
