"""What an API server may answer instead of what was asked for: few kinds, one for each reaction.

Messages are for people: they name verb and resource, quote at most a little of what the server
said, and never hold a token or a body that was sent.
"""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from v4operator.adapters.kube_request import KubeRequest
from v4operator.runtime.ports import Absent, Conflict, Expired, SourceError, Throttled

_SHOWN = 300
"""Characters of the server's own message that are quoted: a validation error needs that many."""

_DEFAULT_RETRY_AFTER_SECONDS = 1.0
"""Where a 429 names no time: what API servers themselves ask for."""


class KubeError(SourceError):
    """The request did not go through."""


class Unavailable(KubeError):  # noqa: N818 - a state of the world, named as such
    """No usable answer: not reached, broken off, too slow, too long, 401, or 5xx."""


class NotFound(KubeError, Absent):  # noqa: N818 - a state of the world, named as such
    """No such object, or no such resource."""


class KubeConflict(KubeError, Conflict):  # noqa: N818 - a state of the world, named as such
    """The object has another version than the one given, exists, or belongs to another manager."""


class Gone(KubeError, Expired):  # noqa: N818 - a state of the world, named as such
    """The server has forgotten the version or the page that was asked for."""


class Rejected(KubeError):  # noqa: N818 - a state of the world, named as such
    """The server understood and refuses: what was sent is not valid. Trying again does not help."""


class Forbidden(KubeError):  # noqa: N818 - a state of the world, named as such
    """Permission is missing; the message is the rule that a Role would need."""


class TooMany(KubeError, Throttled):  # noqa: N818 - a state of the world, named as such
    """The server asks to be left alone for a while."""


class Status(BaseModel):
    """What of a `Status` object counts here; an API server sends one with every error."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    class Details(BaseModel):
        """The part that says when to come back."""

        model_config = ConfigDict(alias_generator=to_camel, frozen=True)

        retry_after_seconds: float | None = None

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = Field(default=None)

    @property
    def retry_after_seconds(self) -> float | None:
        """When to come back, if the server says so."""
        return self.details.retry_after_seconds if self.details else None


def status_of(code: int, body: bytes) -> Status:
    """The status in an error's body; a proxy's page becomes its message."""
    try:
        status = Status.model_validate_json(body)
    except ValidationError:
        status = Status(message=body.decode(errors="replace"))
    return status.model_copy(update={"code": code})


def error_of(
    request: KubeRequest, status: Status, retry_after_seconds: float | None = None
) -> KubeError:
    """The error for an answer that is none; the header's Retry-After comes before the body's."""
    parts = (str(status.code), status.reason, shown(status.message))
    said = f"{request}: {' '.join(part for part in parts if part)}"
    if status.code == HTTPStatus.FORBIDDEN:
        return Forbidden(f"not allowed to {request}; the Role needs {request.rule}")
    if status.code == HTTPStatus.TOO_MANY_REQUESTS:
        asked = retry_after_seconds or status.retry_after_seconds
        return TooMany(said, asked or _DEFAULT_RETRY_AFTER_SECONDS)
    is_refusal = status.code in _CLIENT_ERRORS or status.message.startswith(_WRONG_TYPE)
    others = Rejected if is_refusal else Unavailable
    return _KINDS.get(status.code, others)(said)


def shown(text: str) -> str:
    """At most a little of foreign text, printable, on one line."""
    line = " ".join(text[: _SHOWN + 1].split())
    printable = "".join(each if each.isprintable() else "?" for each in line)
    return printable if len(text) <= _SHOWN else f"{printable[:_SHOWN]}..."


_WRONG_TYPE = "failed to create typed patch object"
"""A field of the wrong type in a server-side apply is answered with 500, not 422 (1.37.2)."""

_CLIENT_ERRORS = range(400, 500)

_KINDS: dict[int, type[KubeError]] = {
    HTTPStatus.UNAUTHORIZED: Unavailable,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: KubeConflict,
    HTTPStatus.GONE: Gone,
    HTTPStatus.REQUEST_TIMEOUT: Unavailable,
}
"""Statuses with a kind of their own; others are `Rejected` from 400 to 499, else `Unavailable`."""
