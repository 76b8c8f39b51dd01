"""Secrets among arguments and variables: by which names, and that everything else stays."""

import pytest

from v4operator.model.secrets import MASK, is_secret, without_secrets

SECRET = "hunter2"


@pytest.mark.parametrize(
    "name",
    [
        "--api-key",
        "--hf-token",
        "--admin_api_key",
        "--ssl-keyfile-password",
        "--kv.auth.bearer",
        "VLLM_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "apiKey",
    ],
)
def test_a_name_with_a_secret_word_is_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "--max-num-batched-tokens",
        "--tokenizer-path",
        "--kv-cache-dtype",
        "--max-total-tokens",
        "MONKEY_PATCH",
        "",
    ],
)
def test_a_name_that_only_holds_the_letters_is_not(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    "words",
    [
        ("vllm", "serve", "--api-key", SECRET, "--tp", "4"),
        ("vllm", "serve", f"--api-key={SECRET}", "--tp", "4"),
        ("vllm", "serve", "--api_key", SECRET, f"{SECRET}-2", "--tp", "4"),
        ("env", f"VLLM_API_KEY={SECRET}", "vllm", "serve", "--tp", "4"),
        ("vllm", "serve", "--extra-config", f'{{"api_key": "{SECRET}"}}', "--tp", "4"),
        ("vllm", "serve", f'--extra-config={{"a": {{"token":"{SECRET}"}}}}', "--tp", "4"),
        ("vllm", "serve", "--otlp-endpoint", f"http://me:{SECRET}@host:1/x", "--tp", "4"),
    ],
    ids=["two words", "one word", "several", "variable", "JSON", "JSON inline", "address"],
)
def test_a_secret_value_is_left_out_and_the_rest_stays_in_its_place(words: tuple[str, ...]) -> None:
    told = without_secrets(words)
    assert len(told) == len(words)
    assert SECRET not in " ".join(told)
    assert MASK in " ".join(told)
    assert told[-2:] == ("--tp", "4")


@pytest.mark.parametrize(
    "words",
    [
        ("vllm", "serve", "deepseek-ai/DeepSeek-V4-Flash", "--gpu-memory-utilization=0.9"),
        ("--attention-config", '{"indexer_kv_dtype": "mxfp4"}', "NAME=value", "--api-key="),
    ],
    ids=["plain", "nothing secret in it"],
)
def test_what_holds_no_secret_is_told_as_it_is(words: tuple[str, ...]) -> None:
    assert without_secrets(words) == words
