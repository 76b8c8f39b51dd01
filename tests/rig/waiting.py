"""Waits for the world to be so, with a generous limit; the only place of the rig that pauses."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

# Long enough for a machine that is busy with other things; a passing test never waits for it.
GENEROUS_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class NotInTimeError(Exception):
    """What was waited for did not come; says what it was and what was seen last."""


def eventually(
    look: Callable[[], Found | None],
    *,
    what: str,
    limit_seconds: float = GENEROUS_SECONDS,
    not_yet: tuple[type[Exception], ...] = (),
) -> Found:
    """The first truthy answer of `look`; exceptions of the kinds `not_yet` count as none.

    Raises:
        NotInTimeError: none came within the limit.
    """
    deadline = time.monotonic() + limit_seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = found = look()
            if found:
                return found
        except not_yet as error:
            last = error
        time.sleep(_PAUSE_SECONDS)
    raise NotInTimeError(f"not within {limit_seconds:.0f} s: {what}; seen last: {last!r}")
