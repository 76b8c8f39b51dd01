"""`v4-operator explain NAME` (`kubectl v4 explain`): why this number of replicas.

Asks the operator that leads for its decision record and shows it. Decides and writes nothing. Exit
status: 0 good, 1 something to look at, 2 no answer or no such V4Deployment.
"""

import asyncio
import json
from typing import Annotated

import typer

from v4operator.adapters.decision_client import NoAnswerError, Place, open_decisions
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
from v4operator.cli.explain_view import show


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the V4Deployment.")],
    namespace: NamespaceOption = None,
    output: OutputOption = Output.TABLE,
    operator: OperatorOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    operator_namespace: OperatorNamespaceOption = DEFAULT_OPERATOR_NAMESPACE,
) -> None:
    """Say why a V4Deployment has this number of replicas.

    Inputs with their ages, the formula's values, what held it back, what was not done, what next.
    """
    place = asked_place(operator, kubeconfig, context, operator_namespace)
    try:
        record = asyncio.run(_one(place, name, namespace_in(place, namespace)))
    except NoAnswerError as error:
        fail("explain", error)
    if output is Output.JSON:
        typer.echo(json.dumps(record, indent=2, allow_nan=False))
    else:
        show(record, console())
    raise typer.Exit(FINDING if has_finding(record) else 0)


async def _one(place: Place, name: str, namespace: str | None) -> Record:
    async with open_decisions(place) as ask:
        found = await records(ask, name, namespace)
    if len(found) != 1:
        spaces = ", ".join(record["metadata"]["namespace"] for record in found) or "none any more"
        raise NoAnswerError(f"{name} is in several namespaces: {spaces}; name one with -n")
    return found[0]
