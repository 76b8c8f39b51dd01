"""pydantic's errors in the words of whoever wrote the file: path, found, allowed, nearest."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from v4operator.model.problem import Problem, nearest

_QUOTED = 80  # characters of a found value that are shown


def explain(error: ValidationError, model: type[BaseModel], where: str) -> Iterator[Problem]:
    """Every mistake of one document; `model` is what it was read as, `where` its file."""
    for details in error.errors():
        yield _problem(details, model, where)


def _problem(error: ErrorDetails, model: type[BaseModel], where: str) -> Problem:
    location = [str(part) for part in error["loc"]]
    context: dict[str, Any] = dict(error.get("ctx") or {})
    if error["type"] == "extra_forbidden":
        allowed = _fields(_model_at(location[:-1], model))
        found, hint = f"an unknown field {location[-1]!r}", nearest(location[-1], allowed)
        return _at(where, location, found, ", ".join(allowed), hint)
    if error["type"] == "missing":
        return _at(where, location, "nothing", _described(location, model), None)
    found = _quoted(error["input"])
    if error["type"] == "literal_error" or error["type"] == "enum":
        words = [
            word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")
        ]
        return _at(where, location, found, ", ".join(words), nearest(str(error["input"]), words))
    if "allowed" in context:
        return _at(where, location, found, str(context["allowed"]), context.get("nearest"))
    return _at(where, location, found, error["msg"].removeprefix("Input should be "), None)


def _at(where: str, location: list[str], found: str, allowed: str, hint: str | None) -> Problem:
    return Problem(where=where, path=".".join(location), found=found, allowed=allowed, nearest=hint)


def _quoted(value: Any) -> str:
    """What was found; of a mapping the names only: a flag with its value is one after a colon."""
    text = f"a mapping of {', '.join(map(repr, value))}" if isinstance(value, dict) else repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def _fields(model: type[BaseModel] | None) -> list[str]:
    """Field names as they are written in a manifest."""
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _described(location: list[str], model: type[BaseModel]) -> str:
    parent = _model_at(location[:-1], model)
    for name, field in (parent.model_fields if parent else {}).items():
        if location[-1] in {name, field.alias}:
            return f"required. {field.description or ''}".strip()
    return "required"


def _model_at(location: list[str], model: type[BaseModel]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in location:
        fields = current.model_fields.items() if current else ()
        inner = [f.annotation for name, f in fields if part in {name, f.alias}]
        current = _inner_model(inner[0]) if inner else None
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
