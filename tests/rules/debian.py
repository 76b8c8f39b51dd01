"""promtool 2.42, the oldest that the rules are promised for: out of Debian 12's package.

Unpacked into the user's cache beside the rig, once; nothing is installed and no root is needed.
Where apt does not offer that version (another system, no package lists) there is no oldest tool,
and the tests that want it say so.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.rig.binaries import cache

PROMISED = "2.42"
_LIMIT_SECONDS = 300.0  # 19 MB over a slow line


class NotOfferedError(Exception):
    """apt has no such package here; says what it has."""


def promtool() -> Path:
    """Where it lies, fetched if need be.

    Raises:
        NotOfferedError: apt does not offer it.
        subprocess.CalledProcessError: apt offers it and does not deliver.
    """
    path = cache() / f"debian-prometheus-{PROMISED}" / "promtool"
    if not path.is_file():
        _fetch(_offered(), path)
    return path


def _offered() -> str:
    """The whole version under which apt has it."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NotOfferedError("no apt-get and dpkg-deb on this system")
    listed = _run("apt-cache", "madison", "prometheus")
    versions = [line.split("|")[1].strip() for line in listed.splitlines() if "|" in line]
    for version in versions:
        if version.startswith(f"{PROMISED}."):
            return version
    raise NotOfferedError(f"apt offers prometheus {', '.join(versions) or 'in no version'}")


def _fetch(version: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        _run("apt-get", "download", f"prometheus={version}", folder=folder)
        package = next(Path(folder).glob("*.deb"))
        _run("dpkg-deb", "-x", package, folder)
        (Path(folder) / "usr/bin/promtool").rename(path)


def _run(*command: str | Path, folder: str | None = None) -> str:
    return subprocess.run(  # noqa: S603 - apt, and dpkg on what apt has verified
        command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=True
    ).stdout
