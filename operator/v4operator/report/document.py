"""Status -> a plain mapping as it is written: camelCase keys, bytes, tokens, seconds, ratios.

Times become RFC 3339 in UTC, as Kubernetes has them. `None` stays: not known is said, not left out.
Pure: the same status gives the same document.
"""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from v4operator.model.deployment import Key
from v4operator.model.status import Status

# Fields whose names in the document differ from camelCase of their own.
_NAMES = {"key": "metadata"}

# Left out where there is none: outside of a cluster nothing is selected, which is not unknown.
_OPTIONAL = {"selector"}

_TIMES = {"time", "last_transition_time"}


def document(status: Status) -> dict[str, Any]:
    """JSON-able: `metadata` names the object, `status` holds the rest."""
    whole = plain(status)
    return {
        "apiVersion": "v4serving.dev/v1alpha1",
        "kind": "V4Deployment",
        "metadata": whole.pop("metadata"),
        "status": whole,
    }


def plain(value: Any) -> dict[str, Any]:
    """A frozen value as a mapping of the same form."""
    parts = ((f.name, getattr(value, f.name)) for f in fields(value))
    return {
        _name(name): _plain(name, part)
        for name, part in parts
        if part is not None or name not in _OPTIONAL
    }


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Key):
        return {"namespace": value.namespace, "name": value.name}
    if is_dataclass(value):
        return plain(value)
    if isinstance(value, tuple):
        return [_plain(name, each) for each in value]
    if name in _TIMES:
        return rfc3339(value)
    return value


def rfc3339(seconds: float) -> str:
    """Unix seconds as `2026-11-24T10:52:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(field: str) -> str:
    if field in _NAMES:
        return _NAMES[field]
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)
