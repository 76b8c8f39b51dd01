"""`v4-operator emulate`: live emulated replicas of a scenario, until it is told to end."""

import asyncio
import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from v4operator.model.problem import InputError
from v4operator.runtime.clock import AcceleratedClock
from v4operator.simulate.control_server import control_app
from v4operator.simulate.emulation import Emulation
from v4operator.simulate.scenario import Scenario, read_scenario

_HOST = "127.0.0.1"
_CLOSE_SECONDS = 0.5  # for control requests in flight


def command(
    scenario: Annotated[Path, typer.Argument(help="Scenario, YAML or JSON.")],
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Times real time; default: the scenario's.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Control port; 0: any free.")] = 0,
) -> None:
    """Emulate the replicas of a scenario on loopback.

    Prints one line of JSON with the control URL when it is up; ends on SIGTERM or SIGINT.
    """
    try:
        read = read_scenario(scenario.read_text(encoding="utf-8"), where=str(scenario))
    except (OSError, UnicodeDecodeError, InputError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    try:
        asyncio.run(_serve(read, speed or read.speed, port))
    except OSError as error:
        typer.echo(f"cannot serve on {_HOST}:{port}: {error}", err=True)
        raise typer.Exit(2) from error


async def _serve(scenario: Scenario, speed: float, port: int) -> None:
    clock = AcceleratedClock(time.time(), time.monotonic(), speed)
    emulation = Emulation(scenario, clock)
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    await emulation.follow()
    runner = web.AppRunner(control_app(emulation), access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, _HOST, port)
    await site.start()
    bound = runner.addresses[0][1]
    typer.echo(json.dumps({"control": f"http://{_HOST}:{bound}", "speed": speed}))
    engines = asyncio.create_task(emulation.run())
    stop = asyncio.create_task(told_to_end.wait())
    await asyncio.wait({engines, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    engines.cancel()
    with suppress(asyncio.CancelledError):
        await engines
    await runner.cleanup()
