"""Completion of the kubectl plugin, as kubectl asks for it."""

import pytest

from v4operator.cli import VERBS, kubectl_complete


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (["to"], ["top"]),
        (["e"], ["explain", "emulate"]),
        ([""], list(VERBS)),
        ([], list(VERBS)),
        (["top", "--all"], ["--all-namespaces"]),
        (["explain", "--output", "j"], ["json"]),
        (["plan", "-f", "a file.y"], []),
        (["nonsense", "x"], []),
    ],
    ids=["a verb", "two verbs", "all verbs", "no word", "a flag", "a value", "a file", "no verb"],
)
def test_kubectl_is_told_the_completions_and_then_that_files_will_do(
    words: list[str],
    completions: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable in ("COMP_WORDS", "COMP_CWORD", "_KUBECTL_V4_COMPLETE"):
        monkeypatch.setenv(variable, "")  # so that they are as they were afterwards
    monkeypatch.setattr("sys.argv", ["kubectl_complete-v4", *words])
    kubectl_complete.main()
    *told, directive = capsys.readouterr().out.splitlines()
    assert sorted(told) == sorted(completions)
    assert directive == ":0"
