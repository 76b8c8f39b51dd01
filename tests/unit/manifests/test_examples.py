"""Each example is understood, and its comment says of it what `plan` says."""

import re
from pathlib import Path
from typing import get_args

import pytest

from v4operator.api.manifest import load_text
from v4operator.api.serving import EngineSpec
from v4operator.catalogue import load
from v4operator.estimate.hbm import check
from v4operator.model.deployment import Deployment

EXAMPLES = sorted((Path(__file__).parents[3] / "manifests" / "examples").glob("*.yaml"))
STATED = re.compile(r"^# plan: (?P<verdict>\S+)$", re.MULTILINE)


def only(example: Path) -> Deployment:
    (deployment,) = load_text(example.read_text(), example.name)
    return deployment


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_named_after_its_file_and_has_the_verdict_that_its_comment_states(
    example: Path,
) -> None:
    text, deployment = example.read_text(), only(example)
    stated = STATED.search(text)
    assert text.startswith("# ")
    assert stated is not None
    assert deployment.key.name == example.stem
    assert stated["verdict"] == check(deployment.memory, load()).verdict.value


def test_every_engine_that_a_manifest_may_name_has_an_example() -> None:
    accepted = set(get_args(EngineSpec.model_fields["name"].annotation))
    assert {only(example).memory.engine for example in EXAMPLES} == accepted


def test_the_systems_that_the_guide_names_have_an_example() -> None:
    shown = {_system(only(example)) for example in EXAMPLES}
    assert shown >= {
        ("Flash", 2, "h100-80"),
        ("Flash", 1, "h200-141"),
        ("Flash", 4, "h200-141"),
        ("Flash", 1, "b200"),
        ("Pro", 8, "h100-80"),
        ("Pro", 8, "NVIDIA-H200"),
        ("Pro", 8, "b200"),
        ("Flash", 8, "ascend-910b"),
        ("Flash", 1, "m2-ultra-192"),
    }


def _system(deployment: Deployment) -> tuple[str, int, str]:
    plan = deployment.memory
    variant = "Pro" if "pro" in plan.checkpoint.lower() else "Flash"
    return variant, plan.devices, plan.accelerator
