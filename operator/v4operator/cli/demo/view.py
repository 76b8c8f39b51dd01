"""How the demo looks: a live picture on a terminal, lines elsewhere, an SVG to keep."""

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from types import TracebackType
from typing import Any, Self

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from v4operator.cli.demo.record import Frame, Record, Sight
from v4operator.model.units import GIB

_BAR = 24  # cells of a bar
_NEWS = 7  # changes that stay in view
_PICTURE_COLUMNS = 118
# rich's frame without its fonts, which a viewer would fetch from a content network.
_SVG = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
_COLOURS = {
    "Healthy": "green",
    "Unknown": "bright_black",
    "MixChanged": "cyan",
    "Overloaded": "yellow",
}


class News:
    """Remembers what was said, so that only changes are."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._said: dict[str, str] = {}

    def take(self, frame: Frame) -> list[str]:
        """New lines of this frame, oldest first."""
        fresh = [
            f"{frame.elapsed / 60:5.1f} min  {name}: {sentence}"
            for name, sight in frame.sights.items()
            for topic, word, sentence in _topics(sight)
            if self._changed(f"{name} {topic}", word)
        ]
        self.lines.extend(fresh)
        return fresh

    def _changed(self, topic: str, word: str) -> bool:
        before = self._said.get(topic)
        self._said[topic] = word
        return before != word


def _topics(sight: Sight) -> Iterator[tuple[str, str, str]]:
    """Topic, the word whose change is news, and the sentence that tells it."""
    status = sight.status
    if status is None:
        return
    decision, throughput, hbm = status["lastDecision"], status["throughput"], status["hbm"]
    if decision["action"] != "hold":
        yield "decision", f"{decision['action']} {decision['desired']}", decision["sentence"]
    else:
        yield "decision", "hold", decision["sentence"]
    yield "ready", str(status["readyReplicas"]), f"{status['readyReplicas']} replicas ready"
    if throughput["verdict"] != "Unknown":
        word = f"{throughput['verdict']} {throughput['replica'] or ''}"
        yield "throughput", word, f"{throughput['verdict']}: {throughput['sentence']}"
    yield "hbm", hbm["verdict"], f"HBM {hbm['verdict']}: {hbm['sentence']}"


class PlainView:
    """One line per change, for a log or a pipe."""

    def __init__(self) -> None:
        self._news = News()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def show(self, frame: Frame) -> None:
        """Print what changed."""
        for line in self._news.take(frame):
            print(line, flush=True)  # noqa: T201 - this is the view


class LiveView:
    """A picture that is redrawn in place."""

    def __init__(self) -> None:
        self._news = News()
        self._live = Live(auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def show(self, frame: Frame) -> None:
        """Redraw."""
        self._news.take(frame)
        self._live.update(drawing(frame, self._news.lines[-_NEWS:]), refresh=True)


def picture(record: Record) -> str:
    """The last frame with the news of the whole demo, as SVG."""
    news = News()
    for frame in record.frames:
        news.take(frame)
    console = Console(record=True, width=_PICTURE_COLUMNS, file=StringIO())
    console.print(drawing(record.frames[-1], news.lines[-_NEWS:]))
    return console.export_svg(title="v4-operator demo", code_format=_SVG)


def drawing(frame: Frame, news: list[str]) -> RenderableType:
    """One frame as a person sees it."""
    panels = [_panel(name, sight) for name, sight in frame.sights.items()]
    told = Text("\n".join(news), overflow="ellipsis", no_wrap=True)
    clock = f"{frame.elapsed / 60:.1f} emulated minutes"
    return Group(*panels, Panel(told, title="news", subtitle=clock, title_align="left"))


def _panel(name: str, sight: Sight) -> Panel:
    status = sight.status
    if status is None:
        return Panel("waiting for the first status", title=name, title_align="left")
    verdict = status["throughput"]["verdict"]
    parts: list[RenderableType] = [_headline(status, sight.truth)]
    if status["replicaStatuses"]:
        parts.append(_replicas(status["replicaStatuses"]))
        parts.append(Text(status["lastDecision"]["sentence"], style="italic", no_wrap=True))
    else:
        parts.append(_memory(status["hbm"]))
    colour = _COLOURS.get(verdict, "red")
    if not status["replicaStatuses"]:
        colour = "green" if str(status["hbm"]["verdict"]).startswith("fits") else "red"
    return Panel(Group(*parts), title=name, title_align="left", border_style=colour)


def _headline(status: Mapping[str, Any], truth: Mapping[str, Any] | None) -> Text:
    observed, capacity, hbm = status["observed"], status["capacity"], status["hbm"]
    demand = _told(capacity["demandReplicas"], "{:.1f}")
    horizon = _told(capacity["horizonDemandReplicas"], "{:.1f}")
    words = [
        f"{status['readyReplicas']} ready of {_told(status['desiredReplicas'], '{}')} wanted",
        f"demand {demand} -> {horizon} replicas in {capacity['horizonSeconds'] / 60:.0f} min",
        f"{_told(observed['decodeTokensPerSecond'], '{:,.0f}')} tok/s",
        f"efficiency {_told(capacity['efficiencyRatio'], '{:.0%}')}",
        f"HBM {hbm['verdict']}",
    ]
    if truth is not None and truth["attainment"] is not None:
        words.append(f"objective met by {truth['attainment']:.2%}")
    return Text(" · ".join(words if status["replicaStatuses"] else [words[-1]]), style="bold")


def _replicas(replicas: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bright_black")
    for column in (
        "replica",
        "phase",
        "tok/s against expected",
        "",
        "run",
        "wait",
        "KV",
        "verdict",
    ):
        table.add_column(column, no_wrap=True)
    for replica in replicas:
        ratio = replica["efficiencyRatio"]
        table.add_row(
            replica["name"],
            replica["phase"] if replica["routable"] else "draining",
            _bar(ratio),
            f"{_told(replica['tokensPerSecond'], '{:,.0f}')} / "
            f"{_told(replica['expectedTokensPerSecond'], '{:,.0f}')}",
            _told(replica["runningRequests"], "{:.0f}"),
            _told(replica["waitingRequests"], "{:.0f}"),
            _told(replica["kvUsageRatio"], "{:.0%}"),
            Text(str(replica["verdict"]), style=_COLOURS.get(replica["verdict"], "bold red")),
        )
    return table


def _bar(ratio: float | None) -> Text:
    """Observed over expected, full at 100 %."""
    if ratio is None:
        return Text("·" * _BAR, style="bright_black")
    full = round(min(1.0, max(0.0, ratio)) * _BAR)
    colour = "green" if ratio > 0.85 else "red"  # noqa: PLR2004 - the loss that must be named
    return Text("█" * full + "░" * (_BAR - full), style=colour)


def _memory(hbm: Mapping[str, Any]) -> Group:
    weights, budget = hbm["weightsBytes"], hbm["budgetBytes"]
    lines = [Text(hbm["sentence"])]
    if weights and budget:
        cells = round(_BAR * weights / max(weights, budget))
        room = round(_BAR * budget / max(weights, budget))
        bar = Text("weights ") + Text("█" * cells, style="red" if weights > budget else "green")
        lines.append(bar + Text(f" {weights / GIB:.1f} GiB per device"))
        lines.append(Text("budget  ") + Text("█" * room, style="blue") + f" {budget / GIB:.1f} GiB")
    return Group(*lines)


def _told(value: float | None, form: str) -> str:
    return "?" if value is None else form.format(value)
