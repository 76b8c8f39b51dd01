"""One emulated fleet in a process of its own, for stories that read it through a Prometheus."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.test_standalone import SCENARIO, Running


@contextmanager
def emulated_fleet(
    folder: Path, *, speed: int, rate: list[list[int]] | None = None, **changes: object
) -> Iterator[str]:
    """The control URL of the usual fleet with these changes.

    `rate` is in requests a second by emulated second, `speed` in emulated seconds a real one.
    """
    (fleet,) = SCENARIO["fleets"]
    story: dict[str, Any] = {**fleet, **changes}
    if rate is not None:
        story["traffic"] = {**story["traffic"], "rate": rate}
    scenario = folder / "scenario.json"
    scenario.write_text(json.dumps({**SCENARIO, "fleets": [story]}))
    emulator = Running(folder / "emulate.log", "emulate", str(scenario), "--speed", str(speed))
    try:
        yield str(emulator.first_line()["control"])
    finally:
        emulator.end()
