"""`v4-operator top [NAME]` (`kubectl v4 top`): every replica, live, the worst first.

Asks the operator that leads; decides and writes nothing. Exit status: 0 good, 1 something to look
at, 2 no answer or no such V4Deployment.
"""

import asyncio
import json
from typing import Annotated

import typer
from rich.live import Live

from v4operator.adapters.decision_client import Ask, NoAnswerError, Place, open_decisions
from v4operator.cli.decisions import (
    DEFAULT_OPERATOR_NAMESPACE,
    FINDING,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    OperatorNamespaceOption,
    OperatorOption,
    OutputOption,
    Record,
    asked_place,
    console,
    has_finding,
    namespace_in,
    records,
)
from v4operator.cli.ending import Output, fail
from v4operator.cli.top_view import document, picture

_WATCH_SECONDS = 2.0
"""Engines are polled every five seconds by default; twice as often shows each poll once."""


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them. [all]")] = None,
    namespace: NamespaceOption = None,
    every: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="Of every namespace.")
    ] = False,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Go on until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
    operator: OperatorOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    operator_namespace: OperatorNamespaceOption = DEFAULT_OPERATOR_NAMESPACE,
) -> None:
    """Show what every replica does now, the worst first."""
    place = asked_place(operator, kubeconfig, context, operator_namespace)
    meant = None if every else namespace_in(place, namespace)
    try:
        found = asyncio.run(_looked(place, name, meant, watch=watch and output is Output.TABLE))
    except NoAnswerError as error:
        fail("top", error)
    except KeyboardInterrupt:
        raise typer.Exit from None
    if output is Output.JSON:
        typer.echo(json.dumps([document(each) for each in found], indent=2, allow_nan=False))
    else:
        console().print(picture(found))
    raise typer.Exit(FINDING if any(map(has_finding, found)) else 0)


async def _looked(
    place: Place, name: str | None, namespace: str | None, *, watch: bool
) -> list[Record]:
    async with open_decisions(place) as ask:
        if watch:
            await _watched(ask, name, namespace)
        return await records(ask, name, namespace)


async def _watched(ask: Ask, name: str | None, namespace: str | None) -> None:
    """Until it is cancelled; a leader that is lost in between is waited for."""
    found, trouble = await records(ask, name, namespace), ""
    with Live(screen=True, auto_refresh=False) as live:
        while True:
            live.update(picture(found, trouble), refresh=True)
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                found, trouble = await records(ask, name, namespace), ""
            except NoAnswerError as error:
                trouble = str(error)
