"""Rounds what goes into a status, so that noise does not rewrite it. Pure.

Rates keep two significant digits, ratios and demands two decimals, counts of requests are whole,
ages are whole poll intervals' worth (5 s). Bytes and counts of replicas are exact.
"""

from math import floor, isfinite, log10

# The default poll interval: an age within one poll says nothing.
_AGE_STEP_SECONDS = 5.0
_SIGNIFICANT_DIGITS = 2


def rate(value: float | None) -> float | None:
    """Two significant digits; `None` for what is no finite number."""
    if value is None or not isfinite(value):
        return None
    if value == 0:
        return 0.0
    return float(round(value, _SIGNIFICANT_DIGITS - 1 - floor(log10(abs(value)))))


def ratio(value: float | None) -> float | None:
    """Two decimals, as are numbers of replicas."""
    return None if value is None or not isfinite(value) else round(value, 2)


def whole(value: float | None) -> float | None:
    """The nearest whole number."""
    return None if value is None or not isfinite(value) else float(round(value))


def age(seconds: float | None) -> float | None:
    """Down to the last step of a poll interval."""
    return None if seconds is None else _AGE_STEP_SECONDS * (seconds // _AGE_STEP_SECONDS)
