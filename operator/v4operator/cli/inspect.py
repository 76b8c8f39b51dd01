"""`v4-operator inspect FILE|URL`: what one scrape of a replica says, and what it leaves out.

Only reads and shows. The keys of `-o json` are kept stable; an absent figure is null and stands in
`missing` with the reason.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from v4operator.adapters.scrape import ScrapeError, fetch_text, fetch_version
from v4operator.model.reading import EngineReading, Histogram, MissingFigure, RankReading
from v4operator.model.units import GIB
from v4operator.observe.engines import NotAnEngine, read

_UNREADABLE = 2
_LARGEST_FILE_BYTES = 64 * 2**20  # 300 times a replica of four ranks; anything above is no scrape

# The six figures of the replica and of each rank: field, row of the table, and how it is shown.
_SIX = (
    ("running_requests", "running requests", "{:,.0f}"),
    ("waiting_requests", "waiting requests", "{:,.0f}"),
    ("kv_usage_ratio", "KV cache use", "{:.1%}"),
    ("kv_capacity_tokens", "KV capacity", "{:,.0f} tokens"),
    ("decode_tokens_total", "decoded", "{:,.0f} tokens"),
    ("prompt_tokens_total", "prompts", "{:,.0f} tokens"),
)
_MORE = (
    ("prefill_tokens_total", "  of which computed", "{:,.0f} tokens"),
    ("resident_tokens", "context in decoding", "{:,.0f} tokens"),
    ("finished_requests_total", "finished requests", "{:,.0f}"),
    ("preemptions_total", "preemptions", "{:,.0f}"),
    ("accept_length", "accepted length", "{:.2f} tokens"),
)
_FIGURES = (
    "first_tokens_total",
    *(name for name, _, _ in _MORE),
    "finished_decode_tokens_total",
    "drafts_total",
    "draft_tokens_total",
    "accepted_tokens_total",
    "num_gpu_blocks",
    "memory_fraction",
)


class Output(StrEnum):
    """How the reading is shown."""

    TABLE = "table"
    JSON = "json"


def command(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="- reads standard input.")],
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
) -> None:
    """Say what a metrics page of SGLang or vLLM tells about its replica."""
    text, version = _load(source)
    reading = read(text, version=version)
    if isinstance(reading, NotAnEngine):
        _fail(f"{source}: not an engine's metrics: {reading.reason}")
    if output is Output.JSON:
        typer.echo(json.dumps(document(reading), indent=2, allow_nan=False))
    else:
        _show(reading, Console())


def document(reading: EngineReading) -> dict[str, Any]:
    """The reading under its documented JSON keys, in bytes, tokens, seconds and ratios."""
    return {
        "engine": reading.engine.value,
        "version": reading.version,
        "versionReason": reading.version_reason,
        **_figures(reading, (name for name, _, _ in _SIX)),
        "ranks": [_rank(rank) for rank in reading.ranks],
        "missing": [{"name": _key(m.name), "reason": m.reason} for m in reading.missing],
        "modelName": reading.model_name,
        "role": reading.role,
        "decodeIncludesFirstToken": reading.decode_includes_first_token,
        **_figures(reading, _FIGURES),
        "memory": reading.memory and {_key(k): v for k, v in asdict(reading.memory).items()},
        "timeToFirstToken": _latency(reading.time_to_first_token),
        "interTokenLatency": _latency(reading.inter_token_latency),
        "timestamp": reading.timestamp,
        "notes": list(reading.notes),
    }


def _load(source: str) -> tuple[bytes, str | None]:
    try:
        if "://" in source:
            return asyncio.run(_fetch(source))
        return _read_file(source), None
    except OSError as error:
        _fail(f"{source}: {error.strerror or error}")
    except ScrapeError as error:
        _fail(f"{source}: {error}")


async def _fetch(url: str) -> tuple[bytes, str | None]:
    text = await fetch_text(url)
    parts = urlsplit(url)
    return text, await fetch_version(f"{parts.scheme}://{parts.netloc}")


def _read_file(source: str) -> bytes:
    if source == "-":
        text = sys.stdin.buffer.read(_LARGEST_FILE_BYTES + 1)
    else:
        with open(source, "rb") as file:  # noqa: PTH123 - a file name as typed, or /dev/fd/N
            text = file.read(_LARGEST_FILE_BYTES + 1)
    if len(text) > _LARGEST_FILE_BYTES:
        raise OSError(f"larger than {_LARGEST_FILE_BYTES // 2**20} MiB: not one scrape")
    return text


def _fail(message: str) -> NoReturn:
    typer.echo(f"v4-operator inspect: {message}", err=True)
    raise typer.Exit(_UNREADABLE)


def _key(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _figures(holder: EngineReading | RankReading, names: Iterable[str]) -> dict[str, Any]:
    return {_key(name): _plain(getattr(holder, name)) for name in names}


def _plain(value: float | None) -> float | None:
    return int(value) if value is not None and float(value).is_integer() else value


def _rank(rank: RankReading) -> dict[str, Any]:
    return {"rank": rank.rank, **_figures(rank, (name for name, _, _ in _SIX))}


def _latency(histogram: Histogram | None) -> dict[str, Any] | None:
    if histogram is None:
        return None
    mean = histogram.total / histogram.count if histogram.count else None
    return {"count": _plain(histogram.count), "meanSeconds": mean}


def _show(reading: EngineReading, console: Console) -> None:
    version = reading.version or "of unknown version"
    told = f" ({reading.version_reason})" if reading.version_reason else ""
    console.print(
        f"[bold]{escape(reading.engine.value)}[/bold] {escape(version)}[dim]{escape(told)}[/dim]"
        f"  {escape(reading.model_name or 'unnamed model')}"
        + (f"  {escape(reading.role)}" if reading.role else "")
    )
    console.print(_table(reading))
    for reason, names in _by_reason(reading.missing).items():
        console.print(f"[dim]not told:[/dim] {escape(', '.join(names))} [dim]({escape(reason)})[/]")
    for note in reading.notes:
        console.print(f"[yellow]note:[/yellow] {escape(note)}")


def _table(reading: EngineReading) -> Table:
    several = reading.ranks if len(reading.ranks) > 1 else ()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("replica", justify="right", style="bold")
    for rank in several:
        table.add_column(f"rank {rank.rank}", justify="right")
    for name, title, form in _SIX:
        table.add_row(title, *(_cell(getattr(h, name), form) for h in (reading, *several)))
    for name, title, form in _MORE:
        if (value := getattr(reading, name)) is not None:
            table.add_row(title, _cell(value, form))
    for title, histogram in (
        ("time to first token", reading.time_to_first_token),
        ("inter-token latency", reading.inter_token_latency),
    ):
        if histogram and histogram.count:
            table.add_row(title, f"{histogram.total / histogram.count * 1000:,.1f} ms mean")
    if reading.memory and reading.memory.weights_bytes is not None:
        table.add_row("weights per device", _cell(reading.memory.weights_bytes / GIB, "{:.1f} GiB"))
    return table


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _by_reason(missing: Iterable[MissingFigure]) -> Mapping[str, list[str]]:
    six = {name for name, _, _ in _SIX}
    grouped: dict[str, list[str]] = {}
    for figure in sorted(missing, key=lambda figure: figure.name not in six):
        grouped.setdefault(figure.reason, []).append(_key(figure.name))
    return grouped
