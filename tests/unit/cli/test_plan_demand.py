"""`plan --demand` as it is typed: replicas, latency, cost, the API beside it, and wrong usage."""

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from v4operator.cli import plan

FLASH = "--checkpoint deepseek-ai/DeepSeek-V4-Flash --as-of 2026-11-24"
CHAT = f"{FLASH} --demand 12rps --prompt 1200 --answer 600"


def run(line: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(plan.command)
    outcome = CliRunner().invoke(app, line.split())
    return outcome.exit_code, outcome.output


def answer(line: str) -> tuple[int, Any]:
    status, output = run(f"{line} -o json")
    return status, json.loads(output)


def test_a_demand_is_answered_with_replicas_cost_and_latency() -> None:
    status, document = answer(f"{CHAT} --accelerator h200-141")
    assert status == 0
    assert document["replicas"] == 3
    assert document["usdPerHour"] == pytest.approx(42.0)
    assert document["usdPerMillionTokens"] == pytest.approx(0.540, abs=0.001)
    assert document["ttftSeconds"] == pytest.approx(0.07, abs=0.01)
    assert document["interTokenLatencySeconds"] == pytest.approx(0.0145, abs=0.0005)
    assert document["confidence"] == pytest.approx(0.26, abs=0.01)
    assert document["objectives"] == {
        "ttftSeconds": 2.0,
        "interTokenLatencySeconds": 0.033,
        "attainmentRatio": 0.99,
    }
    (option,) = document["options"]
    assert (option["accelerator"], option["devices"]) == ("h200-141", 4)
    assert option["verdict"] == "fits"
    assert option["bound"] == "inter-token latency"
    assert option["ttftTailSeconds"] > option["ttftSeconds"]
    assert len(option["confidenceReasons"]) == 4


def test_the_hosted_api_stands_beside_it_by_date() -> None:
    document = answer(f"{CHAT} --accelerator b200")[1]
    rows = document["options"][0]["breakEven"]
    assert [(row["since"], row["window"], row["cheaper"]) for row in rows] == [
        ("2026-04-24", "all", "api"),
        ("2026-04-26", "all", "api"),
        ("2026-08-16", "off-peak", "api"),
        ("2026-08-16", "peak", "own"),
        ("2026-09-10", "off-peak", "api"),
        ("2026-09-10", "peak", "own"),
    ]
    assert rows[0]["apiUsdPerMillionTokens"] == pytest.approx((2 * 0.14 + 0.28) / 3)
    assert rows[1]["cacheDiscount"] == pytest.approx(50)


def test_a_person_sees_options_confidence_break_even_and_assumptions() -> None:
    status, output = run(CHAT)
    assert status == 0
    lines = output.splitlines()
    assert lines[0] == (
        "12 requests/s of 1,200 + 600 tokens, deepseek-ai/DeepSeek-V4-Flash, first token in 2 s, "
        "then 33 ms a token"
    )
    assert lines[3].startswith("2 of 4 x b200      TP4     69%  48 ms")
    assert "Confidence of 4 x b200: derived from SGLang cookbook" in output
    assert "2026-04-24            0.187     never (190% use)  API" in output
    assert "2026-08-16, peak      0.733     48% use           own" in output
    assert "- Memory is planned for requests of up to 4,096 tokens." in output


@pytest.mark.parametrize(
    ("typed", "rate"), [("12rps", 12.0), ("12", 12.0), ("90rpm", 1.5), ("0.25 rps", 0.25)]
)
def test_rates_are_read_with_their_unit(typed: str, rate: float) -> None:
    app = typer.Typer()
    app.command()(plan.command)
    line = [*FLASH.split(), "--demand", typed, "--accelerator", "b200", "-o", "json"]
    document = json.loads(CliRunner().invoke(app, line).output)
    assert document["requestsPerSecond"] == pytest.approx(rate)


@pytest.mark.parametrize(
    ("mode", "tokens", "context"),
    [("non-think", 211, 4096), ("think", 1227, 8192), ("think-max", 14_931, 393_216)],
)
def test_the_mode_sets_the_length_of_an_answer_and_the_context(
    mode: str, tokens: int, context: int
) -> None:
    line = f"{FLASH} --demand 2rps --prompt 1200 --mode {mode} --accelerator b200"
    document = answer(line)[1]
    assert document["answerTokens"] == tokens
    assert document["maxContextTokens"] == context


def test_an_answer_that_was_told_is_kept_in_any_mode() -> None:
    document = answer(f"{CHAT} --mode think-max --accelerator b200")[1]
    assert document["answerTokens"] == 600


def test_without_lengths_the_published_benchmark_is_the_shape() -> None:
    document = answer(f"{FLASH} --demand 1rps --accelerator b200")[1]
    assert (document["promptTokens"], document["answerTokens"]) == (8192, 1024)


def test_a_context_too_short_for_the_mode_is_a_finding() -> None:
    line = f"{CHAT} --mode think-max --max-context 8192 --accelerator b200"
    assert [f["reason"] for f in answer(line)[1]["findings"]] == ["ContextBelowThinkMax"]
    assert "Think-Max wants 393216 tokens" in run(line)[1]


def test_cache_hits_are_said_and_counted() -> None:
    status, output = run(f"{CHAT} --cache-hits 70%")
    assert status == 0
    assert "70% of the prompt cached" in output
    assert answer(f"{CHAT} --cache-hits 70%")[1]["cacheHitRatio"] == pytest.approx(0.7)


def test_objectives_can_be_told_and_one_out_of_reach_ends_with_1() -> None:
    status, document = answer(f"{CHAT} --objective-ttft 500ms --objective-itl 50ms")
    assert status == 0
    assert document["objectives"]["ttftSeconds"] == 0.5
    status, output = run(f"{CHAT} --objective-itl 2ms --accelerator h200-141")
    assert status == 1
    assert "4 x h200-141: One request alone has 3.2 ms between tokens" in output
    assert "More replicas do not help" in output


def test_without_a_published_speed_the_answer_is_unknown() -> None:
    status, output = run(f"{CHAT} --accelerator mi355x")
    assert status == 1
    assert "No throughput of deepseek-ai/DeepSeek-V4-Flash is published" in output
    assert "Published: 4 x b200, 4 x b300" in output
    status, document = answer(f"{CHAT} --accelerator b200 --count 2")
    assert status == 1
    assert document["replicas"] is None
    assert [f["reason"] for f in document["findings"]] == ["NoPerformanceProfile"]
    assert "Published: none." in run("--checkpoint deepseek-v4.1-flash --demand 1rps")[1]


def test_a_layout_that_was_told_is_taken() -> None:
    line = f"{CHAT} --accelerator b200 --count 4 --data-parallel 4 --expert-parallel"
    (option,) = answer(line)[1]["options"]
    assert option["parallelism"] == {"tensor": 1, "data": 4, "pipeline": 1, "expert": True}


def test_devices_without_a_price_show_a_dash() -> None:
    status, output = run(f"{CHAT} --accelerator gb300")
    assert status == 0
    assert "Against the hosted API" not in output
    row = next(line for line in output.splitlines() if line.startswith("2 of 4 x gb300"))
    assert row.split()[-3:] == ["-", "-", "0.29"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--demand 12rpx", "--demand: found '12rpx'; allowed: a rate above 0"),
        ("--demand 0", "--demand: found '0'"),
        ("--demand 1rps --cache-hits 110%", "--cache-hits: found '110%'; allowed: 0% to 100%"),
        ("--demand 1rps --cache-hits 0.7", "--cache-hits: found '0.7'"),
        ("--demand 1rps --objective-ttft 2sec", "--objective-ttft: found '2sec'; allowed: a"),
        ("--demand 1rps --objective-itl 33mss", "--objective-itl: found '33mss'"),
        ("--demand 1rps --objective-itl 0ms", "--objective-itl: found '0ms'; allowed: more than"),
        ("--demand 1rps --accelerator h200-114", "did you mean 'h200-141'?"),
        ("--demand 1rps --engine vlm", "did you mean 'vllm'?"),
    ],
)
def test_wrong_usage_ends_with_2(line: str, told: str) -> None:
    status, output = run(f"{FLASH} {line}")
    assert status == 2
    assert told in output
