"""Reads a scenario's mappings field by field and collects what is wrong, with its path."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from v4operator.model.problem import Problem, nearest


class Fields:
    """One mapping at `path` of a file. Readers fall back to a default and note the problem."""

    def __init__(self, found: Any, *, where: str, path: str, problems: list[Problem]) -> None:
        self.where = where
        self.path = path
        self._problems = problems
        self._known: set[str] = set()
        self._mapping: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        if not isinstance(found, Mapping):
            self.complain("", found, "a mapping")

    def __contains__(self, name: str) -> bool:
        self._known.add(name)
        return self._mapping.get(name) is not None

    def raw(self, name: str) -> Any:
        """The value as it was written, `None` if absent."""
        self._known.add(name)
        return self._mapping.get(name)

    def number(self, name: str, default: float | None = None, *, low: float = 0.0) -> float:
        """A finite number of at least `low`; without a default it must be there."""
        found = self.raw(name)
        if found is None and default is not None:
            return default
        if isinstance(found, bool) or not isinstance(found, int | float):
            self.complain(name, found, f"a number of at least {low:g}")
        elif not math.isfinite(found) or found < low:
            self.complain(name, found, f"a finite number of at least {low:g}")
        else:
            return float(found)
        return low

    def whole(self, name: str, default: int | None = None, *, low: int = 0) -> int:
        """A whole number of at least `low`."""
        found = self.number(name, default, low=low)
        if found != int(found):
            self.complain(name, found, "a whole number")
        return int(found)

    def flag(self, name: str) -> bool:
        """True or false, false if absent."""
        found = self.raw(name)
        if found is not None and not isinstance(found, bool):
            self.complain(name, found, "true or false")
        return found is True

    def text(self, name: str, default: str | None = None) -> str:
        """A non-empty text; without a default it must be there."""
        found = self.raw(name)
        if found is None and default is not None:
            return default
        if isinstance(found, str) and found:
            return found
        self.complain(name, found, "a non-empty text")
        return ""

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the words allowed."""
        found = self.raw(name)
        if found in allowed:
            return str(found)
        self.complain(name, found, ", ".join(allowed), hint=nearest(str(found), allowed))
        return allowed[0]

    def inner(self, name: str) -> "Fields":
        """The mapping below `name`."""
        return self._below(name, self.raw(name))

    def each(self, name: str) -> list["Fields"]:
        """The mappings of the list below `name`; none if absent."""
        found = self.raw(name) or []
        if not isinstance(found, list):
            self.complain(name, found, "a list")
            return []
        return [self._below(f"{name}[{index}]", value) for index, value in enumerate(found)]

    def close(self) -> None:
        """Complain about every field that nobody asked for."""
        for name in self._mapping:
            if name not in self._known:
                allowed = sorted(self._known)
                self.complain(str(name), name, ", ".join(allowed), hint=nearest(str(name), allowed))

    def complain(self, name: str, found: Any, allowed: str, *, hint: str | None = None) -> None:
        """Note a problem with one field."""
        path = f"{self.path}.{name}".strip(".")
        shown = "nothing" if found is None else repr(found)
        self._problems.append(
            Problem(where=self.where, path=path, found=shown, allowed=allowed, nearest=hint)
        )

    def _below(self, name: str, found: Any) -> "Fields":
        path = f"{self.path}.{name}".strip(".")
        return Fields(found, where=self.where, path=path, problems=self._problems)
