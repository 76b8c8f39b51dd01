"""Names as people and node labels write them -> entries of the catalogue. Pure."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from v4operator.model.catalogue import Accelerator, Catalogue, Checkpoint, EngineEntry
from v4operator.model.problem import InputError, Problem, nearest


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...


_Entry = TypeVar("_Entry", bound=_Named)


def find_checkpoint(catalogue: Catalogue, name: str) -> Checkpoint | None:
    """The checkpoint of that name or alias, whatever its capitals."""
    return _find(catalogue.checkpoints, name)


def find_accelerator(catalogue: Catalogue, name: str) -> Accelerator | None:
    """The device of that catalogue id or node-label product name, whatever its capitals."""
    return _find(catalogue.accelerators, name)


def find_engine(catalogue: Catalogue, name: str) -> EngineEntry | None:
    """The engine of that name or alias, whatever its capitals."""
    return _find(catalogue.engines, name)


def checkpoint(catalogue: Catalogue, name: str, *, where: str, path: str = "") -> Checkpoint:
    """As `find_checkpoint`; `where` and `path` name the place that holds `name`.

    Raises:
        InputError: no such checkpoint; with all names and the nearest.
    """
    return _require(catalogue.checkpoints, name, where, path)


def accelerator(catalogue: Catalogue, name: str, *, where: str, path: str = "") -> Accelerator:
    """As `find_accelerator`.

    Raises:
        InputError: no such device; with all names and the nearest.
    """
    return _require(catalogue.accelerators, name, where, path)


def engine(catalogue: Catalogue, name: str, *, where: str, path: str = "") -> EngineEntry:
    """As `find_engine`.

    Raises:
        InputError: no such engine; with all names and the nearest.
    """
    return _require(catalogue.engines, name, where, path)


def _find(entries: Iterable[_Entry], name: str) -> _Entry | None:
    wanted = name.strip().lower()
    for entry in entries:
        if wanted in {known.lower() for known in (entry.name, *entry.aliases)}:
            return entry
    return None


def _require(entries: tuple[_Entry, ...], name: str, where: str, path: str) -> _Entry:
    found = _find(entries, name)
    if found is not None:
        return found
    known = [word for entry in entries for word in (entry.name, *entry.aliases)]
    allowed = ", ".join(entry.name for entry in entries)
    problem = Problem(
        where=where, path=path, found=repr(name), allowed=allowed, nearest=nearest(name, known)
    )
    raise InputError([problem])
