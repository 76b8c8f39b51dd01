"""What the nodes below a workload say of their devices: memory for the budget, product. Pure."""

from collections.abc import Iterator

from v4operator.catalogue.resolve import find_accelerator
from v4operator.model.catalogue import Accelerator, Catalogue
from v4operator.model.deployment import MemoryPlan
from v4operator.model.hbm import Finding
from v4operator.model.replica import Workload
from v4operator.model.running import NodeDevices


def visible_bytes(
    plan: MemoryPlan, nodes: tuple[NodeDevices, ...], catalogue: Catalogue
) -> int | None:
    """Of the smallest device: driver bytes less what the catalogue knows that CUDA does not see."""
    device = find_accelerator(catalogue, plan.accelerator)
    sizes = [node.driver_bytes for node in nodes if node.driver_bytes is not None]
    if device is None or not sizes:
        return None
    hidden = _hidden_bytes(device)
    return None if hidden is None else round(min(sizes) - hidden)


def _hidden_bytes(device: Accelerator) -> float | None:
    driver, visible = device.driver_bytes, device.visible_bytes
    return None if driver is None or visible is None else driver.value - visible.value


def node_findings(plan: MemoryPlan, workload: Workload, catalogue: Catalogue) -> Iterator[Finding]:
    """Another product than the spec has, or nodes that are not read."""
    if workload.nodes_unreadable is not None and workload.replicas:
        yield Finding(
            reason="NodesNotReadable",
            message=f"nodes are not read ({workload.nodes_unreadable}): product and memory of the"
            " devices are the catalogue's",
            hint="apply the ClusterRole v4-operator-nodes to have them read",
        )
    device = find_accelerator(catalogue, plan.accelerator)
    for node in workload.nodes:
        if device is None or node.product is None:
            continue
        found = find_accelerator(catalogue, node.product)
        if found is None or found.name != device.name:
            yield Finding(
                reason="AcceleratorMismatch",
                message=f"accelerator.product is {plan.accelerator}, but node {node.node} has"
                f" {node.product}" + (f" ({found.name})" if found else ""),
                hint="set accelerator.product to what the pods run on, or select its nodes",
            )
            return
