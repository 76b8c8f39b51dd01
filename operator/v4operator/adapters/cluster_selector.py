"""Label selectors as workloads carry them: whether they match, and how they are written."""

import re

from v4operator.adapters.kube_views import View

_PART = re.compile(
    r"\s*(?P<absent>!)?\s*(?P<key>[^\s,=!()]+)\s*"
    r"(?:(?P<equal>={1,2}|!=)\s*(?P<value>[^\s,()]*)"
    r"|(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?\s*(?:,|$)"
)
"""One requirement of a selector in text form."""


class Requirement(View):
    """One expression of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether labels meet it; an operator that is not known here is met by none."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
        return False

    def __str__(self) -> str:
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"
            case "DoesNotExist":
                return f"!{self.key}"
        return self.key


class Selector(View):
    """All of it must be met. An empty one matches nothing here: no workload may have it."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """From the form that `kubectl -l` takes; what is not understood makes it match nothing."""
        parts = []
        place = 0
        while place < len(text):
            match = _PART.match(text, place)
            if match is None:
                return cls()
            parts.append(_requirement(match))
            place = match.end()
        return cls(match_expressions=tuple(parts))

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether it selects a pod with those labels."""
        wanted = self.match_labels or {}
        if not wanted and not self.match_expressions:
            return False
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            each.matches(labels) for each in self.match_expressions
        )

    def names(self, label: str) -> bool:
        """Whether it says anything about that label."""
        return label in (self.match_labels or {}) or any(
            each.key == label for each in self.match_expressions
        )

    def __str__(self) -> str:
        """As `kubectl -l` takes it."""
        labels = (f"{key}={value}" for key, value in sorted((self.match_labels or {}).items()))
        return ",".join((*labels, *map(str, self.match_expressions)))


def _requirement(match: "re.Match[str]") -> Requirement:
    key = match["key"]
    if match["absent"]:
        return Requirement(key=key, operator="DoesNotExist")
    if match["equal"]:
        operator = "NotIn" if match["equal"] == "!=" else "In"
        return Requirement(key=key, operator=operator, values=(match["value"],))
    if match["set"]:
        values = tuple(value.strip() for value in match["values"].split(","))
        operator = "In" if match["set"] == "in" else "NotIn"
        return Requirement(key=key, operator=operator, values=values)
    return Requirement(key=key, operator="Exists")
