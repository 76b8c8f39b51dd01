"""Command lines of engines as people and charts write them."""

import pytest

from v4operator.estimate.engine_args import EngineArgs, parse

VLLM_SERVE = (
    "vllm",
    "serve",
    "deepseek-ai/DeepSeek-V4-Flash",
    "--gpu-memory-utilization=0.95",
    "--max-model-len",
    "200000",
    "--max_num_batched_tokens",
    "8192",
    "--max-num-seqs",
    "16",
    "-tp",
    "8",
    "--enable-expert-parallel",
    "--kv-cache-dtype",
    "fp8",
    "--trust-remote-code",
    "--block-size",
    "256",
    "--speculative-config",
    '{"method": "mtp", "num_speculative_tokens": 2}',
    "--moe-backend",
    "marlin",
)
SGLANG_SERVE = (
    "--model-path",
    "deepseek-ai/DeepSeek-V4-Pro",
    "--mem-fraction-static",
    "0.88",
    "--tp",
    "8",
    "--dp-size=8",
    "--enable-dp-attention",
    "--ep-size",
    "8",
    "--context-length",
    "131072",
    "--max-running-requests",
    "64",
    "--chunked-prefill-size",
    "4096",
    "--speculative-algorithm",
    "EAGLE",
    "--moe-a2a-backend",
    "deepep",
    "--swa-full-tokens-ratio",
    "0.2",
    "--cuda-graph-max-bs",
    "8",
    "--enable-deepseek-v4-fp4-indexer",
)


def test_a_vllm_command_line_is_read() -> None:
    assert parse("vllm", VLLM_SERVE) == EngineArgs(
        memory_fraction=0.95,
        context_tokens=200_000,
        batched_tokens=8192,
        running_requests=16,
        tensor=8,
        expert=True,
        kv_cache_dtype="fp8",
        speculative=True,
        kernel="marlin",
    )


def test_an_sglang_command_line_is_read() -> None:
    assert parse("sglang", SGLANG_SERVE) == EngineArgs(
        memory_fraction=0.88,
        context_tokens=131_072,
        batched_tokens=4096,
        running_requests=64,
        tensor=8,
        data=8,
        data_attention=True,
        expert=True,
        indexer="fp4",
        speculative=True,
        expert_transport="deepep",
        window_ratio=0.2,
        graph_requests=8,
    )


def test_the_newer_spelling_of_data_parallel_attention_is_read() -> None:
    args = parse("sglang", ("--attn-dp-size", "4"))
    assert (args.data, args.data_attention) == (4, True)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("131072", 131_072), ("128k", 128_000), ("128K", 131_072), ("1M", 1_048_576), ("1m", 10**6)],
)
def test_counts_are_read_as_vllm_reads_them(text: str, tokens: int) -> None:
    assert parse("vllm", ("--max-model-len", text)).context_tokens == tokens


@pytest.mark.parametrize(
    ("args", "indexer"),
    [
        (("--attention-config", '{"indexer_kv_dtype": "mxfp4"}'), "fp4"),
        (("--attention-config", '{"backend": "X"}'), "fp8"),
        (("--attention-config.indexer_kv_dtype=mxfp4",), "fp4"),
        (("--attention-config.indexer_kv_dtype", "auto"), "fp8"),
    ],
)
def test_the_indexer_format_is_read(args: tuple[str, ...], indexer: str) -> None:
    assert parse("vllm", args).indexer == indexer


@pytest.mark.parametrize(
    "args",
    [
        ("--max-model-len", "auto"),
        ("--max-model-len", "-1"),
        ("--max-model-len", "0"),
        ("--max-model-len",),
        ("--gpu-memory-utilization", "90%"),
        ("--gpu-memory-utilization", "1.5"),
        ("--gpu-memory-utilization", "nan"),
        ("--kv-cache-dtype",),
        ("--speculative-config",),
        ("--attention-config", "{broken"),
        ("--attention-config", '{"indexer_kv_dtype": "int3"}'),
        ("--attention-config",),
        ("--attention-config", "{}{}"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_sense_is_unreadable(args: tuple[str, ...]) -> None:
    assert len(parse("vllm", args).unreadable) == 1


def test_the_last_of_two_values_wins() -> None:
    assert parse("vllm", ("--tp", "2", "--tp", "4")).tensor == 4
    later = parse("vllm", ("--tp", "many", "--tp", "4"))
    assert later.tensor == 4
    assert later.unreadable == ("--tp many",)


def test_speculation_can_be_off() -> None:
    assert parse("sglang", ("--speculative-algorithm", "none")).speculative is False
    assert parse("sglang", ("--ep", "1")).expert is False
    assert parse("sglang", ("--ep", "x")).unreadable == ("--ep x",)


def test_what_is_not_known_is_listed_with_its_value() -> None:
    args = parse("vllm", ("--enable-expert-parallel", "stray", "--new-thing", "7", "--other"))
    assert args.unknown == ("stray", "--new-thing 7", "--other")
    assert args.expert is True


def test_an_engine_without_a_table_understands_nothing() -> None:
    assert parse("mlx", ("--tp", "4")).unknown == ("--tp 4",)
