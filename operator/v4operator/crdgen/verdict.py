"""The CEL of `verdict.yaml` with its constants filled in from where each of them is at home."""

import re
from importlib.resources import files
from typing import Any

import yaml

from v4operator.api.quantity import MEMORY_UNITS
from v4operator.estimate.engine_args import memory_flags
from v4operator.estimate.hbm_support import KNOWN_KV_DTYPES
from v4operator.estimate.kv import BLOCK_TOKENS
from v4operator.model.units import GIB

# A shorter request may take less than the table's line says: a page is beyond the window of 128.
_SHORTEST_CONTEXT = float(BLOCK_TOKENS)
# The table holds whole bytes and CEL computes in doubles; a difference that small is not told.
_SLACK_BYTES = 1024.0

_CONSTANT = re.compile(r"<([A-Z_]+)>")


def command_words(of: str) -> str:
    """Lists of the words on the command lines of the engine and of the template's containers.

    `of` is `object` or `oldObject`.
    """
    return (
        f"[{of}.spec.engine.?args.orValue([])] + "
        f"{of}.spec.?workload.?template.?spec.?containers.orValue([])"
        ".map(c, c.?command.orValue([]) + c.?args.orValue([]))"
    )


def variables() -> list[dict[str, str]]:
    """As a policy has them; each uses only those before it."""
    written = _read()["variables"]
    return [{"name": name, "expression": _filled(text)} for name, text in written.items()]


def validations() -> list[dict[str, str]]:
    """What must hold, and the sentence that is told where it does not."""
    written = _read()["validations"]
    return [{key: _filled(text) for key, text in row.items()} for row in written]


def _read() -> dict[str, Any]:
    text = (files("v4operator.crdgen") / "verdict.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def _filled(text: str) -> str:
    constants = _constants()
    return _CONSTANT.sub(lambda match: constants[match[1]], text)


def _constants() -> dict[str, str]:
    units = {"": 1} | MEMORY_UNITS
    return {
        "WORDS": command_words("object"),
        "MEMORY_FLAG": _memory_flag(),
        "UNITS": "{" + ", ".join(f"'{unit}': {size}.0" for unit, size in units.items()) + "}",
        "KV_DTYPES": ", ".join(f"'{name}'" for name in sorted(KNOWN_KV_DTYPES)),
        "PAGE": str(BLOCK_TOKENS),
        "SHORTEST": str(_SHORTEST_CONTEXT),
        "SLACK": str(_SLACK_BYTES),
        "GIB": f"{GIB}.0",
    }


def _memory_flag() -> str:
    """RE2 for a flag that decides memory: alone, with its value, or in one line for a shell."""
    words = ("[-_]".join(map(re.escape, name.split("-"))) for name in sorted(memory_flags()))
    return rf"(^|\s)-+({'|'.join(words)})(=|\s|$)"
