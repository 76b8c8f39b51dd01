"""Names and aliases, and what is said where there is no such name."""

from collections.abc import Callable

import pytest

from v4operator.catalogue import load, resolve
from v4operator.model.problem import InputError

CATALOGUE = load()


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA-H200", "h200-141"),
        ("NVIDIA-H100-80GB-HBM3", "h100-80"),
        ("NVIDIA-B200", "b200"),
        ("nvidia-b200", "b200"),
        (" b300 ", "b300"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "rtx-pro-6000"),
    ],
)
def test_the_product_names_of_node_labels_are_understood(product: str, name: str) -> None:
    found = resolve.find_accelerator(CATALOGUE, product)
    assert found is not None
    assert found.name == name


def test_a_slice_of_a_device_is_not_the_device() -> None:
    assert resolve.find_accelerator(CATALOGUE, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb") is None


def test_checkpoints_and_engines_have_short_names() -> None:
    flash = resolve.find_checkpoint(CATALOGUE, "DeepSeek-V4-Flash")
    assert flash is not None
    assert flash.name == "deepseek-ai/DeepSeek-V4-Flash"
    assert resolve.engine(CATALOGUE, "llama.cpp", where="test").name == "llama-cpp"


@pytest.mark.parametrize(
    ("ask", "name", "nearest"),
    [
        (resolve.checkpoint, "deepseek-ai/DeepSeek-V4-Flahs", "deepseek-ai/DeepSeek-V4-Flash"),
        (resolve.accelerator, "h200-114", "h200-141"),
        (resolve.engine, "vlm", "vllm"),
        (resolve.engine, "zzzzzzzz", None),
    ],
)
def test_an_unknown_name_is_answered_with_all_and_the_nearest(
    ask: Callable[..., object], name: str, nearest: str | None
) -> None:
    with pytest.raises(InputError) as caught:
        ask(CATALOGUE, name, where="a file", path="spec.x")
    (problem,) = caught.value.problems
    assert (problem.where, problem.path, problem.nearest) == ("a file", "spec.x", nearest)
    assert problem.found == repr(name)
