"""What `top` shows: a line for each fleet, below it its replicas, those to look at first."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from v4operator.cli.decisions import Record
from v4operator.cli.figures import age, count, percent
from v4operator.model.forecast import ThroughputVerdict
from v4operator.model.replica import Phase

_PHASES = (Phase.CRASHED, Phase.UNSCHEDULABLE, Phase.READY)
"""From the worst on, with those that are on their way in or out after the ones that serve."""

_VERDICTS = (
    ThroughputVerdict.STALLED,
    ThroughputVerdict.SICK_REPLICA,
    ThroughputVerdict.DEGRADED,
    ThroughputVerdict.ACCEPTANCE_DROPPED,
    ThroughputVerdict.OVERLOADED,
    ThroughputVerdict.MIX_CHANGED,
    ThroughputVerdict.UNKNOWN,
    ThroughputVerdict.HEALTHY,
)
_SICK = _VERDICTS[:4]
_COLOURS = {ThroughputVerdict.OVERLOADED: "yellow", ThroughputVerdict.UNKNOWN: "default"}
_COLUMNS = (
    *("REPLICA", "PHASE", "RUN", "WAIT", "KV"),
    *("TOK/S", "EXP", "EFF", "VERDICT", "AGE"),
)
_WORDS = {"REPLICA", "PHASE", "VERDICT"}
"""Left-aligned, and folded where the terminal is narrow; figures never are."""

Replica = dict[str, Any]


def document(record: Record) -> dict[str, Any]:
    """The documented keys: those of the record that tell of now, replicas the worst first."""
    status = record["status"]
    return {
        "metadata": record["metadata"],
        "ageSeconds": record["ageSeconds"],
        "problem": record["problem"],
        "desiredReplicas": status and status["desiredReplicas"],
        "readyReplicas": status and status["readyReplicas"],
        "observed": status and status["observed"],
        "capacity": status and status["capacity"],
        "throughput": status and status["throughput"],
        "replicas": worst_first(status["replicaStatuses"]) if status else [],
    }


def worst_first(replicas: Sequence[Replica]) -> list[Replica]:
    """By phase, then silent ones, then by verdict and efficiency, then by name."""
    return sorted(replicas, key=_rank)


def _rank(replica: Replica) -> tuple[int, bool, int, float, str]:
    phases = [phase.value for phase in _PHASES]
    phase, efficiency = replica["phase"], replica["efficiencyRatio"]
    return (
        phases.index(phase) if phase in phases else len(phases),
        replica["unknown"] is None,
        [verdict.value for verdict in _VERDICTS].index(replica["verdict"]),
        1.0 if efficiency is None else efficiency,
        replica["name"],
    )


def picture(records: Sequence[Record], trouble: str = "") -> RenderableType:
    """All of it for a terminal; below it why it is not of now, where nobody answers any more."""
    if not records:
        return Text("no V4Deployments here")
    parts: list[RenderableType] = [
        part for record in records for part in (_headline(record), _table(record))
    ]
    if trouble:
        parts.append(Text(f"no answer since: {trouble}", style="red"))
    return Group(*parts)


def _headline(record: Record) -> Text:
    meta, status = record["metadata"], record["status"]
    name = f"[bold]{escape(meta['namespace'])}/{escape(meta['name'])}[/bold]"
    if status is None:
        problem = record["problem"]
        told = f"[red]{escape(problem['reason'])}[/red]: {escape(problem['message'])}"
        return Text.from_markup(f"{name}  {told}")
    observed, verdict = status["observed"], status["throughput"]
    colour = "red" if verdict["verdict"] in _SICK else _COLOURS.get(verdict["verdict"], "green")
    desired = "?" if status["desiredReplicas"] is None else status["desiredReplicas"]
    return Text.from_markup(
        f"{name}  {status['readyReplicas']}/{desired} ready"
        f"  {count(observed['decodeTokensPerSecond'])} tok/s"
        f"{_efficiency(status)}  running {count(observed['runningRequests'])},"
        f" waiting {count(observed['waitingRequests'])}  KV {percent(observed['kvUsageRatio'])}"
        f"  [{colour}]{escape(verdict['verdict'])}[/{colour}]"
    )


def _efficiency(status: Mapping[str, Any]) -> str:
    """Of those replicas that something is expected of; what the others decode is in the rate."""
    replicas = status["replicaStatuses"]
    judged = sum(replica["expectedTokensPerSecond"] is not None for replica in replicas)
    ratio = status["capacity"]["efficiencyRatio"]
    return f" (efficiency {percent(ratio)}, {judged} of {len(replicas)} judged)" if judged else ""


def _table(record: Record) -> RenderableType:
    status = record["status"]
    if not status or not status["replicaStatuses"]:
        return Text("  no replicas\n" if status else "")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for title in _COLUMNS:
        words = title in _WORDS
        justify: Literal["left", "right"] = "left" if words else "right"
        table.add_column(title, justify=justify, no_wrap=not words, overflow="fold")
    for replica in worst_first(status["replicaStatuses"]):
        table.add_row(*_cells(replica), style="red" if _is_sick(replica) else None)
    return Group(table, Text(""))


def _cells(replica: Replica) -> tuple[str, ...]:
    phase = replica["phase"] if replica["routable"] else f"{replica['phase']}, out of routing"
    return (
        escape(replica["name"]),
        phase,
        count(replica["runningRequests"]),
        count(replica["waitingRequests"]),
        percent(replica["kvUsageRatio"]),
        count(replica["tokensPerSecond"]),
        count(replica["expectedTokensPerSecond"]),
        percent(replica["efficiencyRatio"]),
        escape(replica["unknown"] or replica["verdict"]),
        age(replica["ageSeconds"]),
    )


def _is_sick(replica: Replica) -> bool:
    silent = replica["phase"] == Phase.READY.value and replica["unknown"] is not None
    return silent or replica["phase"] in _PHASES[:2] or replica["verdict"] in _SICK
