"""How the demonstration speaks: what to look at, the command, its output, and what held."""

import shlex
from collections.abc import Callable
from textwrap import indent
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from tests.demo_cluster.stage import Printed, Stage
from tests.rig.waiting import NotInTimeError, eventually

_COLUMNS = 120
# For each wait. The longest is for a verdict on speed: the first three minutes of an engine judge
# nothing (`estimate.evidence.COLD_START_SECONDS`), and a suspicion is confirmed over minutes.
_LIMIT_SECONDS = 480.0

Found = TypeVar("Found")


class Teller:
    """Prints as it goes, and remembers what did not come true."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._console = Console(width=_COLUMNS, highlight=False)
        self._steps = 0
        self.kept: list[tuple[bool, str]] = []

    def step(self, title: str, look_at: str) -> None:
        """Head the next step."""
        self._steps += 1
        self._console.print()
        self._console.print(Rule(f"[bold]{self._steps}. {escape(title)}[/]", align="left"))
        self._console.print(f"[dim]Look at:[/] {escape(look_at)}")

    def say(self, text: str) -> None:
        """A remark."""
        self._console.print(f"[dim]{escape(text)}[/]")

    def command(self, *words: str, tail: int | None = None) -> Printed:
        """Run kubectl and show it as typed, with the last lines of its output or all of it."""
        self._console.print(f"\n[bold green]$ {escape(_typed(words))}[/]")
        printed = self._stage.run(*words)
        lines = [line.rstrip() for line in printed.text.splitlines()]
        text = "\n".join(lines if tail is None else lines[-tail:])
        self._console.out(indent(text, "  "), highlight=False)
        return printed

    def promise(self, sentence: str, *, holds: bool) -> None:
        """Tell whether something came true."""
        self.kept.append((holds, sentence))
        self._console.print(f"{_mark(holds=holds)} {escape(sentence)}")

    def await_promise(self, sentence: str, look: Callable[[], Found | None]) -> Found | None:
        """Wait for something to come true, and tell; `None` where it does not come."""
        try:
            found = eventually(look, what=sentence, limit_seconds=_LIMIT_SECONDS)
        except NotInTimeError as error:
            self.say(str(error))
            found = None
        self.promise(sentence, holds=found is not None)
        return found

    def sum_up(self, seconds: float) -> None:
        """All promises once more."""
        self._console.print()
        self._console.print(Rule(f"[bold]{seconds:.0f} seconds[/]", align="left"))
        for holds, sentence in self.kept:
            self._console.print(f"{_mark(holds=holds)} {escape(sentence)}")


def _typed(words: tuple[str, ...]) -> str:
    return shlex.join(("kubectl", *words))


def _mark(*, holds: bool) -> str:
    return "[bold green]ok[/]" if holds else "[bold red]NO[/]"
