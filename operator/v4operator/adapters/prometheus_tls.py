"""Certificates for one Prometheus, read again when their files change.

A new authority joins those that are trusted, and a new client certificate takes the old one's
place; both count from the next query on, as each has a connection of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import structlog

from v4operator.adapters.prometheus_entries import PrometheusEntry

log = structlog.get_logger()

_Stamp = tuple[Path, int, int]
"""A file as it was read: its path, time of change and size."""


class Certificates:
    """The context of an entry's connections."""

    def __init__(self, entry: PrometheusEntry) -> None:
        """Raises OSError where they cannot be read."""
        self._entry = entry
        self._loaded = tuple(self._stamps())
        self.context = entry.tls()

    def reload(self) -> None:
        """Take what has changed; what cannot be read leaves the old ones, which may do yet."""
        try:
            stamps = tuple(self._stamps())
            if stamps == self._loaded:
                return
            self._loaded = stamps
            self._entry.load_into(self.context)
        except OSError as error:
            log.warning(
                "certificates_not_read",
                prometheus=self._entry.name,
                reason=error.strerror or type(error).__name__,
            )

    def _stamps(self) -> Iterator[_Stamp]:
        entry = self._entry
        for file in (entry.ca_file, entry.certificate_file, entry.key_file):
            if file is not None:
                status = file.stat()
                yield file, status.st_mtime_ns, status.st_size
