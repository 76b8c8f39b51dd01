"""How figures of a decision record are shown to people; what is not known is a dash."""

_MINUTE, _HOUR = 60.0, 3600.0
_SOON_SECONDS = 120.0  # below, seconds say more than minutes

UNKNOWN = "-"


def count(value: float | None) -> str:
    """A number of requests or tokens: whole."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A ratio."""
    return UNKNOWN if value is None else f"{value:.0%}"


def age(seconds: float | None) -> str:
    """How long ago, in the unit that fits."""
    if seconds is None:
        return UNKNOWN
    if seconds < _SOON_SECONDS:
        return f"{seconds:.0f}s"
    return f"{seconds / _MINUTE:.0f}m" if seconds < _HOUR else f"{seconds / _HOUR:.1f}h"


def value(given: float | str | None) -> str:
    """An input as short as it is exact enough."""
    if given is None:
        return UNKNOWN
    return given if isinstance(given, str) else f"{given:,.4g}"
