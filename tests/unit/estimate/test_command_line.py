"""What a pod's containers say of the engine's command line, and what they do not say."""

import pytest

from v4operator.estimate.command_line import Unreadable, read

SERVE = ("vllm", "serve", "deepseek-ai/DeepSeek-V4-Flash")


@pytest.mark.parametrize(
    ("command", "args", "environment", "words"),
    [
        (SERVE, ("--max-num-seqs", "8"), {}, (*SERVE, "--max-num-seqs", "8")),
        ((), ("--tensor-parallel-size", "4"), {}, ("--tensor-parallel-size", "4")),
        (
            ("python3", "-m", "sglang.launch_server"),
            ("--tp", "$(TP)", "--api-key", "$(KEY)"),
            {"TP": "4", "KEY": None},
            ("python3", "-m", "sglang.launch_server", "--tp", "4", "--api-key", "***"),
        ),
        (SERVE, ("--served-model-name=$$(X)",), {"X": "y"}, (*SERVE, "--served-model-name=$(X)")),
        (
            ("/bin/sh", "-c"),
            ("exec vllm serve m --tensor-parallel-size ${TP} $EXTRA",),
            {"TP": "4", "EXTRA": "--max-num-seqs 8"},
            (
                *("exec", "vllm", "serve", "m", "--tensor-parallel-size", "4"),
                *("--max-num-seqs", "8"),
            ),
        ),
        (
            ("bash", "-euxc", "ulimit -l unlimited; export A=1\nTP=8 && \\\n  vllm serve --tp=$TP"),
            (),
            {},
            ("vllm", "serve", "--tp=8"),
        ),
        (
            ("tini", "--", "bash", "-lc"),
            ("(sleep 1; sglang serve --kv-cache-dtype 'fp8_e4m3' 2>&1) | tee /log",),
            {},
            ("sglang", "serve", "--kv-cache-dtype", "fp8_e4m3"),
        ),
        (
            ("/opt/venv/bin/python", "/opt/sglang/launch_server.py"),
            ("--tp", "2"),
            {},
            ("/opt/venv/bin/python", "/opt/sglang/launch_server.py", "--tp", "2"),
        ),
    ],
    ids=[
        "command and arguments",
        "arguments of the image's program",
        "Kubernetes fills variables in",
        "an escaped variable",
        "a shell fills variables in and splits words",
        "assignments, exports and a continued line",
        "a pipe in a subshell under an init",
        "a module by its file",
    ],
)
def test_a_command_line_is_read(
    command: tuple[str, ...],
    args: tuple[str, ...],
    environment: dict[str, str | None],
    words: tuple[str, ...],
) -> None:
    assert read(command, args, environment) == words


@pytest.mark.parametrize(
    ("command", "args", "reason"),
    [
        ((), (), "the image starts the engine by itself"),
        (("/start.sh",), ("--tp", "4"), "/start.sh is no program whose arguments are known"),
        (("sh", "/start.sh"), (), "sh is no program whose arguments are known"),
        (SERVE, ("--config", "/etc/vllm.yaml"), "--config names a file that is not seen"),
        (
            SERVE,
            ("--tensor-parallel-size", "$(TP)"),
            "$(TP) stands for a value that the pod does not show",
        ),
        (SERVE, ("--max-num-seqs=$N",), "--max-num-seqs=$N stands for"),
        (("sh", "-c", "vllm serve m $EXTRA"), (), "$EXTRA stands for"),
        (("sh", "-c", "vllm serve m --max-num-seqs `nproc`"), (), "`nproc` stands for"),
        (("sh", "-c", "vllm serve 'm"), (), "the shell script is not understood"),
        (("sh", "-c", "if true; then vllm serve m; fi"), (), "decides as it runs"),
        (("sh", "-c", "vllm serve a & vllm serve b"), (), "starts 2 engines"),
        (("sh", "-c", "/start.sh"), (), "starts 0 engines"),
    ],
    ids=[
        "nothing",
        "a program of its own",
        "a script in a file",
        "a file of arguments",
        "a value from elsewhere",
        "a value inline",
        "words from elsewhere",
        "a command's output",
        "an open quotation",
        "a condition",
        "two engines",
        "no engine",
    ],
)
def test_what_the_pod_does_not_show_is_unreadable_and_never_a_default(
    command: tuple[str, ...], args: tuple[str, ...], reason: str
) -> None:
    found = read(command, args, {"TP": None})
    assert isinstance(found, Unreadable)
    assert reason in found.reason
