"""`v4-operator backtest`: what our policy and its rivals would have done on a fleet's own history.

Reads, replays and shows; the parts are in `simulate`. Needs the extra `simulate`. The JSON keys
stay. Exit status: 0 our policy meets the target, 1 it does not, 2 wrong usage or unreachable.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from v4operator.catalogue import load
from v4operator.cli.backtest_history import Server, duration, fetched
from v4operator.cli.ending import Output, Refused, refusing
from v4operator.cli.simulator import FINDING, Overload, known, need_the_extra, plot
from v4operator.model.problem import InputError

if TYPE_CHECKING:
    from v4operator.simulate.backtest import Terms
    from v4operator.simulate.ground import Ground
    from v4operator.simulate.harness import Run
    from v4operator.simulate.history import History

# The rivals that people run today; every other one by name.
_USUAL = ("ours", "hpa", "keda", "kpa", "wva-saturation", "dynamo-hybrid")

_COLUMNS = ("GPU-hours", "US dollars", "in time", "target", "missed", "changes", "reversals")

# Catalogue ids by the device's word in a profile's name, such as flash-fp8-4xh200.
_DEVICES = {"h100": "h100-80", "h200": "h200-141", "b200": "b200"}

_PROMETHEUS_HELP = "URL of a Prometheus that holds the operator's own metrics."
_TOKEN_HELP = "File with a bearer token for it."


@refusing("backtest")
def command(
    file: Annotated[
        Path | None, typer.Option(help="A history that --record wrote; no Prometheus is asked.")
    ] = None,
    prometheus: Annotated[str | None, typer.Option(help=_PROMETHEUS_HELP)] = None,
    token_file: Annotated[Path | None, typer.Option(help=_TOKEN_HELP)] = None,
    ca_file: Annotated[Path | None, typer.Option(help="CA bundle that signs it.")] = None,
    deployment: Annotated[str | None, typer.Option(help="Name of the V4Deployment.")] = None,
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Its namespace.")] = "default",
    since: Annotated[str, typer.Option(help="How far back, such as 7d.")] = "7d",
    step: Annotated[str, typer.Option(help="Resolution, such as 1m.")] = "1m",
    record: Annotated[
        Path | None, typer.Option(help="Write the history as JSON, to be used with --file.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Policies to replay; repeatable, or `all`.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Speed of a replica.")] = "flash-fp8-4xh200",
    pace: Annotated[
        float, typer.Option(min=0.1, max=10, help="Step times, times the published ones.")
    ] = 1.0,
    startup: Annotated[str, typer.Option(help="Time until a replica serves.")] = "480s",
    overload: Annotated[Overload, typer.Option(help="Where the excess waits.")] = Overload.PLAIN,
    slo_ttft: Annotated[float, typer.Option(min=0.001, help="Seconds.")] = 2.0,
    slo_itl: Annotated[float, typer.Option(min=0.001, help="Seconds.")] = 1.0 / 30.0,
    target: Annotated[float, typer.Option(min=0, max=1, help="Share of requests.")] = 0.99,
    price: Annotated[
        float | None, typer.Option(min=0, help="US dollars per device-hour. [the catalogue's]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals, lengths and start-up times.")] = 0,
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="PNG of replicas and demand over time.")
    ] = None,
) -> None:
    """Replay a fleet's own history under our policy and its rivals.

    For each: GPU-hours, money and missed objectives, beside what really ran.
    """
    need_the_extra()
    from v4operator.simulate import backtest  # noqa: PLC0415 - after the check
    from v4operator.simulate.ground import Objective  # noqa: PLC0415
    from v4operator.simulate.profiles import PROFILES  # noqa: PLC0415

    names = _policies(policy)
    terms = backtest.Terms(
        profile=known("--profile", profile, PROFILES),
        objective=Objective(
            ttft_seconds=slo_ttft,
            tpot_seconds=slo_itl,
            start_up_seconds=duration("--startup", startup),
        ),
        overload=overload.value,
        target=target,
        pace=pace,
        seed=seed,
        usd_per_device_hour=_price(profile) if price is None else price,
    )
    if (file is None) == (prometheus is None):
        raise Refused("give either --file RECORDING or --prometheus URL with --deployment NAME")
    if file is not None:
        history = _read(file)
    else:
        if prometheus is None or deployment is None:
            raise Refused("--prometheus needs --deployment NAME")
        server = Server(url=prometheus, token_file=token_file, ca_file=ca_file)
        with Console(stderr=True).status("asking Prometheus, a day at a time"):
            history = fetched(server, namespace, deployment, since, step)
    if record is not None:
        _record(record, history)
    _replay(history, terms, names, output, picture)


def _policies(given: list[str] | None) -> Sequence[str]:
    from v4operator.simulate.policies.registry import POLICIES  # noqa: PLC0415 - needs the extra

    # A constant fleet of one is nobody's policy; what really ran is the fleet to compare with.
    allowed = [name for name in POLICIES if name != "constant"]
    if given == ["all"]:
        return allowed
    return [known("--policy", name, allowed) for name in given or _USUAL]


def _price(profile: str) -> float | None:
    """On-demand price of the profile's device, if the catalogue has one."""
    wanted = next((name for word, name in _DEVICES.items() if profile.endswith(word)), None)
    for device in load().accelerators:
        if device.name == wanted and device.price_usd_per_hour is not None:
            return device.price_usd_per_hour.value
    return None


def _read(path: Path) -> "History":
    from v4operator.simulate.history import read_history  # noqa: PLC0415 - needs the extra

    try:
        return read_history(path)
    except (OSError, InputError) as error:
        raise Refused(str(error)) from None


def _record(path: Path, history: "History") -> None:
    from v4operator.simulate.history import document_of  # noqa: PLC0415 - needs the extra

    try:
        path.write_text(json.dumps(document_of(history), allow_nan=False) + "\n")
    except OSError as error:
        raise Refused(str(error)) from None


def _replay(
    history: "History",
    terms: "Terms",
    names: Sequence[str],
    output: Output,
    picture: Path | None,
) -> None:
    """Play, show, and end with what it means for our policy."""
    from v4operator.simulate import backtest  # noqa: PLC0415 - needs the extra

    try:
        ground = backtest.ground_for(history, terms)
    except ValueError as error:
        raise Refused(str(error)) from None
    runs = _played(history, ground, names)
    rows = [backtest.happened(history, terms)]
    rows += [backtest.row(name, run, terms) for name, run in runs.items()]
    doubted = backtest.doubts(history, runs.get(backtest.REPLAYED))
    document = backtest.document(history, terms, ground, rows, doubted)
    if picture is not None:
        plot(picture, f"{history.namespace}/{history.name}, replayed", runs, ground)
    if output is Output.JSON:
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        _show(document)
    missed = any(row["policy"] == "ours" and not row["meetsTarget"] for row in rows[1:])
    raise typer.Exit(FINDING if missed else 0)


def _played(history: "History", ground: "Ground", names: Sequence[str]) -> "dict[str, Run]":
    """The fleet as it was and every policy on the same requests, by name."""
    from v4operator.simulate import backtest  # noqa: PLC0415 - needs the extra

    runs = {}
    with Console(stderr=True).status("replaying") as status:
        status.update(f"replaying {len(ground.trace):,} requests: {backtest.REPLAYED}")
        replay = backtest.as_it_was(history, ground)
        if replay is not None:
            runs[backtest.REPLAYED] = replay
        for name in names:
            status.update(f"replaying {len(ground.trace):,} requests: {name}")
            runs[name] = backtest.replayed(ground, name)
    return runs


def _show(document: Mapping[str, Any]) -> None:
    console = Console()
    days = document["seconds"] / 86_400
    named = document["deployment"]
    console.print(
        f"{named['namespace']}/{named['name']}: {days:,.2f} days, {document['requests']:,} requests"
        f", {document['missingRatio']:.1%} of the steps without figures;"
        f" target {document['target']:.2%} within the objective"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("policy")
    for title in _COLUMNS:
        table.add_column(title, justify="right")
    for row in document["policies"]:
        table.add_row(*_cells(row))
    console.print(table)
    for label, key in (("beware", "doubts"), ("assumed", "assumptions")):
        for sentence in document[key]:
            console.print(f"{label}: {sentence}")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def told(key: str, form: str) -> str:
        value = row.get(key)
        return "-" if value is None else format(value, form)

    return (
        row["policy"],
        told("gpuHours", ",.1f"),
        told("usd", ",.0f"),
        told("attainment", ".2%"),
        {True: "met", False: "MISSED", None: "-"}[row.get("meetsTarget")],
        told("missedRequests", ",d"),
        told("scalingActions", ",d"),
        told("reversals", ",d"),
    )
