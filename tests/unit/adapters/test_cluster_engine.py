"""Which container is the engine, and what is read off it."""

from typing import Any

import pytest
from tests.unit.adapters.test_cluster_objects import CREATED, READY, pod, scalable

from v4operator.adapters.cluster_engine import running_engine
from v4operator.adapters.cluster_views import NodeView
from v4operator.model.running import NodeDevices
from v4operator.model.units import MIB

ENGINE = {
    "name": "engine",
    "command": ["vllm", "serve", "m"],
    "args": ["--tensor-parallel-size", "$(TP)", "--api-key", "$(KEY)"],
    "env": [
        {"name": "TP", "value": "4"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
    "ports": [{"containerPort": 8000}],
    "resources": {"limits": {"cpu": "8", "nvidia.com/gpu": "4"}},
}
PROXY = {"name": "proxy", "image": "envoy", "ports": [{"containerPort": 9000}]}


def of(*containers: dict[str, Any], name: str = "a", **others: Any) -> Any:
    return pod(name, spec={"containers": list(containers)}, **others)


def test_the_container_with_devices_is_the_engine_and_its_variables_are_filled_in() -> None:
    found = running_engine((of(PROXY, ENGINE),), None, 9000)
    assert found is not None
    assert found.source == "pod a, container engine"
    assert found.args == (
        *("vllm", "serve", "m", "--tensor-parallel-size", "4"),
        *("--api-key", "***"),  # never said, whatever it stands for
    )
    assert (found.devices, found.ports, found.unreadable) == (4, (8000,), None)


@pytest.mark.parametrize(
    ("port", "name"), [(9000, "proxy"), (1, "first")], ids=["the one with the port", "the first"]
)
def test_without_devices_the_port_tells_the_engine(port: int, name: str) -> None:
    found = running_engine((of({"name": "first"}, PROXY),), None, port)
    assert found is not None
    assert found.source == f"pod a, container {name}"
    assert (found.args, found.devices) == (None, None)
    assert found.unreadable == "the image starts the engine by itself"


def test_the_newest_ready_pod_speaks_for_all_and_one_on_its_way_out_never() -> None:
    later = {"creationTimestamp": "2026-11-24T11:00:00Z"}
    going = {"creationTimestamp": "2026-11-24T12:00:00Z", "deletionTimestamp": CREATED}
    pods = (
        of(ENGINE, name="old", conditions=[READY]),
        of(ENGINE, name="new", conditions=[READY], metadata=later),
        of(ENGINE, name="starting", metadata=later),
        of(ENGINE, name="going", conditions=[READY], metadata=going),
    )
    found = running_engine(pods, None, 1)
    assert found is not None
    assert found.source == "pod new, container engine"


def test_without_pods_the_template_speaks_and_a_rollout_is_noted() -> None:
    rolls = {"replicas": 2, "updatedReplicas": 1}
    view = scalable(spec={"template": {"spec": {"containers": [ENGINE]}}}, status=rolls)
    found = running_engine((), view, 1)
    assert found is not None
    assert found.source == "template of flash, container engine"
    assert found.replaced
    assert running_engine((), scalable(), 1) is None
    assert running_engine((), None, 1) is None


@pytest.mark.parametrize(
    ("labels", "product", "size"),
    [
        (
            {"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "143771"},
            "NVIDIA-H200",
            143_771 * MIB,
        ),
        ({"nvidia.com/gpu.memory": "much"}, None, None),
    ],
    ids=["discovered", "not understood"],
)
def test_a_node_tells_its_devices_by_its_labels(
    labels: dict[str, str], product: str | None, size: int | None
) -> None:
    view = NodeView.model_validate({"metadata": {"name": "gpu-0", "labels": labels}})
    assert view.devices == NodeDevices(node="gpu-0", product=product, driver_bytes=size)
