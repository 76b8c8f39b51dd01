"""`plan --guide`: every figure of the self-hosting guide, ours beside it, and why they differ."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from v4operator.catalogue.guide import DATE, SOURCE
from v4operator.model.guide import GuideRow

_WIDTHS = (30, 30, 40, 44)  # item, guide, ours, why: what four columns need to read at a glance
_GAP = "  "

ASSUMPTIONS = (
    "Memory: the newest known vLLM, TP over all devices, 6 GiB of overhead on each (3 to 12).",
    "Speed: SGLang cookbook v0.5.15, 8192 + 1024 random tokens; of a load, the law fitted on it.",
    "Money: on-demand prices, full use, 720 hours a month, the same 8:1 traffic, no cache hits.",
    "GB are 1e9 bytes, GiB 2^30; the difference of 7.4 % is larger than some of the margins.",
)


def guide_document(rows: Iterable[GuideRow]) -> dict[str, Any]:
    """The comparison under its documented keys; numbers are in `unit`."""
    return {
        "guide": {"title": SOURCE, "date": DATE},
        "assumptions": list(ASSUMPTIONS),
        "rows": [_row(row) for row in rows],
    }


def _row(row: GuideRow) -> dict[str, Any]:
    entry, ours = row.entry, row.ours
    return {
        "table": entry.table,
        "item": entry.item,
        "guide": {
            "text": entry.claim,
            "value": entry.figure.value if entry.figure else None,
            "tag": entry.figure.tag if entry.figure else None,
        },
        "ours": {"text": ours.text, "value": ours.value, "source": ours.source},
        "unit": entry.unit,
        "why": entry.why,
        "errata": list(entry.errata),
    }


def guide_table(rows: Sequence[GuideRow]) -> str:
    """One table after the other, each cell wrapped to its column."""
    lines = [f"{SOURCE} ({DATE}), figure by figure", ""]
    for name, group in groupby(rows, key=lambda row: row.entry.table):
        lines += [name.upper(), *_cells(("", "guide", "ours", "why they differ"))]
        for row in group:
            cells = (row.entry.item, row.entry.claim, row.ours.text, row.entry.why)
            lines += _cells(cells)
        lines.append("")
    return "\n".join([*lines, *assumption_lines(ASSUMPTIONS)])


def assumption_lines(assumptions: Iterable[str]) -> list[str]:
    """The assumptions, as they stand under every table that has some."""
    return ["Assumptions", *(f"- {text}" for text in assumptions)]


def _cells(texts: Sequence[str]) -> list[str]:
    columns = [wrap(text, width) or [""] for text, width in zip(texts, _WIDTHS, strict=True)]
    height = max(len(column) for column in columns)
    padded = [[*column, *[""] * (height - len(column))] for column in columns]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, _WIDTHS, strict=True)).rstrip()
        for row in zip(*padded, strict=True)
    ]
