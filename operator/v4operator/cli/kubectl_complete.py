"""`kubectl_complete-v4`: what kubectl runs to complete `kubectl v4 ...`.

kubectl gives the words after `v4`, the unfinished one last, and reads one completion a line and a
directive on the last one. The completions are typer's own, the same as of `v4-operator`.
"""

import os
import shlex
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

import typer

from v4operator.cli import application

_PROGRAM, _VARIABLE = "kubectl-v4", "_KUBECTL_V4_COMPLETE"
_DIRECTIVE = 0
"""cobra's ShellCompDirectiveDefault: where there is no completion, files are offered."""


def main() -> None:
    """Entry point of `kubectl_complete-v4`."""
    words = sys.argv[1:] or [""]
    os.environ["COMP_WORDS"] = shlex.join((_PROGRAM, *words))
    os.environ["COMP_CWORD"] = str(len(words))
    os.environ[_VARIABLE] = "complete_bash"
    told = StringIO()
    with suppress(SystemExit), redirect_stdout(told):  # how typer ends when it has completed
        application(words[0])(args=words, prog_name=_PROGRAM, complete_var=_VARIABLE)
    for line in (*told.getvalue().split(), f":{_DIRECTIVE}"):
        typer.echo(line)
