"""What is known before anything runs, as data: checkpoints, devices, engines, speed, prices.

`load` reads and checks the files in `data/` (and a user's own); `resolve` turns names and
node-label aliases into entries. No arithmetic: that is `estimate`'s.
"""

from pathlib import Path

from v4operator.model.catalogue import Catalogue


def load(extra: Path | None = None) -> Catalogue:
    """The packaged catalogue, with the user's own file or folder added or overriding by name.

    Raises:
        InputError: naming file, path, what was found and what is allowed.
    """
    # Here, so that the pure estimate can use names and versions without importing pydantic.
    from v4operator.catalogue import read  # noqa: PLC0415

    return read.load(extra)


__all__ = ["load"]
