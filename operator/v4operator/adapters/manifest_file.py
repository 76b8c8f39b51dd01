"""One manifest file as deployments. What it may hold is `api.manifest`'s matter."""

from pathlib import Path

from v4operator.api.manifest import MAX_BYTES, load_text
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import Deployment
from v4operator.model.problem import InputError, Problem


def load_file(path: Path, catalogue: Catalogue | None = None) -> tuple[Deployment, ...]:
    """Every V4Deployment in one YAML file; documents of other kinds are passed over.

    Raises:
        InputError: the file cannot be read or holds mistakes; each with file and field path.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        allowed = "a readable UTF-8 file"
        raise InputError(
            [Problem(where=where, path="", found=str(error), allowed=allowed)]
        ) from error
    return load_text(text, where, catalogue)
