"""Finds Prometheus and Alertmanager: on the PATH, else where `make rig` has built them.

Nothing is downloaded or built here.
"""

import os
import shutil
from pathlib import Path

_CACHE = "v4-operator-rig"
"""Folder in the user's cache that `make rig` fills, one folder a tool and build."""

_NAMES = {
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),  # the latter is Debian's
}


class BinaryMissing(Exception):  # noqa: N818 - says what happened
    """A program is not there; the message says how to get it."""


def find(program: str) -> Path:
    """Where `prometheus` or `alertmanager` lies; of several builds in the cache the newest.

    Raises:
        BinaryMissing: neither on the PATH nor in the cache.
    """
    on_path = next((found for name in _NAMES[program] if (found := shutil.which(name))), None)
    if on_path:
        return Path(on_path)
    cache = _cache()
    built = [path for path in cache.glob(f"*/{program}") if os.access(path, os.X_OK)]
    if not built:
        raise BinaryMissing(
            f"found no {program} on the PATH or in {cache}: install it (Debian:"
            f" {_NAMES[program][-1]}), or let `make rig` build it once, which takes some minutes"
        )
    return max(built, key=lambda path: path.stat().st_mtime)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / _CACHE
