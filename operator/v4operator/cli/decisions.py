"""What `explain` and `top` share: where the operator is, which records are meant, what is bad."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from v4operator.adapters.decision_client import Ask, NoAnswerError, Place
from v4operator.adapters.kube_access import chosen_namespace
from v4operator.cli.ending import Output
from v4operator.crdgen.admission import NAMESPACE
from v4operator.model.problem import nearest
from v4operator.report.events import is_bad
from v4operator.settings import Settings

FINDING = 1

_MOST_ASKED = 50
"""Records that one command asks for: a screen has no room for the replicas of more."""

_UNFOLDED_COLUMNS = 160
"""The longest line of an ordinary record; kubectl does not fold either."""

Record = dict[str, Any]


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]
NamespaceOption = Annotated[
    str | None, typer.Option("-n", "--namespace", help="Of the V4Deployment. [as kubectl]")
]
OperatorOption = Annotated[
    str | None, typer.Option("--operator", metavar="URL", help="Ask this operator, no cluster.")
]
KubeconfigOption = Annotated[
    Path | None, typer.Option(help="Access to the cluster. [as kubectl]", dir_okay=False)
]
ContextOption = Annotated[str | None, typer.Option(help="Of the kubeconfig. [its current one]")]
OperatorNamespaceOption = Annotated[str, typer.Option(help="Where the operator's Lease is.")]
DEFAULT_OPERATOR_NAMESPACE = NAMESPACE


def asked_place(
    url: str | None, kubeconfig: Path | None, context: str | None, namespace: str
) -> Place:
    """Where to ask."""
    return Place(
        url=url,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lease_name=str(Settings.model_fields["lease_name"].default),
    )


def namespace_in(place: Place, named: str | None) -> str | None:
    """The namespace that is meant; `None` for any, where an operator is asked by its address."""
    if named is not None or place.url is not None:
        return named
    return chosen_namespace(kubeconfig=place.kubeconfig, context=place.context)


async def records(ask: Ask, name: str | None, namespace: str | None) -> list[Record]:
    """The records of that name and namespace; either may be open.

    Raises:
        NoAnswerError: no leader answers, there is none of that name, or there are too many.
    """
    listed = await ask("v4deployments")
    keys = [(item["namespace"], item["name"]) for item in listed["items"]]
    meant = [key for key in keys if namespace in {None, key[0]} and name in {None, key[1]}]
    if name is not None and not meant:
        raise NoAnswerError(_unknown(name, namespace, keys))
    if len(meant) > _MOST_ASKED:
        raise NoAnswerError(f"{len(meant)} V4Deployments are meant: name one, or a namespace (-n)")
    pages = [await ask(f"v4deployments/{space}/{each}") for space, each in meant]
    return [page["record"] for page in pages if page["record"] is not None]


def _unknown(name: str, namespace: str | None, keys: list[tuple[str, str]]) -> str:
    where = f"{namespace}/{name}" if namespace else name
    known = [f"{space}/{each}" for space, each in keys]
    hint = nearest(where, known) or next((k for k in known if k.endswith(f"/{name}")), None)
    meant = f"; did you mean {hint}?" if hint else ""
    return f"no V4Deployment {where} is known to the leader, of {len(keys)}{meant}"


def has_finding(record: Record) -> bool:
    """Whether a person should look at it."""
    if record["problem"] is not None:
        return True
    status = record["status"]
    bad = (is_bad(c["type"], c["status"], c["reason"]) for c in status["conditions"])
    return bool(status["findings"]) or any(bad)


def console() -> Console:
    """The terminal; what goes into a file or a pipe is not folded to a terminal's width."""
    return Console() if sys.stdout.isatty() else Console(width=_UNFOLDED_COLUMNS)
