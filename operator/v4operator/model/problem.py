"""What is wrong with something a person wrote: where, what was found, what is allowed."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

_SHOWN = 200  # characters of a found value that are quoted; the rest is only counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake. `where` is the file or flag, `path` the field within it (may be empty)."""

    where: str
    path: str
    found: str
    allowed: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.where}: {self.path}" if self.path else self.where
        shown = self.found if len(self.found) <= _SHOWN else f"{self.found[:_SHOWN]}..."
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{place}: found {shown}; allowed: {self.allowed}{hint}"


class InputError(ValueError):
    """Raised at the rim when what a person wrote cannot be used. Carries every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(found: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that looks most like what was found, if any looks like it at all."""
    by_lower = {word.lower(): word for word in allowed}
    matches = get_close_matches(found.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None
