"""An engine's KV planner as a line: what n requests of a length need on one rank.

need(n, pages) = fixed + n (request + page x pages), found by asking the planner how much room makes
it hold one request more. Exact beyond the sliding window; below it the planner may ask for more.
"""

import math
from dataclasses import dataclass

from v4operator.estimate.hbm_pools import KvPlanner
from v4operator.estimate.kv import BLOCK_TOKENS

# Two lengths beyond every window, whole pages both.
_SHORT_PAGES, _LONG_PAGES = 1024, 4096
_UNBOUNDED_BYTES = 1e18  # more room than any replica has
_BISECTIONS = 80  # halves 1e18 bytes to far less than one
# Requests of one page that no pool of any device holds: an engine that holds them has no limit.
_NO_LIMIT = 10**6
_ROUNDING_BYTES = 1e-3  # of the bisection


@dataclass(frozen=True, slots=True, kw_only=True)
class KvLaw:
    """Bytes of one rank for a pipeline of one stage; `requests` is 0 where there is no limit."""

    fixed_bytes: int
    request_bytes: int
    page_bytes: int
    requests: int


def kv_law(planner: KvPlanner) -> KvLaw:
    """The line of `planner`, in whole bytes, rounded down."""
    one = _needed(planner, 1, _SHORT_PAGES)
    per_request = _needed(planner, 2, _SHORT_PAGES) - one
    page = (_needed(planner, 1, _LONG_PAGES) - one) / (_LONG_PAGES - _SHORT_PAGES)
    most = planner.sequences(_UNBOUNDED_BYTES, BLOCK_TOKENS)
    return KvLaw(
        fixed_bytes=_floor(one - per_request),
        request_bytes=_floor(per_request - page * _SHORT_PAGES),
        page_bytes=_floor(page),
        requests=most if most < _NO_LIMIT else 0,
    )


def _needed(planner: KvPlanner, requests: int, pages: int) -> float:
    """The least room in which `requests` of that length are resident."""
    low, high = 0.0, _UNBOUNDED_BYTES
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if planner.sequences(middle, pages * BLOCK_TOKENS) >= requests:
            high = middle
        else:
            low = middle
    return high


def _floor(size_bytes: float) -> int:
    """Down to a whole byte; what bisection leaves below one (or below none) is rounding."""
    return max(0, math.floor(size_bytes + _ROUNDING_BYTES))
