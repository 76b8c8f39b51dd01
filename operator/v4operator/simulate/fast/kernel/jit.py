"""The compiler of the kernel: numba where it is installed, plain Python where not.

Both run the same source in the same order on the same integers and floats (no fast-math, hence no
fused or reordered arithmetic), so a result does not depend on which one it was.
"""

import hashlib
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Returned = TypeVar("_Returned")

_FOLDER = Path(__file__).parent

# No counting of references to arrays: the kernel makes none and keeps none, its caller holds them
# all. Counting is atomic and would take two thirds of the time.
_OPTIONS = {"_nrt": False}


def compiled(function: Callable[_Arguments, _Returned]) -> Callable[_Arguments, _Returned]:
    """A function that only compiled ones call; itself where there is no numba."""
    numba = _numba()
    made: Callable[_Arguments, _Returned] = numba.njit(**_OPTIONS)(function) if numba else function
    return made


def entry(function: Callable[_Arguments, _Returned]) -> Callable[_Arguments, _Returned]:
    """A function that Python calls: compiled at its first call, kept on disk for the next process.

    Numba looks only at a function's own file when it decides whether what it kept is still good.
    So it is kept in a folder that is named after the content of all the kernel's files.
    """
    numba = _numba()
    folder = _cache_folder() if numba else None
    if numba is None or folder is None:
        return compiled(function)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        made: Callable[_Arguments, _Returned] = numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        numba.config.CACHE_DIR = before
    return made


def _numba() -> Any:
    try:
        return import_module("numba")
    except ImportError:
        return None


def _cache_folder() -> Path | None:
    """Where compiled code of these sources is kept, older ones removed; `None`: not writable."""
    content = hashlib.sha256()
    for source in sorted(_FOLDER.glob("*.py")):
        content.update(source.read_bytes())
    folder = _FOLDER / "__pycache__" / f"compiled-{content.hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    for old in folder.parent.glob("compiled-*"):
        shutil.rmtree(old, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError:
        return None
    return folder
