"""The command line: one file a verb, each with a function `command`. No logic of its own.

Only the verb that was typed is imported, so that `plan` answers at once.
"""

import sys
from importlib import import_module
from typing import Annotated

import typer

from v4operator import __version__

VERBS = (
    "plan",
    "inspect",
    "explain",
    "top",
    "run",
    "demo",
    "emulate",
    "simulate",
    "backtest",
    "crd",
    "rules",
)


def _show_version(*, value: bool) -> None:
    if value:
        typer.echo(f"v4-operator {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Truthful monitoring and autoscaling for self-hosted DeepSeek V4.

    Exit status: 0 good, 1 a finding (does not fit, degraded), 2 wrong usage or unreachable.
    """


def application(typed: str) -> typer.Typer:
    """The program with the verb that was typed, or with all of them where it is none."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_root)
    for verb in [typed] if typed in VERBS else VERBS:
        app.command(verb)(import_module(f"v4operator.cli.{verb}").command)
    return app


def main() -> None:
    """Entry point of `v4-operator` and `kubectl-v4`."""
    application(sys.argv[1] if len(sys.argv) > 1 else "")()
