"""Label selectors as workloads carry them: whether they match, and how they are written."""

from v4operator.adapters.kube_views import View


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
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"
            case "DoesNotExist":
                return f"!{self.key}"
        return self.key


class Selector(View):
    """All of it must be met. An empty one matches nothing here: no workload may have it."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] = ()

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
