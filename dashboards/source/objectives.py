"""Queries about objectives: the share of requests, or of tokens, that met one.

Engines count latencies in buckets. Where the objective lies between two edges, some are undecided:
they count as met, as the rules do, and the boards show the band.
"""

_COUNTED = 'v4_slo_requests_total{{{selector}, slo="{slo}"{verdict}}}'


def attained(slo: str, selector: str, window: str, *, by: str = "", strict: bool = False) -> str:
    """The share that met the objective; `strict` counts the undecided as missed."""
    verdict = ', verdict="met"' if strict else ', verdict=~"met|undecided"'
    good, every = _rate(slo, selector, window, by, verdict), _rate(slo, selector, window, by, "")
    return f"{good} / {every}"


def missed(slo: str, selector: str, window: str, *, by: str = "") -> str:
    """The share that certainly missed it."""
    bad = _rate(slo, selector, window, by, ', verdict="missed"')
    return f"{bad} / {_rate(slo, selector, window, by, '')}"


def _rate(slo: str, selector: str, window: str, by: str, verdict: str) -> str:
    counted = _COUNTED.format(selector=selector, slo=slo, verdict=verdict)
    return f"sum{f' by ({by})' if by else ''} (rate({counted}[{window}]))"
