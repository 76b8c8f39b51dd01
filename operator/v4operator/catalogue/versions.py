"""Releases of engines, compared by their numbers. Pure."""

import re
from collections.abc import Iterable

from v4operator.model.figures import Figure

_NUMBERS = re.compile(r"\d{1,9}")
_PARTS = 4  # 0.5.23.post1 has four numbers


def release(version: str) -> tuple[int, ...] | None:
    """The numbers of `0.33.0` or `0.5.23.post1`; `None` where there is none ("latest")."""
    numbers = [int(part) for part in _NUMBERS.findall(version.partition("+")[0])][:_PARTS]
    return tuple(numbers + [0] * (_PARTS - len(numbers))) if numbers else None


def at_least(version: str, minimum: str) -> bool:
    """Whether `version` is `minimum` or newer; false where one of them has no numbers."""
    found, needed = release(version), release(minimum)
    return found is not None and needed is not None and found >= needed


def in_force(figures: Iterable[Figure], version: str) -> Figure | None:
    """The figure of the newest release that is not newer than `version`."""
    known = [f for f in figures if f.engine_version and at_least(version, f.engine_version)]
    return max(known, key=lambda f: release(f.engine_version or "") or (), default=None)
