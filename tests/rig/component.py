"""One server process of the rig: started, ended, stopped and continued by its own id.

It runs in a session of its own, so that an interrupt at the terminal reaches the tests first, and
dies with the test process. Its output goes to a log file.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.rig.waiting import eventually

_TETHER = Path(__file__).parent / "tether.py"
# A server that does not end within this when asked politely is killed.
_POLITE_SECONDS = 10.0
_LAST_LINES = 15


class ComponentEndedError(Exception):
    """A component is not running any more though it should; carries the end of its log."""


class Component:
    """A server process that can be started again with the same command."""

    def __init__(
        self,
        name: str,
        command: tuple[str | Path, ...],
        *,
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process.

        Raises:
            ComponentEndedError: it does not run.
        """
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def resident_bytes(self) -> int:
        """Memory it holds now."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-I", _TETHER, str(os.getpid()), *self._command),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it at once (SIGKILL), running or stopped; nothing if it has ended."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), wait, and kill it if it does not."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(_POLITE_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP), as a frozen machine would."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again with the same command and data."""
        self.kill()
        self.start()

    def check(self) -> None:
        """Nothing if it runs.

        Raises:
            ComponentEndedError: it does not.
        """
        self._running()

    def wait_ended(self, limit_seconds: float) -> int:
        """Its exit status (negative: the signal), once it has ended by itself."""
        process = self._process
        assert process is not None, f"{self.name} was not started"
        status = eventually(
            lambda: (process.poll(),) if process.poll() is not None else None,
            what=f"{self.name} has ended",
            limit_seconds=limit_seconds,
        )[0]
        assert status is not None
        return status

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ComponentEndedError(f"{self.name} was not started")
        if self._process.poll() is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            raise ComponentEndedError(
                f"{self.name} ended with {self._process.returncode}; {self.log} ends:\n"
                + "\n".join(lines)
            )
        return self._process
