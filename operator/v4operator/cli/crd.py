"""`v4-operator crd`: what is applied to a cluster before the operator, as YAML.

The resource's definition, the admission policies, or the table that these look up. Nothing is
looked up or applied. Exit status: 0 written, 2 wrong usage.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from v4operator.catalogue import load
from v4operator.cli.ending import fail, write
from v4operator.crdgen import admission, crd
from v4operator.model.problem import InputError


class What(StrEnum):
    """What is written."""

    CRD = "crd"
    ADMISSION = "admission"
    TABLE = "table"


def command(
    what: Annotated[
        What, typer.Option("--what", help="Definition, policies, or table.")
    ] = What.CRD,
    namespace: Annotated[
        str, typer.Option(help="Where the operator keeps the table that the policies look up.")
    ] = admission.NAMESPACE,
    catalogue_file: Annotated[
        Path | None, typer.Option("--catalogue", help="Your own checkpoints and devices.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write this file instead of printing.")
    ] = None,
) -> None:
    """Write the CustomResourceDefinition as YAML.

    Or (--what) the admission policies, or the table that these look up.
    """
    try:
        text = _text(what, namespace, catalogue_file)
    except (InputError, OSError) as error:
        fail("crd", error)
    write("crd", text, output)


def _text(what: What, namespace: str, catalogue_file: Path | None) -> str:
    if what is What.CRD:
        return crd.text()
    if what is What.ADMISSION:
        return admission.text(namespace)
    table = admission.table(load(catalogue_file), namespace)
    return yaml.safe_dump(table, sort_keys=False)
