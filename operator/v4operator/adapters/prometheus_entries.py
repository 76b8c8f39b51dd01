"""The Prometheus servers that the operator may ask: named entries of a mounted file.

Addresses and credentials stand here only; a V4Deployment names an entry and never brings a URL.
Tokens and certificates are files of their own, so that they rotate and are not in this one.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from v4operator.model.problem import InputError, Problem, nearest

_MAX_BYTES = 1 << 20
"""An entry takes some 300 bytes."""

_Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=200)]
_Short = Annotated[str, Field(max_length=1000, pattern=r"^[\x20-\x7e]+$")]


class PrometheusEntry(BaseModel):
    """One server: where it is, how to show who one is, and how its labels name a replica."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
    url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$", max_length=2048)]
    default: bool = False
    token_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], _Short] = Field(
        default_factory=dict
    )
    matchers: dict[_Label, _Short] = Field(default_factory=dict)
    # `instance` is host:port of what was scraped, on every series that Prometheus has scraped.
    replica_by: Literal["Address", "Name"] = "Address"
    replica_label: _Label = "instance"
    namespace_label: _Label | None = None
    # Servers in pairs scrape everything twice; these labels tell their copies apart.
    ignored_labels: frozenset[_Label] = frozenset({"prometheus", "prometheus_replica"})
    timeout_seconds: Annotated[float, Field(gt=0, le=9)] = 5.0

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if self.replica_by == "Name" and self.namespace_label is None:
            raise PydanticCustomError(
                "namespace_label_missing",
                "namespaceLabel beside replicaBy: Name (pods of one name may be in two namespaces)",
            )
        return self

    def tls(self) -> ssl.SSLContext:
        """Whom to trust and what to show.

        Raises:
            OSError: a file is missing or not what it should be.
        """
        # An authority that is named keeps the system's out.
        context = ssl.create_default_context(cafile=self.ca_file)
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Read the files into a context that is in use already.

        Raises:
            OSError: a file is missing or not what it should be.
        """
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    prometheus: list[PrometheusEntry] = Field(min_length=1, max_length=100)


class PrometheusEntries:
    """The entries by name."""

    def __init__(self, entries: tuple[PrometheusEntry, ...] = ()) -> None:
        self._by_name = {entry.name: entry for entry in entries}
        alone = entries[0] if len(entries) == 1 else None
        self._default = next((entry for entry in entries if entry.default), alone)

    def __iter__(self) -> Iterator[PrometheusEntry]:
        """All of them, in the order of the file."""
        return iter(self._by_name.values())

    def find(self, name: str) -> PrometheusEntry | str:
        """The entry of that name ("": the default or only one), or why there is none."""
        found = self._by_name.get(name) if name else self._default
        if found is not None:
            return found
        if not self._by_name:
            return "the operator's settings name no Prometheus (V4_PROMETHEUS_FILE)"
        allowed = ", ".join(sorted(self._by_name))
        if not name:
            return f"no Prometheus is the default: the spec has to name one of {allowed}"
        hint = nearest(name, self._by_name)
        meant = f"; did you mean {hint!r}?" if hint else ""
        return f"the operator's settings name no Prometheus {name!r}, allowed: {allowed}{meant}"


def load_entries(path: Path | None) -> PrometheusEntries:
    """The entries of a file; none where no file is named.

    Raises:
        InputError: it cannot be read or used; values are never quoted, as some are secret.
    """
    if path is None:
        return PrometheusEntries()
    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file.read(_MAX_BYTES))
        entries = tuple(_File.model_validate(document).prometheus)
    except OSError as error:
        raise _wrong(path, "", error.strerror or "unreadable", "a readable file") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise _wrong(path, "", "no YAML", "YAML with a list `prometheus`") from None
    except ValidationError as error:
        raise InputError(
            Problem(
                where=str(path),
                path=".".join(map(str, details["loc"])),
                found=details["type"].replace("_", " "),
                allowed=details["msg"],
            )
            for details in error.errors(include_input=False, include_url=False)
        ) from None
    _refuse_ambiguous(path, entries)
    _refuse_without_certificates(path, entries)
    return PrometheusEntries(entries)


def _refuse_ambiguous(path: Path, entries: tuple[PrometheusEntry, ...]) -> None:
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _wrong(path, "prometheus", f"{', '.join(twice)} twice", "one entry per name")
    if sum(entry.default for entry in entries) > 1:
        raise _wrong(path, "prometheus", "several defaults", "one default entry")


def _refuse_without_certificates(path: Path, entries: tuple[PrometheusEntry, ...]) -> None:
    for place, entry in enumerate(entries):
        for field, file in (
            ("caFile", entry.ca_file),
            ("certificateFile", entry.certificate_file),
            ("keyFile", entry.key_file),
        ):
            if file is not None and not file.is_file():
                where = f"prometheus.{place}.{field}"
                raise _wrong(path, where, f"{file}, which is no file", "a file in PEM format")
        try:
            entry.tls()
        except OSError:  # its message may quote the file
            where = f"prometheus.{place}"
            raise _wrong(
                path, where, "unusable certificates", "PEM, key and certificate a pair"
            ) from None


def _wrong(path: Path, place: str, found: str, allowed: str) -> InputError:
    return InputError([Problem(where=str(path), path=place, found=found, allowed=allowed)])
