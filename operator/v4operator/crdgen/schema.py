"""A pydantic model -> a structural schema, as a CustomResourceDefinition must have it.

Strict: a keyword that is not known here is an error, never passed on or dropped in silence. Knows
the rules of Kubernetes, nothing of V4Deployment.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from v4operator.api.markers import (
    COLUMN,
    LIST_KEYS,
    LIST_TYPE,
    PRESERVE,
    RULES,
    SELECTABLE,
    WRITTEN_AS,
    Schema,
)

# Passed on as they are. `enum`, `pattern` and bounds mean the same on both sides.
_SAME = frozenset(
    {
        "description",
        "enum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "required",
        "type",
        LIST_KEYS,
        LIST_TYPE,
        PRESERVE,
        RULES,
        # Marks for `crd`, which takes them out.
        COLUMN,
        SELECTABLE,
    }
)
# Titles repeat names, and the server prunes what is unknown whether it is told to or not.
_DROPPED = frozenset({"title", "examples"})
# OpenAPI 3.0, which Kubernetes follows, has a boolean beside the bound.
_EXCLUSIVE = {
    "exclusiveMinimum": ("minimum", "exclusiveMinimum"),
    "exclusiveMaximum": ("maximum", "exclusiveMaximum"),
}
_NULL = {"type": "null"}
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]

# Largest unit first: a default is written with the one that needs no fraction.
_DURATIONS = (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1))
_MICROSECONDS = 1e6


class NotStructuralError(ValueError):
    """A model says something that a structural schema cannot; names the place."""


def structural(model: type[BaseModel]) -> Schema:
    """The schema of `model`, references resolved, with the marks for `crd` still in it.

    Raises:
        NotStructuralError: a keyword without a treatment, a recursion, a default that Kubernetes
            would not fill in.
    """
    whole = model.model_json_schema(by_alias=True, mode="validation")
    definitions = whole.pop("$defs", {})
    return _Writer(definitions).node(whole, model.__name__, ())


def duration_text(seconds: float) -> str:
    """`600.0` as `10m`, `0.033` as `33ms`: the largest unit that needs no fraction."""
    microseconds = round(seconds * _MICROSECONDS)
    unit, size = next(row for row in _DURATIONS if microseconds % row[1] == 0)
    return f"{microseconds // size}{unit}"


_FORMS: dict[str, Callable[[Any], str]] = {"duration": duration_text}


class _Writer:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def node(self, given: Schema, place: str, inside: tuple[str, ...]) -> Schema:
        """One node and everything below it; `inside` are the definitions it stands in."""
        flat, inside = self._resolved(_without_null(given, place), place, inside)
        written: Schema = {}
        for keyword, value in flat.items():
            written |= self._keyword(keyword, value, place, inside)
        written |= _default(flat, written, place)
        if "type" not in written and not written.get("x-kubernetes-int-or-string"):
            raise NotStructuralError(f"{place}: has no type")
        return written

    def _resolved(
        self, given: Schema, place: str, inside: tuple[str, ...]
    ) -> tuple[Schema, tuple[str, ...]]:
        """Put definitions in the place of references; what stands beside one goes over it."""
        while "$ref" in given:
            name = given["$ref"].rpartition("/")[2]
            if name in inside:
                raise NotStructuralError(f"{place}: {name} contains itself")
            beside = {key: value for key, value in given.items() if key != "$ref"}
            given, inside = _over(self._definitions[name], beside), (*inside, name)
        return given, inside

    def _keyword(self, keyword: str, value: Any, place: str, inside: tuple[str, ...]) -> Schema:
        if keyword in _SAME:
            return {keyword: value}
        if keyword in _EXCLUSIVE:
            bound, exclusive = _EXCLUSIVE[keyword]
            return {bound: value, exclusive: True}
        if keyword in _DROPPED or keyword in {"default", WRITTEN_AS}:
            return {}
        below = self._below(keyword, value, place, inside)
        if below is None:
            raise NotStructuralError(f"{place}: {keyword!r} has no place in a structural schema")
        return below

    def _below(
        self, keyword: str, value: Any, place: str, inside: tuple[str, ...]
    ) -> Schema | None:
        """Keywords that hold schemas, and those whose value decides."""
        if keyword == "properties":
            properties = {
                name: self.node(below, f"{place}.{name}", inside) for name, below in value.items()
            }
            return {"properties": properties}
        if keyword == "items":
            return {"items": self.node(value, f"{place}[]", inside)}
        if keyword == "additionalProperties":
            return self._additional(value, place, inside)
        if keyword == "const":
            return {"enum": [value]}
        if keyword == "anyOf" and value == _INT_OR_STRING:
            return {"x-kubernetes-int-or-string": True, "anyOf": _INT_OR_STRING}
        return None

    def _additional(self, value: Any, place: str, inside: tuple[str, ...]) -> Schema:
        """True only where the content is preserved, false everywhere: the server prunes."""
        if isinstance(value, bool):
            return {}
        return {"additionalProperties": self.node(value, f"{place}{{}}", inside)}


def _over(definition: Schema, beside: Schema) -> Schema:
    """`beside` wins, except that rules of both hold."""
    both = [*definition.get(RULES, []), *beside.get(RULES, [])]
    return definition | beside | ({RULES: both} if both else {})


def _without_null(given: Schema, place: str) -> Schema:
    """`X or null`: X, nullable only where there is no default, so that null says something."""
    branches = given.get("anyOf", [])
    rest = [branch for branch in branches if branch != _NULL]
    if len(rest) == len(branches):
        return given
    if len(rest) != 1:
        raise NotStructuralError(f"{place}: a union of more than one type and null")
    beside = {key: value for key, value in given.items() if key != "anyOf"}
    nullable = {} if "default" in given else {"nullable": True}
    return _over(rest[0], beside) | nullable


def _default(flat: Schema, written: Schema, place: str) -> Schema:
    """The default as a manifest has it; that of an object is made of those of its fields."""
    default = flat.get("default")
    if default is None:
        return {}
    if isinstance(default, dict):
        _check_object_default(flat, default, place)
        below = written["properties"].items()
        return {"default": {name: n["default"] for name, n in below if "default" in n}}
    form = flat.get(WRITTEN_AS)
    if form is None:
        return {"default": default}
    if form not in _FORMS:
        raise NotStructuralError(f"{place}: a default that is written as {form}")
    return {"default": _FORMS[form](default)}


def _check_object_default(flat: Schema, default: Schema, place: str) -> None:
    """Kubernetes fills in the fields of an object that is given: both ways must end alike."""
    for name, below in flat.get("properties", {}).items():
        if _said(default.get(name)) != _said(below.get("default")):
            raise NotStructuralError(f"{place}: its default is not that of its field {name}")


def _said(default: Any) -> Any:
    """An empty list is as good as none: pydantic does not show what a factory makes."""
    return None if default == [] else default
