"""What `inspect` shows people: one table of a reading, and what it does not tell."""

import re
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from v4operator.adapters.probe import Probe
from v4operator.model.reading import EngineReading, MissingFigure
from v4operator.model.units import GIB

# The six figures of the replica and of each rank: field, row of the table, and how it is shown.
SIX = (
    ("running_requests", "running requests", "{:,.0f}"),
    ("waiting_requests", "waiting requests", "{:,.0f}"),
    ("kv_usage_ratio", "KV cache use", "{:.1%}"),
    ("kv_capacity_tokens", "KV capacity", "{:,.0f} tokens"),
    ("decode_tokens_total", "decoded", "{:,.0f} tokens"),
    ("prompt_tokens_total", "prompts", "{:,.0f} tokens"),
)
MORE = (
    ("prefill_tokens_total", "  of which computed", "{:,.0f} tokens"),
    ("resident_tokens", "context in decoding", "{:,.0f} tokens"),
    ("handover_waiting_requests", "waiting for the other half", "{:,.0f}"),
    ("handover_moving_requests", "KV on its way", "{:,.0f}"),
    ("finished_requests_total", "finished requests", "{:,.0f}"),
    ("preemptions_total", "preemptions", "{:,.0f}"),
    ("accept_length", "accepted length", "{:.2f} tokens"),
)


def key(name: str) -> str:
    """The JSON key of a field: camelCase."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def show(reading: EngineReading, console: Console) -> None:
    """The reading with its gaps and cautions."""
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
    for note in (*_cautions(reading), *reading.notes):
        console.print(f"[yellow]note:[/yellow] {escape(note)}")


def _cautions(reading: EngineReading) -> Iterator[str]:
    """How far the engine's own way of counting can be trusted."""
    if reading.role_reason:
        yield f"taken for a {reading.role} worker: {reading.role_reason}"
    if reading.counted_at_finish:
        names = ", ".join(map(key, reading.counted_at_finish))
        yield f"{names} moves when a request ends: right over windows longer than a request"
    if reading.significant_digits:
        largest = max(reading.decode_tokens_total or 0, reading.prompt_tokens_total or 0)
        step = 10 ** max(0, len(f"{largest:.0f}") - reading.significant_digits)
        yield (
            f"numbers have {reading.significant_digits} significant digits: token counters move in "
            f"steps of up to {step:,} by now"
        )


def show_probe(timed: Probe, console: Console) -> None:
    """What one completion took."""
    speed = timed.decode_tokens_per_second
    told = "too short to tell its speed" if speed is None else f"then {speed:,.1f} tokens/s"
    console.print(
        f"[bold]one completion[/bold] of {escape(timed.model)}: first token after "
        f"{timed.time_to_first_token_seconds * 1000:,.0f} ms, {told}"
        " [dim](a single stream; not what the server can do)[/dim]"
    )


def _table(reading: EngineReading) -> Table:
    several = reading.ranks if len(reading.ranks) > 1 else ()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("replica", justify="right", style="bold")
    for rank in several:
        table.add_column(f"rank {rank.rank}", justify="right")
    for name, title, form in SIX:
        table.add_row(title, *(_cell(getattr(h, name), form) for h in (reading, *several)))
    for name, title, form in MORE:
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
    six = {name for name, _, _ in SIX}
    grouped: dict[str, list[str]] = {}
    for figure in sorted(missing, key=lambda figure: figure.name not in six):
        grouped.setdefault(figure.reason, []).append(key(figure.name))
    return grouped


def show_silence(reason: str, console: Console) -> None:
    """That there are no metrics, and why."""
    console.print(f"[yellow]no metrics:[/yellow] {escape(reason)}")
