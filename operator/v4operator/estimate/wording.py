"""Rounded figures for sentences that people read; the exact ones travel beside them."""

from math import floor, log10

_DIGITS = 3  # a throughput is known to a few per cent: three digits carry all of it
_KILO = 1000.0


def rate(tokens_per_second: float) -> str:
    """Tokens a second to three digits: `1,610 tok/s`."""
    return f"{rounded(tokens_per_second):,.0f} tok/s"


def rounded(value: float) -> float:
    """The value to three significant digits, and to whole numbers from 100 on."""
    if value <= 0.0:
        return 0.0
    return round(value, _DIGITS - 1 - floor(log10(value)))


def per_cent(ratio: float | None) -> str:
    """A ratio as whole per cent: `51 %`."""
    return "an unknown share" if ratio is None else f"{100.0 * ratio:.0f} %"


def length(tokens: float) -> str:
    """A length in tokens: `8.9k`, or `512` below a thousand."""
    return f"{tokens / _KILO:.1f}k" if tokens >= _KILO else f"{tokens:.0f}"


def seconds(duration: float) -> str:
    """`45 s`."""
    return f"{duration:.0f} s"


def count(number: int, one: str, many: str) -> str:
    """`1 peer is`, `3 peers are`."""
    return f"{number} {one if number == 1 else many}"
