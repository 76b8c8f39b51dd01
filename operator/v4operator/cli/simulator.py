"""What the verbs that simulate share: the extra that they need, names checked, pictures.

No verb of its own.
"""

from collections.abc import Iterable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from v4operator.cli.ending import Refused
from v4operator.model.problem import nearest

if TYPE_CHECKING:
    from v4operator.simulate.ground import Ground
    from v4operator.simulate.harness import Run
    from v4operator.simulate.score import Bounds

FINDING = 1


class Overload(StrEnum):
    """What becomes of requests that no replica has room for."""

    PLAIN = "plain"
    ENGINE_LIMIT = "engine-limit"
    GATEWAY = "gateway"


def need_the_extra() -> None:
    """End the verb where numpy is not installed."""
    if find_spec("numpy") is None:
        raise Refused("needs numpy (and better numba): pip install 'v4-operator[simulate]'")


def known(flag: str, name: str, allowed: Iterable[str]) -> str:
    """The name, if it is one of the allowed; else the verb ends with the nearest."""
    names = sorted(allowed)
    if name not in names:
        hint = nearest(name, names)
        more = f"; did you mean {hint!r}?" if hint else ""
        raise Refused(f"{flag}: found {name!r}, allowed: {', '.join(names)}{more}")
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
        raise Refused("--plot needs matplotlib: pip install 'v4-operator[simulate]'")
    from v4operator.simulate.plot import draw  # noqa: PLC0415 - needs the extra

    try:
        draw(path, title, runs, ground, bounds)
    except OSError as error:
        raise Refused(str(error)) from None
