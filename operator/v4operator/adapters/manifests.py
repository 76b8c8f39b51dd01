"""A folder of manifests as the set of deployments that are wanted now.

Watched by looking: `read` compares time of change, size and inode of each file with the last look
and parses what changed. A broken edit keeps what the file last said and is reported until mended.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG

from v4operator.adapters.manifest_file import load_file
from v4operator.model.deployment import Deployment, Key
from v4operator.model.problem import InputError, Problem

_SUFFIXES = {".yaml", ".yml"}

Load = Callable[[Path], tuple[Deployment, ...]]
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What the folder says: deployments by key, in order, and everything that is wrong in it."""

    deployments: tuple[Deployment, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What one file last said, and what is wrong with it now."""

    stamp: _Stamp
    deployments: tuple[Deployment, ...]
    problems: tuple[Problem, ...]


class ManifestFolder:
    """Reads `*.yaml` and `*.yml` directly in `folder`; hidden files are an editor's own."""

    def __init__(self, folder: Path, load: Load = load_file) -> None:
        self._folder = folder
        self._load = load
        self._files: dict[Path, _File] = {}
        self._owners: dict[Key, Path] = {}
        self._current: dict[Key, Deployment] = {}

    def read(self) -> Manifests:
        """Look at the folder once. Where it cannot be read, what it last said goes on."""
        problems: list[Problem] = []
        try:
            stamps = dict(sorted(_stamps(self._folder)))
        except OSError as error:
            problems.append(_unreadable(self._folder, error))
        else:
            self._files = {path: self._file(path, stamp) for path, stamp in stamps.items()}
        for file in self._files.values():
            problems.extend(file.problems)
        wanted, conflicts = self._claims()
        self._current = {key: self._numbered(deployment) for key, deployment in wanted.items()}
        deployments = tuple(self._current[key] for key in sorted(self._current))
        return Manifests(deployments=deployments, problems=(*problems, *conflicts))

    def _file(self, path: Path, stamp: _Stamp) -> _File:
        known = self._files.get(path)
        if known is not None and known.stamp == stamp:
            return known
        try:
            return _File(stamp=stamp, deployments=self._load(path), problems=())
        except InputError as error:
            kept = known.deployments if known else ()
            return _File(stamp=stamp, deployments=kept, problems=error.problems)

    def _claims(self) -> tuple[dict[Key, Deployment], list[Problem]]:
        """Each object from one file: the one that had it before, else the first by name."""
        claims = [
            (deployment.key, path, deployment)
            for path, file in self._files.items()
            for deployment in file.deployments
        ]
        claims.sort(key=lambda claim: self._owners.get(claim[0]) != claim[1])
        wanted: dict[Key, Deployment] = {}
        owners: dict[Key, Path] = {}
        conflicts: list[Problem] = []
        for key, path, deployment in claims:
            if key in wanted:
                conflicts.append(_conflict(key, owners[key], path))
            else:
                wanted[key], owners[key] = deployment, path
        self._owners = owners
        return wanted, conflicts

    def _numbered(self, deployment: Deployment) -> Deployment:
        """Count the changes of an object, as the API server does with `metadata.generation`."""
        current = self._current.get(deployment.key)
        if current is None:
            return replace(deployment, generation=1)
        same = replace(deployment, generation=current.generation)
        return current if same == current else replace(same, generation=current.generation + 1)


def _stamps(folder: Path) -> Iterator[tuple[Path, _Stamp]]:
    for path in folder.iterdir():
        if path.suffix in _SUFFIXES and not path.name.startswith("."):
            with suppress(FileNotFoundError):  # removed since it was listed, or a broken link
                status = path.stat()
                if S_ISREG(status.st_mode):
                    yield path, (status.st_mtime_ns, status.st_size, status.st_ino)


def _unreadable(folder: Path, error: OSError) -> Problem:
    found = error.strerror or str(error)
    return Problem(where=str(folder), path="", found=found, allowed="a folder of manifests")


def _conflict(key: Key, owner: Path, other: Path) -> Problem:
    return Problem(
        where=str(other),
        path="metadata.name",
        found=f"{key}, which {owner} defines already",
        allowed="one file per object",
    )
