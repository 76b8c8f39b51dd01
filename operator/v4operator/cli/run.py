"""`v4-operator run`: the loop, in a cluster or on a folder of manifests, until told to stop."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from v4operator.adapters.kube_errors import Unavailable
from v4operator.app import run_standalone
from v4operator.cli.ending import fail
from v4operator.cluster import run_cluster
from v4operator.logs import configure
from v4operator.model.problem import InputError
from v4operator.observe.ports import WorkloadUnavailable
from v4operator.runtime.elector import LeaseLost
from v4operator.settings import Settings, load_settings

_ENDED = 1
"""The Lease was lost or a part failed: whoever runs the process should start it anew."""


class ScalingPort(StrEnum):
    """Where a decision goes."""

    NONE = "none"
    EMULATED = "emulated"


def command(
    standalone: Annotated[
        Path | None,
        typer.Option(
            help="Without a cluster: folder of V4Deployment manifests; an edit takes effect.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    scaling: Annotated[
        ScalingPort,
        typer.Option(
            help="Standalone. none: engines run by hand, recommendation only. emulated: see "
            "emulate."
        ),
    ] = ScalingPort.NONE,
    emulator: Annotated[
        str | None, typer.Option(help="Control address of the emulator, with --scaling emulated.")
    ] = None,
    status_dir: Annotated[
        Path | None, typer.Option(help="Where status files go, standalone. Default: DIR/status.")
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Access to the cluster. Default: the pod's service account, else kubectl's own.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Only V4Deployments in this namespace. [all]")
    ] = None,
    lease_namespace: Annotated[
        str | None, typer.Option(help="Where the Lease is. [the operator's own namespace]")
    ] = None,
    listen_host: Annotated[
        str | None, typer.Option(help="Address of /metrics, /healthz, /readyz. [127.0.0.1]")
    ] = None,
    listen_port: Annotated[
        int | None, typer.Option(help="Its port; 0: any free one. [8080]")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or console. [auto]")] = None,
) -> None:
    """Watch, compare, decide, scale: the whole loop.

    In a cluster, or (--standalone) on manifests in a folder.
    """
    if (scaling is ScalingPort.EMULATED) != (emulator is not None):
        fail("run", "--scaling emulated and --emulator URL go together")
    if standalone is None and (emulator or status_dir):
        fail("run", "--emulator and --status-dir need --standalone")
    if standalone is not None and (kubeconfig or namespace or lease_namespace):
        fail("run", "--standalone has no cluster: no --kubeconfig, --namespace, --lease-namespace")
    try:
        settings = load_settings(
            listen_host=listen_host,
            listen_port=listen_port,
            log_format=log_format,
            namespace=namespace,
            lease_namespace=lease_namespace,
        )
        configure(settings.log_format)
        asyncio.run(_chosen(settings, standalone, status_dir, emulator, kubeconfig))
    except (InputError, WorkloadUnavailable, Unavailable, OSError) as error:
        fail("run", str(error))
    except ExceptionGroup as group:
        _end(group)


async def _chosen(
    settings: Settings,
    standalone: Path | None,
    status_dir: Path | None,
    emulator: str | None,
    kubeconfig: Path | None,
) -> None:
    if standalone is None:
        await run_cluster(settings, kubeconfig)
    else:
        await run_standalone(settings, standalone, status_dir or standalone / "status", emulator)


def _end(group: "ExceptionGroup[Exception]") -> None:
    """A lost Lease is a sentence; anything else is a defect and keeps its traceback."""
    _, defects = group.split(LeaseLost)
    if defects is not None:
        raise defects
    typer.echo(f"v4-operator run: {group.exceptions[0]}", file=sys.stderr)
    raise typer.Exit(_ENDED)
