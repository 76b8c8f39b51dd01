"""Observation -> Forecast: memory, throughput, demand, start-up, cost. Pure.

As a library: `from v4operator.estimate import check, smallest_layouts, sizings`, with
`v4operator.catalogue.load()` for what is known. Each name is imported when it is first used, so
that importing this package costs nothing and has no effect.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from v4operator.estimate.economics import (
        BreakEven,
        Traffic,
        api_usd_per_million_tokens,
        break_even,
        usd_per_million_tokens,
    )
    from v4operator.estimate.hbm import check
    from v4operator.estimate.hbm_fits import Fit, smallest_layouts
    from v4operator.estimate.kv import blocks, sequence_bytes, slope_bytes
    from v4operator.estimate.profiles import (
        Operation,
        at_concurrency,
        at_rate,
        mix_of_shape,
        sequence_limit,
    )
    from v4operator.estimate.roofline import (
        DecodeStep,
        least_step_seconds,
        most_decode_tokens_per_second,
    )
    from v4operator.estimate.sizing import Sizing, Workload, relevant_profiles, sizings
    from v4operator.estimate.throughput import capacity, decode_cost

# Public name -> the module that has it. None is also the name of a module here: importing that
# module would hide the function.
_HOMES = {
    "BreakEven": "economics",
    "DecodeStep": "roofline",
    "Fit": "hbm_fits",
    "Operation": "profiles",
    "Sizing": "sizing",
    "Traffic": "economics",
    "Workload": "sizing",
    "api_usd_per_million_tokens": "economics",
    "at_concurrency": "profiles",
    "at_rate": "profiles",
    "blocks": "kv",
    "break_even": "economics",
    "capacity": "throughput",
    "check": "hbm",
    "decode_cost": "throughput",
    "least_step_seconds": "roofline",
    "mix_of_shape": "profiles",
    "most_decode_tokens_per_second": "roofline",
    "relevant_profiles": "sizing",
    "sequence_bytes": "kv",
    "sequence_limit": "profiles",
    "sizings": "sizing",
    "slope_bytes": "kv",
    "smallest_layouts": "hbm_fits",
    "usd_per_million_tokens": "economics",
}

__all__ = [
    "BreakEven",
    "DecodeStep",
    "Fit",
    "Operation",
    "Sizing",
    "Traffic",
    "Workload",
    "api_usd_per_million_tokens",
    "at_concurrency",
    "at_rate",
    "blocks",
    "break_even",
    "capacity",
    "check",
    "decode_cost",
    "least_step_seconds",
    "mix_of_shape",
    "most_decode_tokens_per_second",
    "relevant_profiles",
    "sequence_bytes",
    "sequence_limit",
    "sizings",
    "slope_bytes",
    "smallest_layouts",
    "usd_per_million_tokens",
]


def __getattr__(name: str) -> object:
    """A public name, imported from its module the first time."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
