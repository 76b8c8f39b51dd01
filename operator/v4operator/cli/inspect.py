"""`v4-operator inspect FILE|URL`: what one scrape of a replica says, and what it leaves out.

Only reads; with `--probe` a URL is also asked for one short completion. What people see is made in
`inspect_view`. The keys of `-o json` are kept stable; an absent figure is null and stands in
`missing` with the reason.
"""

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console

from v4operator.adapters.probe import Probe, ProbeError, probe
from v4operator.adapters.scrape import ScrapeError, fetch_text, fetch_version
from v4operator.cli.ending import Output, fail
from v4operator.cli.inspect_view import MORE, SIX, key, show, show_probe, show_silence
from v4operator.model.reading import (
    DeviceMemory,
    EngineReading,
    Histogram,
    RankReading,
)
from v4operator.observe.engines import NotAnEngine, read

_LARGEST_FILE_BYTES = 64 * 2**20  # 300 times a replica of four ranks; anything above is no scrape

_METRICS_PATHS = ("/metrics", "/v1/metrics")  # all others; NIM

_FIGURES = (
    "first_tokens_total",
    *(name for name, _, _ in MORE),
    "finished_decode_tokens_total",
    "drafts_total",
    "draft_tokens_total",
    "accepted_tokens_total",
    "num_gpu_blocks",
    "memory_fraction",
    "kv_window_capacity_tokens",
)


def command(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="- reads standard input.")],
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
    with_probe: Annotated[
        bool, typer.Option("--probe", help="Also time one short completion (URL only).")
    ] = False,
) -> None:
    """Say what an engine's metrics tell about its replica.

    Servers without metrics (mlx-lm, mlx-omni-server) are only timed: --probe.
    """
    found = _read(source)
    timed = _timed(source) if with_probe else None
    if isinstance(found, _Unread) and timed is None:
        hint = " (--probe times one completion)" if _is_url(source) else ""
        fail("inspect", f"{source}: {found.reason}{hint}")
    if output is Output.JSON:
        whole = _no_document(found.reason) if isinstance(found, _Unread) else document(found)
        whole |= {"probe": _camel(timed)} if timed else {}
        typer.echo(json.dumps(whole, indent=2, allow_nan=False))
    else:
        console = Console()
        show_silence(found.reason, console) if isinstance(found, _Unread) else show(found, console)
        if timed:
            show_probe(timed, console)


def document(reading: EngineReading) -> dict[str, Any]:
    """The reading under its documented JSON keys, in bytes, tokens, seconds and ratios."""
    return {
        "engine": reading.engine.value,
        "version": reading.version,
        "versionReason": reading.version_reason,
        **_figures(reading, (name for name, _, _ in SIX)),
        "ranks": [_rank(rank) for rank in reading.ranks],
        "missing": [{"name": key(m.name), "reason": m.reason} for m in reading.missing],
        "modelName": reading.model_name,
        "role": reading.role,
        "decodeIncludesFirstToken": reading.decode_includes_first_token,
        **_figures(reading, _FIGURES),
        "memory": _camel(reading.memory) if reading.memory else None,
        "timeToFirstToken": _latency(reading.time_to_first_token),
        "interTokenLatency": _latency(reading.inter_token_latency),
        "timestamp": reading.timestamp,
        "roleReason": reading.role_reason,
        "countedAtFinish": [key(name) for name in reading.counted_at_finish],
        "significantDigits": reading.significant_digits,
        "notes": list(reading.notes),
    }


@dataclass(frozen=True, slots=True)
class _Unread:
    """There is no reading, and why."""

    reason: str


def _read(source: str) -> EngineReading | _Unread:
    """The reading of a file or URL; of the latter with the version that the engine tells."""
    try:
        if _is_url(source):
            return asyncio.run(_fetch(source))
        return _judged(read(_read_file(source)))
    except OSError as error:
        return _Unread(error.strerror or str(error))
    except ScrapeError as error:
        return _Unread(str(error))


async def _fetch(url: str) -> EngineReading | _Unread:
    """The page itself; for an address without a path the pages where engines have their metrics."""
    if urlsplit(url).path.strip("/"):
        return await _fetch_page(url)
    found = await _fetch_page(url.rstrip("/") + _METRICS_PATHS[0])
    for path in _METRICS_PATHS[1:]:
        other = await _fetch_page(url.rstrip("/") + path) if isinstance(found, _Unread) else found
        found = other if isinstance(other, EngineReading) else found
    return found


async def _fetch_page(url: str) -> EngineReading | _Unread:
    try:
        text = await fetch_text(url)
    except ScrapeError as error:
        return _Unread(str(error))
    found = _judged(read(text))
    if isinstance(found, _Unread):
        return found
    version = await fetch_version(_base(url), found.engine)
    return _judged(read(text, version=version))


def _judged(found: EngineReading | NotAnEngine) -> EngineReading | _Unread:
    if isinstance(found, NotAnEngine):
        return _Unread(f"not an engine's metrics: {found.reason}")
    return found


def _is_url(source: str) -> bool:
    return "://" in source


def _base(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _timed(source: str) -> Probe:
    if not _is_url(source):
        fail("inspect", f"{source}: --probe needs a URL")
    try:
        return asyncio.run(probe(_base(source)))
    except ProbeError as error:
        fail("inspect", f"{source}: no completion: {error}")


def _no_document(reason: str) -> dict[str, Any]:
    """The same keys where there are no metrics: all null, for the one reason."""
    names = ["engine", "version", *(key(name) for name, _, _ in SIX)]
    return {
        **dict.fromkeys(names),
        "ranks": [],
        "missing": [{"name": name, "reason": reason} for name in names],
    }


def _read_file(source: str) -> bytes:
    if source == "-":
        text = sys.stdin.buffer.read(_LARGEST_FILE_BYTES + 1)
    else:
        with open(source, "rb") as file:  # noqa: PTH123 - a file name as typed, or /dev/fd/N
            text = file.read(_LARGEST_FILE_BYTES + 1)
    if len(text) > _LARGEST_FILE_BYTES:
        raise OSError(f"larger than {_LARGEST_FILE_BYTES // 2**20} MiB: not one scrape")
    return text


def _camel(value: DeviceMemory | Probe) -> dict[str, Any]:
    return {key(name): figure for name, figure in asdict(value).items()}


def _figures(holder: EngineReading | RankReading, names: Iterable[str]) -> dict[str, Any]:
    return {key(name): _plain(getattr(holder, name)) for name in names}


def _plain(value: float | None) -> float | None:
    return int(value) if value is not None and float(value).is_integer() else value


def _rank(rank: RankReading) -> dict[str, Any]:
    return {"rank": rank.rank, **_figures(rank, (name for name, _, _ in SIX))}


def _latency(histogram: Histogram | None) -> dict[str, Any] | None:
    if histogram is None:
        return None
    mean = histogram.total / histogram.count if histogram.count else None
    return {"count": _plain(histogram.count), "meanSeconds": mean}
