"""Weights on one device. One function and its formula."""

from v4operator.model.catalogue import LoadFactor, Weights
from v4operator.model.layout import Layout


def per_device_bytes(
    weights: Weights, layout: Layout, *, speculative: bool, load_factor: LoadFactor | None
) -> float:
    """Bytes that one device holds after loading.

    ((dense - rep) / t + rep + (experts + draft) / (t d)) / p x load factor, with t tensor ranks, d
    data-parallel ranks, p stages: attention is sliced by t and whole on every data-parallel rank,
    routed experts are spread over all devices of a stage, and a stage has its share of the layers.
    The draft counts only with speculative decoding (capacity study 3.1; reproduces the published
    sizes per device within 0.2 %).
    """
    dense, replicated = weights.dense_bytes.value, weights.tensor_replicated_bytes.value
    draft = weights.draft_bytes.value if speculative and weights.draft_bytes else 0.0
    spread = (weights.experts_bytes.value + draft) / (layout.tensor * layout.data)
    attention = (dense - replicated) / layout.tensor + replicated
    factor = load_factor.factor.value if load_factor else 1.0
    return (attention + spread) / layout.pipeline * factor
