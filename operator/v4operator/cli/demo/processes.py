"""Starts what the demo is made of as processes, and ends them by the id they were given."""

import asyncio
import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 30.0  # imports and binding take one second; a busy machine ten
_END_SECONDS = 10.0  # both end within five seconds of SIGTERM; after that they are killed


class StartFailed(Exception):  # noqa: N818 - says what happened
    """A process did not come up; the message holds its last words."""


class Processes:
    """The processes of the demo, ended when the context is left. Logs go to `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._running):
            await _end(process)

    async def emulator(self, scenario: Path, speed: float) -> str:
        """Start it and read its control address from the one line that it prints.

        Raises:
            StartFailed: it did not say so in time.
        """
        process = await self._verb("emulate", str(scenario), "--speed", str(speed))
        output = process.stdout or asyncio.StreamReader()
        try:
            line = await asyncio.wait_for(output.readline(), _START_SECONDS)
            return str(json.loads(line)["control"])
        except (TimeoutError, ValueError, KeyError) as error:
            raise StartFailed(
                f"the emulator did not start: {self.last_words('emulate')}"
            ) from error

    async def operator(self, manifests: Path, control_url: str, port: int) -> None:
        """Start `run --standalone` on the emulated fleets; its metrics are on `port`."""
        await self._verb(
            *("run", "--standalone", str(manifests), "--status-dir", str(self._folder / "status")),
            *("--scaling", "emulated", "--emulator", control_url, "--listen-port", str(port)),
            *("--log-format", "json"),
        )

    async def start(
        self, name: str, *command: str, stdout: int | None = None
    ) -> asyncio.subprocess.Process:
        """Start a command; what it says goes to the log of that name."""
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
            )
        self._running.append(process)
        return process

    def last_words(self, name: str) -> str:
        """The end of that log."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-2000:].strip()

    async def _verb(self, verb: str, *arguments: str) -> asyncio.subprocess.Process:
        """Of ours; the emulator's standard output is read, not kept."""
        piped = asyncio.subprocess.PIPE if verb == "emulate" else None
        command = (sys.executable, "-m", "v4operator", verb, *arguments)
        return await self.start(verb, *command, stdout=piped)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
