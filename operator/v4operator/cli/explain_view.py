"""What `explain` shows people: the answer first, then what it rests on, then what to do."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from v4operator.cli.decisions import Record, has_finding
from v4operator.cli.figures import age, count, percent, value
from v4operator.report.events import is_bad

_STALE_SECONDS = 60.0
"""A leader decides every few seconds; a decision this old means that it does not get to it."""

_COLOURS = {"grow": "green", "shrink": "cyan", "hold": "bold"}


def show(record: Record, console: Console) -> None:
    """The whole record."""
    if record["problem"] is not None:
        _show_problem(record, console)
        return
    console.print(_headline(record))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in _rows(record):
        table.add_row(title, text)
    console.print(table, _inputs(record))


def _show_problem(record: Record, console: Console) -> None:
    meta, problem = record["metadata"], record["problem"]
    console.print(
        f"[bold]{escape(meta['namespace'])}/{escape(meta['name'])}[/bold]: [red]"
        f"{escape(problem['reason'])}[/red]: {escape(problem['message'])}"
    )
    console.print(f"[dim]next[/dim]  {escape(record['nextStep'])}")


def _headline(record: Record) -> str:
    meta, decision = record["metadata"], record["decision"]
    colour = _COLOURS[decision["action"]]
    old = record["ageSeconds"]
    told = f"decided {age(old)} ago" if old < _STALE_SECONDS else f"[red]decided {age(old)} ago[/]"
    return (
        f"[bold]{escape(meta['namespace'])}/{escape(meta['name'])}[/bold]"
        f"  [{colour}]{escape(decision['sentence'])}[/]  [dim]({told})[/dim]"
    )


def _rows(record: Record) -> Iterator[tuple[str, str]]:
    decision = record["decision"]
    yield "why", f"{escape(decision['reason'])}: {escape(decision['meaning'])}"
    yield "since", escape(decision["since"])
    yield "next", f"[bold]{escape(record['nextStep'])}[/bold]"
    yield "formula", "\n".join(_formula(record))
    for veto in decision["vetoes"]:
        yield "held by", f"[yellow]{escape(veto['reason'])}[/]: {escape(veto['message'])}"
    if decision["alternative"]:
        yield "instead of", escape(decision["alternative"])
    status = record["status"]
    yield "memory", escape(status["hbm"]["sentence"])
    told = status["throughput"]
    yield "throughput", f"{escape(told['verdict'])}: {escape(told['sentence'])}"
    yield from _findings(record)


def _formula(record: Record) -> Iterator[str]:
    """Demand, over what one replica carries, within bounds."""
    formula, decision = record["formula"], record["decision"]
    demand, capacity = formula["demand"], formula["capacityOfReplica"]
    if demand["computable"]:
        yield (
            f"demand {demand['nowReplicas']:.2f} replicas now,"
            f" {demand['horizonReplicas']:.2f} in {age(demand['horizonSeconds'])}"
            f" -> wanted {value(decision['wanted'])}, asked {value(decision['desired'])}"
        )
    else:
        yield f"the demand is not known: {escape(demand['reason'] or 'no reason given')}"
    if capacity is None:
        yield "what a replica carries is not known"
        return
    yield (
        f"a replica carries {count(capacity['sequences'])} sequences,"
        f" {count(capacity['decodeTokensPerSecond'])} tok/s, bound by {escape(capacity['bound'])}"
        f" [dim]({escape(capacity['source'])}, confidence {percent(capacity['confidence'])})[/dim]"
    )


def _inputs(record: Record) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("input", no_wrap=True)
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("from", style="dim", overflow="fold")
    for each in record["decision"]["inputs"]:
        table.add_row(
            escape(each["name"]),
            escape(value(each["value"])),
            escape(each["unit"]),
            age(each["ageSeconds"]),
            escape(each["source"]),
        )
    return table


def _findings(record: Record) -> Iterator[tuple[str, str]]:
    """Bad conditions and findings, each once: some findings are the reason of a condition."""
    told = {record["status"]["throughput"]["verdict"]}  # which has its row
    if not has_finding(record):
        return
    for condition in record["status"]["conditions"]:
        bad = is_bad(condition["type"], condition["status"], condition["reason"])
        if bad and condition["reason"] not in told:
            told.add(condition["reason"])
            told_of = f"{condition['reason']}: {condition['message']}"
            yield "look at", f"[red]{escape(told_of)}[/red]"
    for finding in record["status"]["findings"]:
        if finding["reason"] not in told:
            told.add(finding["reason"])
            hint = f"; [dim]{escape(finding['hint'])}[/dim]" if finding["hint"] else ""
            yield "finding", f"[yellow]{escape(finding['message'])}[/yellow]{hint}"
