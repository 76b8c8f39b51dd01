"""What the driver says is on a device, as bytes of those that CUDA can see. Pure.

The driver's total is more than CUDA sees (the catalogue has both): the difference is the driver's
own and no engine can have it. `DCGM_FI_DEV_FB_FREE` leaves it out and is preferred;
`DCGM_FI_DEV_FB_USED` counts it.
"""

from collections.abc import Iterator

from v4operator.estimate.hbm_account import Account
from v4operator.model.figures import Figure, Tag
from v4operator.model.hbm import Finding
from v4operator.model.reading import EngineReading
from v4operator.model.units import GIB

_FREE, _USED = "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED"

_SLACK_RATIO = 0.01
"""Of the visible bytes: DCGM tells whole MiB, the catalogue's visible bytes are right to 0.3 %, and
SGLang rounds its weights to 0.1 GiB."""


def device_used(reading: EngineReading, account: Account) -> Figure | None:
    """Visible bytes in use on the fullest device; `None` where nobody tells."""
    memory, visible = reading.memory, account.budget.visible_bytes
    if memory is None:
        return None
    if memory.device_free_bytes is not None:
        used = max(0.0, visible - memory.device_free_bytes)
        return Figure(value=used, tag=Tag.MEASURED, source=f"visible less {_FREE}")
    total = account.config.accelerator.driver_bytes
    if memory.device_used_bytes is None or total is None:
        return None
    used = max(0.0, memory.device_used_bytes - max(0.0, total.value - visible))
    source = f"{_USED} less the driver's own {(total.value - visible) / GIB:.1f} GiB"
    return Figure(value=used, tag=Tag.DERIVED, source=source)


def device_findings(
    used: Figure | None, weights: Figure, pool: Figure, visible_bytes: float
) -> Iterator[Finding]:
    """`DeviceMemoryDiffers`: the engine reports more than the device holds."""
    held = weights.value + pool.value
    if used is None or held <= used.value + _SLACK_RATIO * visible_bytes:
        return
    yield Finding(
        reason="DeviceMemoryDiffers",
        message=f"the device holds {used.value / GIB:.1f} GiB ({used.source}), weights and KV pool "
        f"by the engine's report make {held / GIB:.1f} GiB",
        hint="compare accelerator, parallelism and the pods whose devices DCGM tells of",
    )
