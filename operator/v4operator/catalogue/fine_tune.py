"""A fine-tune of a published checkpoint: the same architecture with a size of its own. Pure."""

from dataclasses import replace

from v4operator.model.catalogue import Checkpoint
from v4operator.model.figures import Figure, Tag


def with_weight_bytes(checkpoint: Checkpoint, weight_bytes: int) -> Checkpoint:
    """`checkpoint` with `weight_bytes` in all, its draft included.

    Formats differ in the routed experts alone, so these take the whole difference. Where the size
    leaves nothing for them, the split is unknown and `weights` is `None`.
    """
    total = Figure(value=weight_bytes, tag=Tag.PUBLISHED, source="given by the user")
    weights = checkpoint.weights
    if weights is None:
        return replace(checkpoint, total_bytes=total)
    draft = weights.draft_bytes.value if weights.draft_bytes else 0.0
    experts = weight_bytes - weights.dense_bytes.value - draft
    if experts <= 0:
        return replace(checkpoint, weights=None, total_bytes=total)
    split = replace(weights, experts_bytes=replace(total, value=experts))
    return replace(checkpoint, weights=split, total_bytes=total)
