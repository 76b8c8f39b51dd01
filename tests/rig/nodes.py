"""GPU nodes as the device plugin and GPU feature discovery would leave them."""

from collections.abc import Mapping
from typing import Any

PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"
COUNT_LABEL = "nvidia.com/gpu.count"
GPU = "nvidia.com/gpu"
# More than any test's pods ask for: GPUs are what runs out.
_HOST = {"cpu": "192", "memory": "2Ti", "ephemeral-storage": "10Ti", "pods": "110"}


def node(
    name: str,
    *,
    gpus: int,
    product: str,
    memory_mebibytes: int,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """A Node object; `memory_mebibytes` is what the driver reports for each device."""
    resources = _HOST | ({GPU: str(gpus)} if gpus else {})
    gpu_labels = {
        PRODUCT_LABEL: product,
        MEMORY_LABEL: str(memory_mebibytes),
        COUNT_LABEL: str(gpus),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                **(gpu_labels if gpus else {}),
                **labels,
            },
        },
        "status": {"capacity": resources, "allocatable": resources},
    }


def usable(found: Mapping[str, Any]) -> bool:
    """Whether the scheduler may place pods on it: ready, and free of taints."""
    conditions = found.get("status", {}).get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not found["spec"].get("taints")
