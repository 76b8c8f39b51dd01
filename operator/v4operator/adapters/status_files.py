"""One JSON file per deployment, for people and scripts where there is no API server."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from v4operator.model.deployment import Key


class StatusFiles:
    """Writes `<namespace>_<name>.json` into `folder`; a reader never sees half a file."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._written: dict[Key, str] = {}

    def write(self, key: Key, document: Mapping[str, object]) -> bool:
        """Write the document if it differs from the last one; true where it did.

        Raises:
            OSError: the folder cannot be written to.
        """
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        path = self.path(key)
        if self._written.get(key) == text and path.exists():
            return False
        _replace(path, text)
        self._written[key] = text
        return True

    def remove(self, key: Key) -> None:
        """Remove the file of an object that is gone."""
        self._written.pop(key, None)
        self.path(key).unlink(missing_ok=True)

    def path(self, key: Key) -> Path:
        """Where the status of `key` lies. Names of objects hold no underscore, so it is unique."""
        return self._folder / f"{key.namespace}_{key.name}.json"


def _replace(path: Path, text: str) -> None:
    """Write beside the old file and put it in its place in one step."""
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # a status is there to be read by others
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
