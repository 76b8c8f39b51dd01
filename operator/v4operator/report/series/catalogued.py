"""What is exported as information: the operator, what is deployed, and the catalogue's figures."""

from collections.abc import Iterator, Sequence

from v4operator.model.catalogue import Accelerator, Checkpoint
from v4operator.model.figures import Figure
from v4operator.report.families import Family, Kind, Row, label_value
from v4operator.report.seen import Seen

_WHOLE_DIGITS = ".12g"  # bytes of the largest device and checkpoint to the last one


def _deployed(seen: Seen) -> Iterator[Row]:
    plan = seen.observation.deployment.memory
    what = (plan.checkpoint, plan.engine, plan.accelerator, str(plan.devices), plan.layout.label)
    yield tuple(map(label_value, what)), 1.0


def _catalogued(seen: Sequence[Seen]) -> Iterator[Row]:
    """Each entry once, of those that are in use."""
    devices = {d.name: d for each in seen if (d := each.listed.accelerator) is not None}
    checkpoints = {c.name: c for each in seen if (c := each.listed.checkpoint) is not None}
    for device in devices.values():
        yield from _rows("accelerator", device.name, _figures_of_device(device))
    for checkpoint in checkpoints.values():
        yield from _rows("checkpoint", checkpoint.name, _figures_of_checkpoint(checkpoint))


def _figures_of_device(device: Accelerator) -> dict[str, Figure | None]:
    return {
        "visible_bytes": device.visible_bytes,
        "bandwidth_bytes_per_second": device.bandwidth_bytes_per_second,
        "price_dollars_per_hour": device.price_usd_per_hour,
    }


def _figures_of_checkpoint(checkpoint: Checkpoint) -> dict[str, Figure | None]:
    weights = checkpoint.weights
    return {
        "total_bytes": checkpoint.total_bytes,
        "experts_bytes": weights.experts_bytes if weights else None,
        "dense_bytes": weights.dense_bytes if weights else None,
        "parameters": checkpoint.parameters,
    }


def _rows(kind: str, entry: str, figures: dict[str, Figure | None]) -> Iterator[Row]:
    for name, figure in figures.items():
        if figure is not None:
            value = format(figure.value, _WHOLE_DIGITS)
            told = (kind, entry, name, value, figure.tag.value, figure.source)
            yield tuple(map(label_value, told)), 1.0


DEPLOYED: tuple[Family[Seen], ...] = (
    Family(
        name="v4_deployment_info",
        kind=Kind.INFO,
        help="What is deployed, as declared.",
        source="the spec",
        labels=("checkpoint", "engine", "accelerator", "devices", "layout"),
        rows=_deployed,
    ),
)

CATALOGUED: Family[Sequence[Seen]] = Family(
    name="v4_catalogue_info",
    kind=Kind.INFO,
    help="Figures of the catalogue for the devices and checkpoints in use, with their sources.",
    source="the catalogue",
    labels=("kind", "entry", "figure", "value", "tag", "source"),
    rows=_catalogued,
)


def built(version: str) -> Family[None]:
    """The operator itself."""
    return Family(
        name="v4_build_info",
        kind=Kind.INFO,
        help="The operator that answers.",
        source="the package",
        labels=("version",),
        rows=lambda _: (((version,), 1.0),),
    )
