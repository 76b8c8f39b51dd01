"""`v4-operator demo`: emulated engines, the real operator beside them, and what became of it.

Both run as processes of their own, as a user would start them; the demo only looks at the status
files that the operator writes and at what the emulator's clients really saw. With `--prometheus`
Prometheus and Alertmanager run beside them and judge by the very rules that people apply.
"""

import asyncio
import json
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from v4operator.adapters.emulated import emulated_clock
from v4operator.adapters.fetch import FetchError
from v4operator.cli.demo import fired, monitoring
from v4operator.cli.demo.binaries import BinaryMissing
from v4operator.cli.demo.claims import Claim, claims
from v4operator.cli.demo.fired import Fired
from v4operator.cli.demo.monitoring import Monitoring, Programs
from v4operator.cli.demo.processes import Processes, StartFailed
from v4operator.cli.demo.record import Record
from v4operator.cli.demo.view import LiveView, PlainView, picture
from v4operator.cli.demo.watch import watch
from v4operator.cli.ending import fail
from v4operator.runtime.clock import AcceleratedClock

_MANIFESTS = ("flash-chat", "pro-agents", "guide-example")
_STAY_MINUTES = 30.0  # real; long enough to look around, and nothing runs on for a forgotten shell


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What became of it; `alerts` is `None` where no Prometheus ran."""

    record: Record
    alerts: tuple[Fired, ...] | None


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
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Also Prometheus with the rules, and Alertmanager.")
    ] = False,
    stay: Annotated[
        bool,
        typer.Option(
            "--stay", help=f"Keep all running until Ctrl-C, {_STAY_MINUTES:.0f} minutes at most."
        ),
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
    view = LiveView() if sys.stdout.isatty() and not plain else PlainView()
    try:
        found = monitoring.programs() if prometheus else None
        outcome = asyncio.run(_play(speed, minutes * 60.0, view, found, stay=stay))
    except (BinaryMissing, StartFailed, FetchError) as error:
        fail("demo", error)
    judged = claims(outcome.record)
    if json_file is not None:
        json_file.write_text(json.dumps(_document(outcome, judged), indent=2) + "\n")
    if picture_file is not None:
        picture_file.write_text(picture(outcome.record))
    raise typer.Exit(0 if all(claim.holds for claim in judged) else 1)


async def _play(
    speed: float, seconds: float, view: LiveView | PlainView, found: Programs | None, *, stay: bool
) -> _Outcome:
    """Start the processes, watch them, tell, and end them whatever happens."""
    with TemporaryDirectory(prefix="v4-demo-") as temporary:
        folder = Path(temporary)
        async with Processes(folder) as processes:
            port = monitoring.free_port()
            control_url = await _started(folder, processes, speed, port)
            clock = await emulated_clock(control_url)
            beside = await _beside(found, folder, processes, port, clock)
            status = folder / "status"
            with view:
                record = await watch(control_url, clock, status, seconds=seconds, show=view.show)
            alerts = await beside.alerts() if beside else None
            outcome = _Outcome(record=record, alerts=alerts)
            typer.echo(_summary(outcome))
            if stay:
                await _stay(port, beside)
            return outcome


async def _started(folder: Path, processes: Processes, speed: float, port: int) -> str:
    """The emulator and the operator, on copies of the story; returns the emulator's address."""
    manifests = folder / "manifests"
    manifests.mkdir()
    with as_file(files(__package__)) as package:
        for name in _MANIFESTS:
            shutil.copy(package / "story" / f"{name}.yaml", manifests)
        control_url = await processes.emulator(package / "story" / "scenario.yaml", speed)
    await processes.operator(manifests, control_url, port)
    return control_url


async def _beside(
    found: Programs | None,
    folder: Path,
    processes: Processes,
    port: int,
    clock: AcceleratedClock,
) -> Monitoring | None:
    """Prometheus and Alertmanager, where they are wanted; says where to look."""
    if found is None:
        return None
    started = time.time() - (clock.now() - clock.epoch) / clock.speed
    running = await monitoring.start(
        found, processes, folder, operator_port=port, started=started, speed=clock.speed
    )
    typer.echo(running.where_to_look())
    return running


async def _stay(port: int, beside: Monitoring | None) -> None:
    """Until Ctrl-C or SIGTERM, or until it has been long enough."""
    if beside:
        typer.echo(beside.where_to_look())
    typer.echo(f"operator      http://127.0.0.1:{port}/metrics")
    typer.echo(f"Ctrl-C ends it; after {_STAY_MINUTES:.0f} minutes it ends by itself.")
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    with suppress(TimeoutError):
        await asyncio.wait_for(told.wait(), _STAY_MINUTES * 60.0)


def _summary(outcome: _Outcome) -> str:
    record = outcome.record
    minutes = record.elapsed_seconds / 60.0
    lines = [f"\n{minutes:.0f} emulated minutes in {record.real_seconds:.0f} s"]
    lines += [f"  {'ok ' if claim.holds else 'NO '} {claim.sentence}" for claim in claims(record)]
    if outcome.alerts is not None:
        lines.append(fired.table(outcome.alerts))
    return "\n".join(lines)


def _document(outcome: _Outcome, judged: tuple[Claim, ...]) -> dict[str, object]:
    record = outcome.record
    document: dict[str, object] = {
        "emulatedSeconds": round(record.elapsed_seconds, 1),
        "realSeconds": round(record.real_seconds, 1),
        "claims": [
            {"name": c.name, "holds": c.holds, "sentence": c.sentence, "figures": dict(c.figures)}
            for c in judged
        ],
    }
    if outcome.alerts is not None:
        document["alerts"] = [_alert(each) for each in outcome.alerts]
    return document


def _alert(told: Fired) -> dict[str, object]:
    return {
        "name": told.name,
        "severity": told.severity,
        "v4deployment": told.deployment,
        "replica": told.replica,
        "elapsedSeconds": round(told.elapsed, 1),
    }
