"""One manifest file as deployments. What it may hold is `api.manifest`'s matter."""

import sys
from pathlib import Path

from v4operator.api.manifest import MAX_BYTES, load_text
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import Deployment
from v4operator.model.problem import InputError, Problem


def load_file(path: Path, catalogue: Catalogue | None = None) -> tuple[Deployment, ...]:
    """Every V4Deployment in one YAML file; documents of other kinds are passed over.

    `-` is standard input.

    Raises:
        InputError: the file cannot be read or holds mistakes; each with file and field path.
    """
    where = "standard input" if str(path) == _STANDARD_INPUT else str(path)
    try:
        text = _bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        allowed = "a readable UTF-8 file"
        raise InputError(
            [Problem(where=where, path="", found=str(error), allowed=allowed)]
        ) from error
    return load_text(text, where, catalogue)


def _bytes(path: Path) -> bytes:
    """One more than there may be, so that too much is seen."""
    if str(path) == _STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


_STANDARD_INPUT = "-"
