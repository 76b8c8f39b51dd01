"""`plan` as it is typed: answers, exit status, keys that are kept, and wrong usage."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from v4operator.cli import plan

FLASH = "--checkpoint deepseek-ai/DeepSeek-V4-Flash --engine vllm --engine-version 0.33.0"
FOUR_H200 = f"{FLASH} --accelerator h200-141 --count 4 --max-context 131072 --concurrency 64"
TWO_H100 = f"{FLASH} --accelerator h100-80 --count 2"
MANIFEST = """
apiVersion: v4serving.dev/v1alpha1
kind: V4Deployment
metadata: {{name: {name}}}
spec:
  model: {{checkpoint: deepseek-ai/DeepSeek-V4-Flash, maxContextTokens: 131072}}
  engine: {{name: vllm, version: 0.33.0}}
  accelerator: {{product: h200-141, count: {count}}}
  workload: {{endpoints: ["http://127.0.0.1:8000"]}}
"""


def run(line: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(plan.command)
    outcome = CliRunner().invoke(app, line.split())
    return outcome.exit_code, outcome.output


def answer(line: str) -> tuple[int, Any]:
    status, output = run(f"{line} -o json")
    return status, json.loads(output)


def test_what_fits_ends_with_0_and_every_key() -> None:
    status, document = answer(f"{FOUR_H200} --tensor-parallel 4")
    assert status == 0
    assert document["verdict"] == "fits"
    assert document["budgetBytes"] == round(0.92 * 139.8 * 2**30)
    assert document["weightsBytes"] == pytest.approx(38.84 * 2**30, rel=1e-3)
    assert set(document["kvCacheBytes"]) == {"low", "central", "high"}
    assert document["kvCacheBytes"]["low"] < document["kvCacheBytes"]["high"]
    assert document["maxConcurrency"] == 165
    assert document["kvBytesPerRequest"] == 542 * 1_002_240
    assert document["kvCapacityTokens"] == pytest.approx(165.6 * 131_072, rel=1e-3)
    assert document["reportedCapacityTokens"] < document["kvCapacityTokens"]
    assert document["memFraction"] == 0.92
    assert document["findings"] == []
    assert document["parallelism"] == {"tensor": 4, "data": 1, "pipeline": 1, "expert": False}


def test_the_example_of_the_guide_ends_with_1_and_says_why() -> None:
    status, document = answer(TWO_H100)
    assert status == 1
    assert document["verdict"] == "weights-exceed"
    assert document["maxContextTokens"] == 1_048_576
    assert document["concurrency"] == 1
    assert document["findings"][0] == {
        "reason": "WeightsExceed",
        "message": "Does not fit: weights of 76.4 GiB per device alone exceed the budget of "
        "72.9 GiB.",
        "hint": "What would fit: 4 x h100-80 as TP4.",
    }


def test_a_person_sees_the_memory_of_one_device_at_a_glance() -> None:
    status, output = run(FOUR_H200)
    assert status == 0
    bar = next(line for line in output.splitlines() if line.startswith("["))
    # 139.8 GiB in 60 cells: weights 38.8, KV 83.8, overhead 6.0, free 11.2.
    assert bar == f"[{'█' * 17}{'▓' * 36}{'▒' * 2}{'·' * 5}] 139.8 GiB per device"
    assert "165 of 131,072 tokens" in output


def test_a_bar_that_is_too_long_ends_in_an_arrow() -> None:
    output = run(f"{FLASH} --accelerator h200-141 --count 1")[1]
    bar = next(line for line in output.splitlines() if line.startswith("["))
    assert bar.startswith(f"[{'█' * 59}>]")
    assert "WeightsExceed: What would fit: 2 x h200-141 as TP2." in output


def test_what_is_unknown_ends_with_1_and_shows_no_bar() -> None:
    status, output = run(f"{FLASH} --accelerator gb10 --count 2")
    assert status == 1
    assert "no figure for the memory that is visible on gb10" in output
    assert "[" not in output


def test_without_a_count_the_smallest_layouts_are_listed() -> None:
    status, document = answer(f"{FLASH} --max-context 131072")
    assert status == 0
    layouts = {entry["accelerator"]: entry for entry in reversed(document["layouts"])}
    assert layouts["h100-80"]["devices"] == 4
    assert layouts["h100-80"]["usdPerHour"] == pytest.approx(4 * 2.95)
    priced = [e for e in document["layouts"] if e["usdPerMillionTokens"] is not None]
    assert {(e["accelerator"], e["devices"]) for e in priced} == {
        ("h100-80", 8),
        ("h200-141", 4),
        ("b200", 4),
        ("b300", 4),
    }


def test_the_list_can_be_of_one_device_and_can_be_empty() -> None:
    status, output = run(f"{FLASH} --accelerator h200-141")
    assert status == 0
    assert "2 x h200-141" in output
    assert "b200" not in output
    status, output = run(f"{FLASH} --accelerator a100-80")
    assert status == 1
    assert output.rstrip().endswith("none of the devices in the catalogue.")


def test_engine_arguments_follow_two_dashes() -> None:
    one = f"{FLASH} --accelerator b200 --count 1"
    assert answer(one)[1]["verdict"] == "admission-exceed"
    status, output = run(f"{one} -o json -- --max-num-batched-tokens 8192")
    assert (status, json.loads(output)["verdict"]) == (0, "fits-tight")


def test_budget_kernel_and_mode_are_heard() -> None:
    line = f"{FOUR_H200} --hbm-budget 90% --moe-kernel humming --mode think-max"
    document = answer(line)[1]
    assert document["memFraction"] == 0.9
    assert document["moeKernel"] == "humming"
    assert document["weightsBytes"] == pytest.approx(37.24 * 2**30, rel=1e-3)
    reasons = [finding["reason"] for finding in document["findings"]]
    assert reasons == ["BudgetBelowEngineFraction", "ContextBelowThinkMax"]


def test_gb_and_gi_of_a_budget_are_told_apart() -> None:
    decimal = answer(f"{FOUR_H200} --hbm-budget 80GB")[1]["budgetBytes"]
    binary = answer(f"{FOUR_H200} --hbm-budget 80Gi")[1]["budgetBytes"]
    assert (decimal, binary) == (80 * 10**9, 80 * 2**30)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--checkpoint deepseek-v4-flahs --count 4 --accelerator b200", "mean 'deepseek-v4-flash'"),
        ("--count 4 --accelerator b200", "--checkpoint: found 'nothing'"),
        (f"{FLASH} --count 4", "--accelerator: found 'nothing'"),
        (f"{FLASH} --accelerator h200-114 --count 4", "did you mean 'h200-141'?"),
        (f"{FLASH} --engine vlm", "did you mean 'vllm'?"),
        (f"{FOUR_H200} --hbm-budget 130Gb", "did you mean 'GB'?"),
        (f"{FOUR_H200} --hbm-budget much", "--hbm-budget: found 'much'; allowed: a number"),
        (f"{FOUR_H200} --moe-kernel marlyn", "did you mean 'marlin'?"),
        (f"{FOUR_H200} --catalogue /nowhere.yaml", "allowed: a readable UTF-8 file"),
        ("-f /nowhere.yaml", "allowed: a readable UTF-8 file"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_nearest_match(line: str, told: str) -> None:
    status, output = run(line)
    assert status == 2
    assert told in output


def test_a_count_below_one_is_wrong_usage() -> None:
    assert run(f"{FLASH} --accelerator b200 --count 0")[0] == 2


def test_a_manifest_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "flash.yaml"
    file.write_text(MANIFEST.format(name="flash", count=4))
    status, document = answer(f"-f {file}")
    assert status == 0
    assert document["name"] == "default/flash"
    assert document["verdict"] == "fits"


def test_of_several_deployments_one_that_does_not_fit_decides(tmp_path: Path) -> None:
    file = tmp_path / "both.yaml"
    file.write_text(
        f"{MANIFEST.format(name='good', count=4)}---{MANIFEST.format(name='bad', count=1)}"
    )
    status, documents = answer(f"-f {file}")
    assert status == 1
    assert [d["verdict"] for d in documents] == ["fits", "weights-exceed"]
    status, output = run(f"-f {file}")
    assert status == 1
    assert output.startswith("default/good\n")


def test_a_users_own_catalogue_is_read(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "checkpoints: [{name: acme/law, base: deepseek-ai/DeepSeek-V4-Flash, "
        "weightBytes: 170000000000}]"
    )
    line = f"--checkpoint acme/law --accelerator h200-141 --count 4 --catalogue {file}"
    assert answer(line)[1]["weightsBytes"] > answer(FOUR_H200)[1]["weightsBytes"]
