"""Amounts as people write them: memory (`90%`, `130Gi`, `130GB`) and durations (`33ms`, `1h30m`).

Gi is 2^30 and GB is 10^9: they differ by 7.4 %, so a unit is never guessed.
"""

import re

from pydantic_core import PydanticCustomError

from v4operator.model.deployment import HbmBudget
from v4operator.model.problem import nearest

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
MEMORY_UNITS = (
    _BINARY
    | {f"{unit}B": factor for unit, factor in _BINARY.items()}
    | _DECIMAL
    | {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
)
DURATION_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

# Bounded digits and no nested repetition: linear time on any input.
_AMOUNT = re.compile(r"(?P<number>\d{1,18}(?:\.\d{1,9})?)\s{0,2}(?P<unit>[A-Za-z%]{0,8})")
_DURATION_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([a-z]{1,2})")
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?[a-z]{1,2}){1,5}")


def parse_memory(text: str) -> int:
    """Bytes from `130Gi`, `130GB` or plain bytes.

    Raises:
        PydanticCustomError: (a ValueError) with the units allowed and the nearest one.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise _bad_amount("a number with a unit, such as 130Gi or 130GB", None)
    unit = match["unit"]
    if unit and unit not in MEMORY_UNITS:
        raise _bad_amount(f"a unit of {', '.join(MEMORY_UNITS)}", nearest(unit, MEMORY_UNITS))
    size = round(float(match["number"]) * MEMORY_UNITS.get(unit, 1))
    if size <= 0:
        raise _bad_amount("more than 0 bytes", None)
    return size


def parse_memory_budget(text: str) -> HbmBudget:
    """A share of the visible bytes (`90%`) or bytes per device (`130Gi`, `130GB`).

    Raises:
        PydanticCustomError: (a ValueError) as `parse_memory`, or for a share outside 0 to 100 %.
    """
    stripped = text.strip()
    if not stripped.endswith("%"):
        return HbmBudget(size_bytes=parse_memory(stripped))
    match = _AMOUNT.fullmatch(stripped)
    share = float(match["number"]) / 100 if match and match["unit"] == "%" else 0.0
    if not 0 < share <= 1:
        raise _bad_amount("more than 0% and at most 100%", None)
    return HbmBudget(ratio=share)


def parse_duration(text: str) -> float:
    """Seconds from a Go duration: `33ms`, `2s`, `8m`, `1h30m`.

    Raises:
        PydanticCustomError: (a ValueError) with the units allowed and the nearest one.
    """
    stripped = text.strip()
    if _DURATION.fullmatch(stripped) is None:
        raise _bad_amount("a number with a unit, such as 33ms, 2s, 8m or 1h30m", None)
    seconds = 0.0
    for number, unit in _DURATION_PART.findall(stripped):
        if unit not in DURATION_UNITS:
            allowed = f"a unit of {', '.join(DURATION_UNITS)}"
            raise _bad_amount(allowed, nearest(unit, DURATION_UNITS))
        seconds += float(number) * DURATION_UNITS[unit]
    return seconds


def _bad_amount(allowed: str, hint: str | None) -> PydanticCustomError:
    return PydanticCustomError("amount", "{allowed}", {"allowed": allowed, "nearest": hint})
