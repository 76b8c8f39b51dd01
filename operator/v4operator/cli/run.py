"""`v4-operator run --standalone DIR`: the loop, until it is told to stop."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from v4operator.app import run_standalone
from v4operator.logs import configure
from v4operator.model.problem import InputError
from v4operator.observe.ports import WorkloadUnavailable
from v4operator.settings import load_settings

_WRONG_USAGE = 2


class ScalingPort(StrEnum):
    """Where a decision goes."""

    NONE = "none"
    EMULATED = "emulated"


def command(
    standalone: Annotated[
        Path,
        typer.Option(
            help="Folder of V4Deployment manifests; an edit takes effect.",
            exists=True,
            file_okay=False,
        ),
    ],
    scaling: Annotated[
        ScalingPort,
        typer.Option(help="none: engines run by hand, recommendation only. emulated: see emulate."),
    ] = ScalingPort.NONE,
    emulator: Annotated[
        str | None, typer.Option(help="Control address of the emulator, with --scaling emulated.")
    ] = None,
    status_dir: Annotated[
        Path | None, typer.Option(help="Where status files go. Default: DIR/status.")
    ] = None,
    listen_host: Annotated[
        str | None, typer.Option(help="Address of /metrics, /healthz, /readyz. [127.0.0.1]")
    ] = None,
    listen_port: Annotated[
        int | None, typer.Option(help="Its port; 0: any free one. [8080]")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or console. [auto]")] = None,
) -> None:
    """Watch, compare, decide: the whole loop on manifests in a folder, without a cluster."""
    if (scaling is ScalingPort.EMULATED) != (emulator is not None):
        _fail("--scaling emulated and --emulator URL go together")
    try:
        settings = load_settings(
            listen_host=listen_host, listen_port=listen_port, log_format=log_format
        )
        configure(settings.log_format)
        asyncio.run(
            run_standalone(settings, standalone, status_dir or standalone / "status", emulator)
        )
    except (InputError, WorkloadUnavailable, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    typer.echo(f"v4-operator run: {message}", file=sys.stderr)
    raise typer.Exit(_WRONG_USAGE)
