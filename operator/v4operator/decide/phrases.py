"""How figures stand in sentences: rounded to what a person can use. Pure."""

_MINUTE = 60.0


def minutes(seconds: float) -> str:
    """A duration: seconds below a minute and a half, minutes above."""
    if seconds < 1.5 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min"


def replicas(count: float) -> str:
    """The noun that goes with a count."""
    return "replica" if f"{count:.1f}" in {"1", "1.0"} else "replicas"
