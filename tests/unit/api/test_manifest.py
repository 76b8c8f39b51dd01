"""Manifests: defaults filled in, or every mistake with file, path, found, allowed and nearest."""

from pathlib import Path
from textwrap import dedent

import pytest

from v4operator.adapters.manifest_file import load_file
from v4operator.api.manifest import MAX_BYTES, load_text
from v4operator.model.deployment import Deployment, GatewayQueries, HbmBudget, Key, ScalingMode
from v4operator.model.layout import Layout
from v4operator.model.problem import InputError, Problem

MINIMAL = dedent("""\
    apiVersion: v4serving.dev/v1alpha1
    kind: V4Deployment
    metadata: {name: flash-chat}
    spec:
      model: {checkpoint: deepseek-ai/DeepSeek-V4-Flash}
      engine: {name: sglang}
      accelerator: {product: h200-141, count: 4}
      workload: {endpoints: ["http://127.0.0.1:30000/"]}
    """)


def one(text: str) -> Deployment:
    (deployment,) = load_text(text, "test.yaml")
    return deployment


def problem(text: str) -> Problem:
    with pytest.raises(InputError) as caught:
        load_text(text, "test.yaml")
    (only,) = caught.value.problems
    return only


def test_a_minimal_manifest_gets_every_default() -> None:
    deployment = one(MINIMAL)

    assert deployment.key == Key("default", "flash-chat")
    assert deployment.memory.layout == Layout(tensor=4)
    assert deployment.memory.max_context_tokens is None
    assert deployment.memory.concurrency == 1
    assert deployment.memory.budget is None
    assert deployment.endpoints == ("http://127.0.0.1:30000",)
    assert deployment.metrics_port == 30000
    assert deployment.metrics_interval_seconds == 5.0
    assert deployment.scaling.mode is ScalingMode.AUTOMATIC
    assert (deployment.scaling.min_replicas, deployment.scaling.max_replicas) == (1, 10)
    assert deployment.objectives.ttft_seconds == 2.0
    assert deployment.objectives.inter_token_latency_seconds == pytest.approx(0.033)


def test_devices_that_data_and_pipeline_leave_are_tensor_parallel() -> None:
    text = MINIMAL.replace("count: 4}", "count: 8}\n  parallelism: {data: 2, pipeline: 2}")

    assert one(text).memory.layout == Layout(tensor=2, data=2, pipeline=2)


def test_sglang_counts_all_devices_of_a_stage_as_tensor_ones() -> None:
    text = MINIMAL.replace("count: 4}", "count: 4}\n  parallelism: {tensor: 4, data: 4}")

    assert one(text).memory.layout == Layout(tensor=1, data=4)


def test_names_are_known_whatever_their_capitals_and_by_node_label() -> None:
    for name in ("H200-141", "NVIDIA-H200"):
        assert one(MINIMAL.replace("h200-141", name)).memory.accelerator == name


def test_a_fine_tune_names_its_base_and_its_size() -> None:
    custom = "custom: {base: deepseek-ai/DeepSeek-V4-Flash, weightBytes: 170GB}"
    text = MINIMAL.replace("checkpoint: deepseek-ai/DeepSeek-V4-Flash", custom)

    memory = one(text).memory

    assert (memory.checkpoint, memory.weight_bytes) == (
        "deepseek-ai/DeepSeek-V4-Flash",
        170_000_000_000,
    )


def test_a_budget_keeps_its_unit() -> None:
    assert one(MINIMAL + "  hbm: {budget: 130GB}\n").memory.budget == HbmBudget(
        size_bytes=130_000_000_000
    )
    assert one(MINIMAL + "  hbm: {budget: 90%}\n").memory.budget == HbmBudget(ratio=0.9)


@pytest.mark.parametrize(
    ("old", "new", "path", "nearest"),
    [
        pytest.param(
            "DeepSeek-V4-Flash}", "DeepSeek-V4-Flsh}", "spec.model.checkpoint",
            "deepseek-ai/DeepSeek-V4-Flash", id="unknown checkpoint",
        ),
        pytest.param(
            "h200-141", "h200-114", "spec.accelerator.product", "h200-141",
            id="unknown accelerator",
        ),
        pytest.param("sglang", "sglnag", "spec.engine.name", "sglang", id="unknown engine"),
        pytest.param("engine:", "engin:", "spec.engin", "engine", id="unknown field"),
        pytest.param(
            "count: 4}", "count: 4}\n  hbm: {budget: 130gb}", "spec.hbm.budget", "GB",
            id="unknown unit",
        ),
        pytest.param(
            "count: 4}", "count: 4}\n  objectives: {ttft: 2sec}", "spec.objectives.ttft", None,
            id="no duration",
        ),
        pytest.param(
            "count: 4}", "count: 4}\n  objectives: {ttft: 2}", "spec.objectives.ttft", None,
            id="a number without a unit",
        ),
        pytest.param(
            "count: 4", "count: -4", "spec.accelerator.count", None, id="negative count"
        ),
        pytest.param(
            "count: 4}", "count: 4}\n  parallelism: {tensor: 3}", "spec.parallelism", None,
            id="impossible parallelism",
        ),
        pytest.param(
            "count: 4}", "count: 4}\n  scaling: {minReplicas: 5, maxReplicas: 2}", "spec.scaling",
            None, id="min above max",
        ),
        pytest.param(
            "count: 4}", "count: 4}\n  scaling: {mode: Auto}", "spec.scaling.mode", "Automatic",
            id="unknown mode",
        ),
        pytest.param("kind: V4Deployment", "kind: V4Deploymnt", "kind", "V4Deployment", id="kind"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_the_nearest_right_word(
    old: str, new: str, path: str, nearest: str | None
) -> None:
    assert old in MINIMAL
    found = [p for p in _problems(MINIMAL.replace(old, new, 1)) if p.path == path]

    (only,) = found
    assert only.where == "test.yaml"
    assert only.nearest == nearest
    assert only.allowed


def _problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        load_text(text, "test.yaml")
    return caught.value.problems


def test_a_message_reads_as_a_sentence() -> None:
    text = MINIMAL.replace("h200-141", "h200-114")

    assert str(problem(text)).startswith(
        "test.yaml: spec.accelerator.product: found 'h200-114'; allowed: "
    )
    assert str(problem(text)).endswith("; did you mean 'h200-141'?")


def test_every_mistake_is_told_at_once() -> None:
    text = MINIMAL.replace("count: 4", "count: 0").replace("sglang", "vlm")

    assert {p.path for p in _problems(text)} == {"spec.accelerator.count", "spec.engine.name"}


def test_a_missing_part_is_described() -> None:
    only = problem("\n".join(MINIMAL.splitlines()[:-1]))

    assert only.path == "spec.workload"
    assert "What runs the replicas" in only.allowed


def test_exactly_one_workload_is_needed() -> None:
    two = "workload: {template: {}, endpoints: []}"
    text = MINIMAL.replace('workload: {endpoints: ["http://127.0.0.1:30000/"]}', two)

    assert problem(text).allowed == "exactly one of template, targetRef and endpoints"


def test_other_kinds_are_passed_over() -> None:
    other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n"

    assert [d.key.name for d in load_text(other + MINIMAL, "test.yaml")] == ["flash-chat"]


def test_documents_are_numbered_in_messages() -> None:
    text = MINIMAL + "---\n" + MINIMAL.replace("count: 4", "count: 0")

    assert problem(text).where == "test.yaml (document 2)"


def test_what_is_not_yaml_is_refused() -> None:
    assert problem("a: [").allowed == "YAML"
    assert problem("- just\n- a list\n").allowed == "a mapping"


def test_a_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 20)]

    assert "nodes" in problem("\n".join(lines)).allowed


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 100))

    with pytest.raises(InputError, match="1 MiB"):
        load_file(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml"):
        load_file(tmp_path / "absent.yaml")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flash.yaml"
    path.write_text(MINIMAL)

    assert [d.key.name for d in load_file(path)] == ["flash-chat"]


@pytest.mark.parametrize(
    ("metrics", "demand", "server"),
    [
        ("{}", "", ""),
        ("{source: Prometheus, prometheus: main}", "", "main"),
        ("{source: Prometheus, prometheus: main}", ", prometheus: edge", "edge"),
        ("{}", ", prometheus: edge", "edge"),
    ],
    ids=["the-default", "as-the-metrics", "another", "beside-scraped-engines"],
)
def test_a_gateway_is_asked_of_its_own_prometheus_or_of_that_of_the_metrics(
    metrics: str, demand: str, server: str
) -> None:
    text = f"{MINIMAL}  metrics: {metrics}\n  demand: {{query: sum(queue){demand}}}\n"
    assert one(text).gateway == GatewayQueries(waiting="sum(queue)", lost=None, server=server)
