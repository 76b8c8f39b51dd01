"""One JSON file per deployment, for people and scripts where there is no API server."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from v4operator.adapters.cluster_status import restored
from v4operator.model.deployment import Key
from v4operator.model.status import Status
from v4operator.runtime.ports import ObjectKey


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

    def read(self, key: Key) -> Status | None:
        """What an earlier process has written of it; `None` where there is nothing of the kind."""
        document = _document(self.path(key))
        if document is None:
            return None
        return restored(ObjectKey(key.namespace, key.name), document.get("status") or {})

    def write(self, key: Key, document: Mapping[str, object]) -> bool:
        """Write the document if it differs from the last one; true where it did.

        Raises:
            OSError: the folder cannot be written to.
        """
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        path = self.path(key)
        if self._written.get(key) == text and path.exists():
            return False
        put_in_place(path, text)
        self._written[key] = text
        return True

    def remove(self, key: Key) -> None:
        """Remove the file of an object that is gone."""
        self._written.pop(key, None)
        self.path(key).unlink(missing_ok=True)

    def vanished(self, present: Collection[Key]) -> tuple[Key, ...]:
        """Objects that an earlier process wrote of and that are not `present` any more."""
        names = (path.stem.partition("_") for path in self._folder.glob("*_*.json"))
        keys = (Key(namespace, name) for namespace, _, name in names)
        return tuple(key for key in keys if key not in present and _document(self.path(key)))

    def path(self, key: Key) -> Path:
        """Where the status of `key` lies. Names of objects hold no underscore, so it is unique."""
        return self._folder / f"{key.namespace}_{key.name}.json"


def _document(path: Path) -> dict[str, Any] | None:
    """The file as this operator wrote it, whatever else lies in its folder."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("kind") != "V4Deployment":
        return None
    metadata = document.get("metadata") or {}
    named = f"{metadata.get('namespace')}_{metadata.get('name')}"
    return document if path.stem == named else None


def put_in_place(path: Path, text: str) -> None:
    """Write beside the old file and put it in its place in one step.

    Raises:
        OSError: the folder cannot be written to.
    """
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
