"""What the API server is told of a field beyond its type: rules in CEL, list types, columns.

Markers stand in `Annotated` beside the field, or under `model_config` by `rules`. They leave their
mark in pydantic's JSON schema and nowhere else; `crdgen` reads it. Nothing is checked here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

RULES = "x-kubernetes-validations"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
PRESERVE = "x-kubernetes-preserve-unknown-fields"

# Read and taken out again by `crdgen`; Kubernetes never sees these.
COLUMN = "x-v4-column"
SELECTABLE = "x-v4-selectable"
WRITTEN_AS = "x-v4-written-as"

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cel:
    """One rule in base CEL: `rule` holds for `self`, else `message` is the server's answer.

    `field_path` is relative to the marked place and names the field that is at fault. The message
    is fixed: to the server's estimate, a computed one is too dear for any rule.
    """

    rule: str
    message: str
    field_path: str | None = None

    def document(self) -> Schema:
        """As it stands in a schema."""
        path = {} if self.field_path is None else {"fieldPath": self.field_path}
        return {"rule": self.rule, "message": self.message, **path}

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Add the rule to those that are there."""
        schema = handler(core_schema)
        return schema | {RULES: [*schema.get(RULES, []), self.document()]}


def rules(*given: Cel) -> Schema:
    """The `json_schema_extra` of a model whose rules span fields."""
    return {RULES: [rule.document() for rule in given]}


class _Mark(ABC):
    """Keywords that are added to a field's schema as they are."""

    __slots__ = ()

    @abstractmethod
    def keywords(self) -> Schema:
        """What is added."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        return handler(core_schema) | self.keywords()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMap(_Mark):
    """A list whose items are told apart by `keys`: appliers own items, not the whole list."""

    keys: tuple[str, ...]

    def keywords(self) -> Schema:
        """The list type and its keys."""
        return {LIST_TYPE: "map", LIST_KEYS: list(self.keys)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Atomic(_Mark):
    """A list in which order matters: one applier owns all of it."""

    def keywords(self) -> Schema:
        """The list type."""
        return {LIST_TYPE: "atomic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preserved(_Mark):
    """An object whose content the schema does not describe and the server keeps."""

    def keywords(self) -> Schema:
        """Any content."""
        return {PRESERVE: True}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAs(_Mark):
    """Text in a manifest, whatever it is after parsing; `form` names how a default is written.

    `pattern` is RE2 and holds for the whole text.
    """

    form: str
    pattern: str
    max_length: int

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Replaces the schema of the parsed value, which no manifest contains."""
        del core_schema, handler
        return self.keywords()

    def keywords(self) -> Schema:
        """The text and the form of its default."""
        return {
            "type": "string",
            "pattern": self.pattern,
            "maxLength": self.max_length,
            WRITTEN_AS: self.form,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PrinterColumn(_Mark):
    """A column of `kubectl get`; type and path are the field's own."""

    name: str

    def keywords(self) -> Schema:
        """The column's name."""
        return {COLUMN: self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectable(_Mark):
    """A field that `kubectl get --field-selector` may name."""

    def keywords(self) -> Schema:
        """The mark."""
        return {SELECTABLE: True}
