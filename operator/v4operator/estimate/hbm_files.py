"""What can be said of an engine whose memory nobody has modelled: files against the whole memory.

Only ever that it does not fit. What it would take besides its weights is not known.
"""

from v4operator.catalogue.resolve import find_accelerator, find_checkpoint, find_engine
from v4operator.model.catalogue import Catalogue
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import Finding, HbmReport, HbmVerdict
from v4operator.model.units import GB, GIB


def larger_than_memory(plan: MemoryPlan, catalogue: Catalogue) -> HbmReport | None:
    """`weights-exceed` where the files are larger than all memory there is; else `None`.

    A vendor's GB is taken for 2^30 bytes here, the most that it can be.
    """
    checkpoint = find_checkpoint(catalogue, plan.checkpoint)
    device = find_accelerator(catalogue, plan.accelerator)
    engine = find_engine(catalogue, plan.engine)
    if checkpoint is None or device is None or engine is None or checkpoint.total_bytes is None:
        return None
    total, nominal = checkpoint.total_bytes, device.nominal_bytes * plan.devices
    if total.value <= nominal / GB * GIB:
        return None
    verdict = HbmVerdict.WEIGHTS_EXCEED
    told = (
        f"Does not fit: files of {total.value / GB:.0f} GB exceed the {nominal / GB:.0f} GB of all "
        f"memory of {plan.devices} x {device.name}."
    )
    return HbmReport(
        verdict=verdict,
        sentence=told,
        decided_by=total.tag,
        findings=(Finding(reason=verdict.reason, message=told),),
        layout=plan.layout,
        context_tokens=plan.max_context_tokens or checkpoint.max_context_tokens,
        engine_version=plan.engine_version,
    )
