"""Which catalogue profile the estimate starts from, before anything has been measured. Pure."""

from math import log2

from v4operator.catalogue.resolve import find_accelerator, find_checkpoint
from v4operator.model.catalogue import Accelerator, Catalogue, Checkpoint, PerformanceProfile
from v4operator.model.deployment import MemoryPlan


def prior(plan: MemoryPlan, catalogue: Catalogue) -> PerformanceProfile | None:
    """The nearest profile: same family, then device, checkpoint, engine and number of devices.

    Published step times of one configuration moved threefold between engine versions (PyTorch blog
    2026-06-24), so a neighbour is a fair start; the estimate's spread covers that factor and it
    learns from there. `None` where the catalogue has no profile of the family.
    """
    checkpoint = find_checkpoint(catalogue, plan.checkpoint)
    accelerator = find_accelerator(catalogue, plan.accelerator)
    if checkpoint is None or accelerator is None:
        return None
    families = {c.name: c.family for c in catalogue.checkpoints}
    candidates = [p for p in catalogue.profiles if families.get(p.checkpoint) == checkpoint.family]
    return min(candidates, key=lambda p: _distance(p, plan, checkpoint, accelerator), default=None)


def _distance(
    profile: PerformanceProfile, plan: MemoryPlan, checkpoint: Checkpoint, accelerator: Accelerator
) -> tuple[bool, bool, bool, float]:
    return (
        profile.accelerator != accelerator.name,
        profile.checkpoint != checkpoint.name,
        profile.engine != plan.engine,
        abs(log2(profile.devices / plan.devices)),
    )
