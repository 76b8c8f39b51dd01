"""Catalogue files -> one checked, frozen `Catalogue`: the packaged files, then the user's own."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from v4operator.catalogue import checkpoints
from v4operator.catalogue.schema import CatalogueFile, CheckpointRecord
from v4operator.model.catalogue import Catalogue
from v4operator.model.problem import InputError, Problem, nearest
from v4operator.model.published import Published, Terms

# Each packaged file holds one list, under the name of the file.
_PACKAGED = {
    "checkpoints": "checkpoints.yaml",
    "accelerators": "accelerators.yaml",
    "prices": "prices.yaml",
    "profiles": "profiles.yaml",
    "engines": "engines.yaml",
    "loadFactors": "load_factors.yaml",
    "throughput": "throughput.yaml",
    "measurements": "measurements.yaml",
    "latencyFits": "latency_fits.yaml",
    "apiPrices": "api_prices.yaml",
    "coldStarts": "cold_starts.yaml",
    "launchShapes": "launch_shapes.yaml",
    "answerLengths": "answer_lengths.yaml",
}
_MAX_BYTES = 1 << 20  # the packaged files are under 20 kB each
# libyaml's parser where it was built in: 10 times faster, the same language.
LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def load(extra: Path | None = None) -> Catalogue:
    """The packaged catalogue, with the user's own file (or folder) added or overriding by name.

    Of a folder every `*.yaml` counts, in the order of their names; the last one wins.

    Raises:
        InputError: naming file, path, what was found and what is allowed.
    """
    own = () if extra is None else _own_files(extra)
    return _merged(
        [_packaged(), *((str(file), _parsed(_own_text(file), str(file))) for file in own)]
    )


def _own_files(extra: Path) -> Sequence[Path]:
    """The file itself, or those of the folder; where one is hidden, such as `..data`, it is not."""
    if not extra.is_dir():
        return (extra,)
    found = sorted(file for file in extra.glob("*.yaml") if not file.name.startswith("."))
    if not found:
        raise InputError([_problem(str(extra), "no file *.yaml", "a folder of catalogue files")])
    return found


def _packaged() -> tuple[str, CatalogueFile]:
    folder = files("v4operator.catalogue") / "data"
    document = {key: _yaml((folder / name).read_text(), name) for key, name in _PACKAGED.items()}
    return "catalogue/data", _checked(document, "catalogue/data")


def _own_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        allowed = "a readable UTF-8 file"
        raise InputError([_problem(str(path), str(error), allowed)]) from error
    if len(data) > _MAX_BYTES:
        raise InputError([_problem(str(path), f"more than {_MAX_BYTES} bytes", "up to 1 MiB")])
    return text


def _parsed(text: str, where: str) -> CatalogueFile:
    document = _yaml(text, where)
    if not isinstance(document, dict):
        allowed = f"a mapping of {', '.join(_PACKAGED)}"
        raise InputError([_problem(where, type(document).__name__, allowed)])
    return _checked(document, where)


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 - both loaders are the safe ones
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError([_problem(where, " ".join(str(error).split()), "YAML")]) from error


def _checked(document: dict[str, Any], where: str) -> CatalogueFile:
    try:
        return CatalogueFile.model_validate(document)
    except ValidationError as error:
        raise InputError(_explained(error, where)) from error


def _explained(error: ValidationError, where: str) -> Iterable[Problem]:
    for details in error.errors():
        path = ".".join(str(part) for part in details["loc"])
        found = repr(details["input"])
        if details["type"] == "extra_forbidden":
            yield _problem(where, f"an unknown field {path}", "a field of the catalogue", path)
        elif details["type"] == "missing":
            yield _problem(where, "nothing", "a value", path)
        else:
            allowed = str((details.get("ctx") or {}).get("expected", details["msg"]))
            words = [word.strip(" '") for word in allowed.replace(" or ", ",").split(",")]
            hint = nearest(str(details["input"]), words)
            yield _problem(where, found, allowed, path, hint)


def _merged(sources: Sequence[tuple[str, CatalogueFile]]) -> Catalogue:
    records: dict[str, CheckpointRecord] = {}
    where: dict[str, str] = {}
    for name, file in sources:
        records |= {record.name: record for record in file.checkpoints}
        where |= {record.name: name for record in file.checkpoints}
    contents = [file for _, file in sources]
    published = _published(contents[::-1])
    # The user's price stands first in `published`, so it is written last here.
    prices = {
        price.accelerator: price.usd_per_hour
        for price in reversed(published.device_prices)
        if price.terms is Terms.ON_DEMAND
    }
    devices = {record.name: record for file in contents for record in file.accelerators}
    engines = {record.name: record for file in contents for record in file.engines}
    return Catalogue(
        checkpoints=tuple(checkpoints.build(records, where)),
        accelerators=tuple(device.value(prices.get(name)) for name, device in devices.items()),
        # The user's profiles and factors stand first, so that they are found first.
        profiles=tuple(p.value() for file in reversed(contents) for p in file.profiles),
        engines=tuple(record.value() for record in engines.values()),
        load_factors=tuple(f.value() for file in reversed(contents) for f in file.load_factors),
        published=published,
    )


def _published(contents: Sequence[CatalogueFile]) -> Published:
    """What others published; `contents` with the user's own file first."""
    return Published(
        throughput=tuple(r.value() for file in contents for r in file.throughput),
        measurements=tuple(r.measurement() for file in contents for r in file.measurements),
        latency_fits=tuple(r.value() for file in contents for r in file.latency_fits),
        device_prices=tuple(r.price() for file in contents for r in file.prices),
        api_prices=tuple(r.value() for file in contents for r in file.api_prices),
        cold_starts=tuple(r.cold_start() for file in contents for r in file.cold_starts),
        launch_shapes=tuple(r.value() for file in contents for r in file.launch_shapes),
        answer_lengths=tuple(r.answer_length() for file in contents for r in file.answer_lengths),
    )


def _problem(
    where: str, found: str, allowed: str, path: str = "", hint: str | None = None
) -> Problem:
    return Problem(where=where, path=path, found=found, allowed=allowed, nearest=hint)
