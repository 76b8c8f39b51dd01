"""What every verb does alike: how an answer is shown, and how a verb ends that has none."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

import typer

WRONG_USAGE = 2
"""Exit status of what was typed wrongly or could not be reached."""


class Output(StrEnum):
    """How the answer is shown."""

    TABLE = "table"
    JSON = "json"


class Refused(Exception):  # noqa: N818 - what became of the verb, not a defect
    """The verb cannot go on; the message says what was found and what is allowed."""


def fail(verb: str, reason: object) -> NoReturn:
    """End with the reason on the error output."""
    typer.echo(f"v4-operator {verb}: {reason}", err=True)
    raise typer.Exit(WRONG_USAGE)


@contextmanager
def refusing(verb: str) -> Iterator[None]:
    """Whatever is `Refused` within ends the verb; a decorator too."""
    try:
        yield
    except Refused as error:
        fail(verb, error)


def write(verb: str, text: str, output: Path | None) -> None:
    """The text of a verb that writes one: to this file, or to the terminal."""
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(verb, error)
