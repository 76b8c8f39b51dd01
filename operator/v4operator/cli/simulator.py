"""What the verbs that simulate share: the extra that they need, names checked, how they end.

No verb of its own.
"""

from collections.abc import Iterable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from v4operator.model.problem import nearest

if TYPE_CHECKING:
    from v4operator.simulate.ground import Ground
    from v4operator.simulate.harness import Run
    from v4operator.simulate.score import Bounds

FINDING, _WRONG_USAGE = 1, 2


class Output(StrEnum):
    """How the answer is shown."""

    TABLE = "table"
    JSON = "json"


class Overload(StrEnum):
    """What becomes of requests that no replica has room for."""

    PLAIN = "plain"
    ENGINE_LIMIT = "engine-limit"
    GATEWAY = "gateway"


def need_the_extra() -> None:
    """End the verb where numpy is not installed."""
    if find_spec("numpy") is None:
        fail("needs numpy (and better numba): pip install 'v4-operator[simulate]'")


def known(flag: str, name: str, allowed: Iterable[str]) -> str:
    """The name, if it is one of the allowed; else the verb ends with the nearest."""
    names = sorted(allowed)
    if name not in names:
        hint = nearest(name, names)
        more = f"; did you mean {hint!r}?" if hint else ""
        fail(f"{flag}: found {name!r}, allowed: {', '.join(names)}{more}")
    return name


def plot(
    path: Path,
    title: str,
    runs: "dict[str, Run]",
    ground: "Ground",
    bounds: "Bounds | None" = None,
) -> None:
    """Draw the runs; the verb ends where that is not possible."""
    if find_spec("matplotlib") is None:
        fail("--plot needs matplotlib: pip install 'v4-operator[simulate]'")
    from v4operator.simulate.plot import draw  # noqa: PLC0415 - needs the extra

    try:
        draw(path, title, runs, ground, bounds)
    except OSError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """End with the status of wrong usage."""
    typer.echo(f"v4-operator: {message}", err=True)
    raise typer.Exit(_WRONG_USAGE)
