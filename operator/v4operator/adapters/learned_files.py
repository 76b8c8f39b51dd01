"""What was learned of each deployment in a file beside its status, where there is no API server.

The counterpart of `cluster_learned`: kept every five minutes and at the end, read at the start.
Nothing depends on it: what cannot be read is learned again, what cannot be written is told.
"""

from pathlib import Path

import structlog

from v4operator.adapters.learned_text import SAVE_SECONDS, parsed, rendered
from v4operator.adapters.status_files import put_in_place
from v4operator.model.deployment import Key
from v4operator.model.learned import Learned
from v4operator.observe.ports import Clock

log = structlog.get_logger()

_MOST_BYTES = 1 << 20
"""What was learned of one fleet takes some kilobytes; a longer file is not ours."""


class LearnedFiles:
    """`<namespace>_<name>.learned` in `folder`, which must exist."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._due = clock.now() + SAVE_SECONDS
        self._latest: dict[Key, Learned] = {}
        self._saved: dict[Key, Learned] = {}

    def read(self, key: Key) -> Learned | None:
        """What an earlier process has kept; `None` where there is nothing that is understood."""
        try:
            with self._path(key).open("rb") as file:
                return parsed(file.read(_MOST_BYTES).decode(errors="replace"))
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("learned_not_read", v4deployment=str(key), reason=str(error))
            return None

    def note(self, key: Key, learned: Learned) -> None:
        """What is to be kept from now on."""
        self._latest[key] = learned

    def forget(self, key: Key) -> None:
        """The deployment is gone, and its file with it."""
        self._latest.pop(key, None)
        self._saved.pop(key, None)
        self._path(key).unlink(missing_ok=True)

    def save_if_due(self) -> None:
        """Write what has changed, at most once in five minutes."""
        if self._clock.now() >= self._due:
            self.save()

    def save(self) -> None:
        """Write what has changed now; what cannot be written is told."""
        self._due = self._clock.now() + SAVE_SECONDS
        for key, learned in self._latest.items():
            if self._saved.get(key) is not learned:
                self._write(key, learned)

    def _write(self, key: Key, learned: Learned) -> None:
        try:
            put_in_place(self._path(key), rendered(learned))
        except (OSError, ValueError) as error:
            log.warning("learned_not_kept", v4deployment=str(key), reason=str(error))
        else:
            self._saved[key] = learned

    def _path(self, key: Key) -> Path:
        return self._folder / f"{key.namespace}_{key.name}.learned"
