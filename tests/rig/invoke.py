"""Runs one of the rig's command-line tools to its end, with nothing of the caller's environment."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rig.build import path_of

# A call that hangs is a failure of the test, not of the night.
_LIMIT_SECONDS = 60.0


class ToolError(Exception):
    """A tool ended with an error; carries what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a call ended and what it printed; kubectl's warnings are on `stderr`."""

    status: int
    stdout: str
    stderr: str


def invoke(
    binary: str,
    *arguments: str | Path,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
) -> Said:
    """Run it to a good end.

    Raises:
        ToolError: it ended with another status than 0.
    """
    said = attempt(binary, *arguments, stdin=stdin, environment=environment)
    if said.status:
        raise ToolError(f"{binary} {' '.join(map(str, arguments))}: {said.stderr.strip()}")
    return said


def attempt(
    binary: str,
    *arguments: str | Path,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
) -> Said:
    """Run it to whatever end."""
    done = subprocess.run(
        (path_of(binary), *arguments),
        env=environment or {},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    return Said(status=done.returncode, stdout=done.stdout, stderr=done.stderr)
