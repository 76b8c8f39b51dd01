"""Wherever the words of a command line come out again, the secrets in it do not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from tests.fleets import deployment

from v4operator.estimate.command_line import Unreadable, read
from v4operator.estimate.engine_args import parse
from v4operator.model.learned import key_of_fit

SECRET = "hunter2"
VARIABLES = {"VLLM_API_KEY": SECRET, "OTHER": "1"}


@pytest.mark.parametrize(
    ("command", "args"),
    [
        (["vllm", "serve"], ["--api-key", SECRET, f"{SECRET}$2"]),
        (["vllm", "serve"], ["--auth-line", "$(VLLM_API_KEY)"]),
        (["vllm", "serve"], ["--new-thing", "$(VLLM_API_KEY)"]),
        (["sh", "-c"], [f"export HF_TOKEN={SECRET}; vllm serve --new-thing $HF_TOKEN"]),
        (["sh", "-c"], ["vllm serve --api-key $VLLM_API_KEY --tp $OTHER"]),
        (["sh", "-c"], ["vllm serve --tp $VLLM_API_KEY"]),
        ([f"API_TOKEN={SECRET}"], ["--tp", "4"]),
    ],
)
def test_no_secret_is_in_a_command_line_or_in_why_it_is_not_read(
    command: Sequence[str], args: Sequence[str]
) -> None:
    found = read(command, args, VARIABLES)
    told = found.reason if isinstance(found, Unreadable) else " ".join(found)
    assert SECRET not in told


def test_a_variable_that_is_no_secret_still_decides() -> None:
    found = read(["sh", "-c"], ["vllm serve --api-key $VLLM_API_KEY --tp $OTHER"], VARIABLES)
    assert found == ("vllm", "serve", "--api-key", "***", "--tp", "1")


@pytest.mark.parametrize("args", [("--new-token", SECRET), (f"--new-token={SECRET}",)])
def test_an_argument_of_unknown_effect_is_named_without_its_secret(args: tuple[str, ...]) -> None:
    assert parse("vllm", args).unknown == ("--new-token ***",)


def test_several_api_keys_are_none_of_them_told() -> None:
    assert SECRET not in str(parse("vllm", ("--api-key", "one", SECRET, "--new-thing", "7")))


def test_the_key_of_what_was_learned_holds_no_secret() -> None:
    made = deployment()
    args = ("--tp", "4", "--api-key", SECRET)
    key = key_of_fit(replace(made, memory=replace(made.memory, engine_args=args)))
    assert SECRET not in key
    assert "--tp 4" in key


def test_another_secret_is_not_another_engine() -> None:
    made = deployment()
    both: Mapping[str, str] = {
        secret: key_of_fit(
            replace(made, memory=replace(made.memory, engine_args=("--api-key", secret)))
        )
        for secret in ("one", "two")
    }
    assert both["one"] == both["two"]
