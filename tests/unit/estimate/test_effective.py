"""Engine over pod over spec: which value holds, who said it, and what is told where they part."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fleets import deployment as made
from tests.fleets import reading, replica

from v4operator.catalogue import load
from v4operator.estimate.effective import Effective, effective
from v4operator.estimate.hbm import check
from v4operator.model.deployment import Deployment
from v4operator.model.hbm import HbmVerdict
from v4operator.model.layout import Layout
from v4operator.model.reading import EngineReading
from v4operator.model.replica import Workload
from v4operator.model.running import ConfiguredValue, NodeDevices, RunningEngine
from v4operator.model.units import MIB

CATALOGUE = load()
POD = "pod a, container engine"
H100_DRIVER = 81_559 * MIB  # the catalogue's own figure for h100-80


def of(**changes: Any) -> Deployment:
    base = made()
    return replace(base, memory=replace(base.memory, **changes))


def running(*args: str, **changes: Any) -> RunningEngine:
    return replace(RunningEngine(source=POD, args=args, devices=4), **changes)


def found(
    deployment: Deployment,
    engine: RunningEngine | None = None,
    *,
    readings: tuple[EngineReading, ...] = (),
    before: tuple[ConfiguredValue, ...] = (),
    **of_workload: Any,
) -> Effective:
    workload = Workload(
        desired=1, version="7", replicas=(replica("a"),), running=engine, **of_workload
    )
    return effective(deployment, workload, readings, before, CATALOGUE)


def value(effect: Effective, name: str) -> tuple[str, str] | None:
    held = {each.name: (each.value, each.source) for each in effect.values}
    return held.get(name)


def reasons(effect: Effective) -> list[str]:
    return [finding.reason for finding in effect.findings]


def test_the_version_that_an_engine_reports_holds_over_the_spec_and_both_are_named() -> None:
    effect = found(of(engine_version="0.5.22"), readings=(reading(version="0.5.23"),))
    assert value(effect, "engine version") == ("0.5.23", "engine")
    assert effect.deployment.memory.engine_version == "0.5.23"
    (finding,) = effect.findings
    assert finding.reason == "ConfigMismatch"
    assert finding.message == (
        "engine version: the spec says 0.5.22, the engine 0.5.23; the engine was taken"
    )


def test_what_an_engine_told_once_holds_while_it_is_silent() -> None:
    told = found(of(), readings=(reading(version="0.5.23"),))
    again = found(of(), before=told.values)
    assert again.deployment == told.deployment
    assert found(of()).deployment.memory.engine_version is None


def test_two_versions_at_once_are_a_rollout_and_the_spec_says_where_it_goes() -> None:
    both = (reading(version="0.5.22"), reading(version="0.5.23"))
    effect = found(of(engine_version="0.5.23"), readings=both)
    assert value(effect, "engine version") == ("0.5.23", "spec")
    assert effect.findings == ()


def test_arguments_of_the_pod_hold_over_those_of_the_spec() -> None:
    spec = of(engine_args=("--mem-fraction-static", "0.8"))
    line = ("python3", "-m", "sglang.launch_server", "--mem-fraction-static", "0.88", "--tp", "4")
    effect = found(spec, running(*line))
    assert value(effect, "memory fraction") == ("0.88", POD)
    assert effect.deployment.memory.engine_args == line[3:]
    (finding,) = effect.findings
    assert f"the spec says 0.8, the {POD} 0.88" in finding.message


def test_an_argument_that_only_the_spec_has_is_not_in_force_and_that_is_said() -> None:
    spec = of(engine_args=("--mem-fraction-static", "0.8"))
    effect = found(spec, running("--tp", "4"))
    assert value(effect, "memory fraction") is None
    (finding,) = effect.findings
    assert finding.reason == "ConfigMismatch"
    assert f"the spec says 0.8, the {POD} does not set it" in finding.message
    assert found(spec, running("--tp", "4", replaced=True)).findings == ()


def test_a_fraction_that_the_engine_reports_rounded_is_the_same() -> None:
    pod = running("--mem-fraction-static", "0.88")
    effect = found(of(), pod, readings=(reading(memory_fraction=0.8799),))
    assert value(effect, "memory fraction") == ("0.8799", "engine")
    assert effect.findings == ()


def test_a_rollout_that_is_under_way_is_no_mismatch() -> None:
    spec = of(engine_args=("--mem-fraction-static", "0.8"))
    assert found(spec, running("--mem-fraction-static=0.7", replaced=True)).findings == ()


def test_other_devices_and_another_checkpoint_in_the_pod_are_said() -> None:
    pod = running("vllm", "serve", "deepseek-ai/DeepSeek-V4-Pro", devices=8)
    effect = found(of(engine="vllm"), pod)
    assert value(effect, "checkpoint") == ("deepseek-ai/DeepSeek-V4-Pro", POD)
    assert effect.deployment.memory.checkpoint == "deepseek-ai/DeepSeek-V4-Pro"
    assert {finding.message.partition(":")[0] for finding in effect.findings} == {
        "checkpoint",
        "devices",
    }


def test_a_fine_tune_keeps_the_checkpoint_it_was_made_from() -> None:
    pod = running("--model-path", "deepseek-ai/DeepSeek-V4-Pro")
    memory = found(of(weight_bytes=10**11), pod).deployment.memory
    assert memory.checkpoint == "deepseek-ai/DeepSeek-V4-Flash"


@pytest.mark.parametrize(
    ("args", "verdict", "told"),
    [
        ((), HbmVerdict.UNKNOWN, "memory is not judged"),
        (("--context-length", "65536"), HbmVerdict.FITS, "those of the spec are taken"),
    ],
    ids=["nothing is known", "a person says them in the spec"],
)
def test_an_unreadable_command_line_gives_unknown_unless_the_spec_has_arguments(
    args: tuple[str, ...], verdict: HbmVerdict, told: str
) -> None:
    pod = running(args=None, unreadable="the image starts the engine by itself")
    effect = found(of(engine_args=args), pod)
    assert reasons(effect) == ["EngineArgumentsUnreadable"]
    assert told in effect.findings[0].message
    report = check(effect.deployment.memory, CATALOGUE)
    assert report.verdict is verdict
    assert ("the image starts" in report.sentence) is (verdict is HbmVerdict.UNKNOWN)
    assert not effect.arguments_known


def test_an_engine_whose_arguments_are_not_modelled_needs_none() -> None:
    pod = running(args=None, unreadable="the image starts the engine by itself")
    effect = found(of(engine="nim"), pod)
    assert effect.findings == ()
    assert effect.deployment.memory.args_unreadable is None


@pytest.mark.parametrize(
    ("args", "ports", "told"),
    [
        (("--port", "8000"), (), ["port"]),
        (("--port=8000",), (8000,), ["port"]),
        (("--port", "30000"), (), []),
        (("--port", "8000"), (30000,), []),
        (("--port", "$(PORT)"), (), []),
        ((), (), []),
    ],
    ids=["another", "inline", "the same", "metrics have their own", "not shown", "not said"],
)
def test_an_engine_that_listens_elsewhere_than_it_is_asked_is_said(
    args: tuple[str, ...], ports: tuple[int, ...], told: list[str]
) -> None:
    findings = found(of(), running(*args, ports=ports)).findings
    assert [finding.message.partition(":")[0] for finding in findings] == told


@pytest.mark.parametrize(
    ("engine", "args", "limit"),
    [
        ("sglang", ("--max-running-requests", "64"), 64),
        ("vllm", ("--max-num-seqs", "16", "--data-parallel-size", "4"), 64),
        ("vllm", ("--max-num-seqs", "16"), 64),
        ("vllm", (), None),
    ],
    ids=["over all ranks", "of each rank", "ranks of the spec", "none"],
)
def test_the_limit_of_running_requests_is_counted_over_all_ranks(
    engine: str, args: tuple[str, ...], limit: int | None
) -> None:
    spec = of(engine=engine, layout=Layout(tensor=1, data=4))
    assert found(spec, running(*args)).admission_limit == limit


def test_the_memory_of_the_nodes_joins_the_budget_as_cuda_sees_it() -> None:
    spec = of(accelerator="h100-80", devices=8, layout=Layout(tensor=8))
    small = NodeDevices(node="n", product="NVIDIA-H100-80GB-HBM3", driver_bytes=H100_DRIVER // 2)
    known = check(spec.memory, CATALOGUE).visible_bytes
    assert known is not None
    effect = found(spec, nodes=(replace(small, driver_bytes=H100_DRIVER), small))
    assert check(effect.deployment.memory, CATALOGUE).visible_bytes == pytest.approx(
        known - H100_DRIVER / 2, abs=2
    )
    whole = found(spec, nodes=(replace(small, driver_bytes=H100_DRIVER),))
    assert check(whole.deployment.memory, CATALOGUE).visible_bytes == pytest.approx(known, abs=2)
    assert effect.findings == ()


@pytest.mark.parametrize(
    ("product", "told"),
    [
        ("NVIDIA-H100-80GB-HBM3", "(h100-80)"),
        ("NVIDIA-Z9", "has NVIDIA-Z9"),
    ],
    ids=["another that is known", "one that is not"],
)
def test_another_product_on_the_node_is_said(product: str, told: str) -> None:
    node = NodeDevices(node="gpu-0", product=product, driver_bytes=None)
    effect = found(of(), nodes=(node, node))
    assert reasons(effect) == ["AcceleratorMismatch"]
    assert told in effect.findings[0].message
    assert effect.deployment.memory.visible_bytes is None


def test_nodes_that_cannot_be_read_are_said_and_those_without_labels_are_not() -> None:
    effect = found(of(), nodes_unreadable="not allowed to list nodes")
    assert reasons(effect) == ["NodesNotReadable"]
    bare = NodeDevices(node="gpu-0", product=None, driver_bytes=None)
    assert found(of(), nodes=(bare,)).findings == ()


def test_a_device_of_unknown_memory_keeps_what_the_catalogue_says() -> None:
    node = NodeDevices(node="n", product=None, driver_bytes=10**9)
    assert found(of(accelerator="no-such"), nodes=(node,)).deployment.memory.visible_bytes is None
