"""What the runtime needs from outside: time, a resource to follow, a Lease, somebody who counts.

A resource is anything that can be listed and followed from a version on. No type here knows which
API that is, and the views of its objects are whatever the caller reads out of them.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

V = TypeVar("V")


class Clock(Protocol):
    """Time, so that a test or an emulation can have its own."""

    def now(self) -> float:
        """Unix seconds; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed."""
        ...


class SourceError(Exception):
    """The other side gave no usable answer; the message is the reason. Trying again may help."""


class Expired(SourceError):  # noqa: N818 - a state of the world, named as such
    """The version to go on from is no longer kept; only a new list helps."""


class Absent(SourceError):  # noqa: N818 - a state of the world, named as such
    """The other side says for certain that there is no such thing."""


class Conflict(SourceError):  # noqa: N818 - a state of the world, named as such
    """Somebody else wrote in between, so nothing was written."""


class Throttled(SourceError):  # noqa: N818 - a state of the world, named as such
    """The other side asks to be left alone for `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Name of one object within its resource; the namespace is empty where there is none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Generic[V]):
    """An object is there and looks like `view`; whether it is new does not matter."""

    key: ObjectKey
    view: V
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """An object is gone."""

    key: ObjectKey
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An object is there, but the view cannot be read out of it; `reason` says why."""

    key: ObjectKey
    reason: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """Nothing happened up to this version."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[V]):
    """A part of a list. `version` is the whole list's; `more` fetches the next part."""

    objects: tuple[Changed[V] | Unreadable, ...]
    version: str
    more: str | None


class Resource(Protocol[V]):
    """A collection of objects that can be listed and followed."""

    async def list(self, *, limit: int, more: str | None) -> Page[V]:
        """One page of at most `limit` objects, the first one where `more` is `None`.

        Raises:
            SourceError: and its kinds `Expired`, `Absent`, `Throttled`; nothing else.
        """
        ...

    def watch(
        self, version: str, *, seconds: float, silence_seconds: float
    ) -> AsyncGenerator[Changed[V] | Deleted | Unreadable | Bookmark, None]:
        """What happens after `version`, for about `seconds`; silence for longer is an error.

        Raises:
            SourceError: and its kinds `Expired`, `Absent`, `Throttled`; nothing else.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """What a Lease says. Times are Unix seconds on the clock of who wrote them: for people only."""

    holder: str | None
    duration_seconds: int
    acquired_at: float | None
    renewed_at: float | None
    transitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A record as it was stored at `version`."""

    record: LeaseRecord
    version: str


class LeaseClient(Protocol):
    """One Lease, read and written. Every method may raise `SourceError`, and nothing else."""

    async def read(self) -> Lease | None:
        """The Lease, or `None` where there is none yet."""
        ...

    async def create(self, record: LeaseRecord) -> Lease:
        """Make the Lease.

        Raises:
            Conflict: it exists.
        """
        ...

    async def update(self, record: LeaseRecord, version: str) -> Lease:
        """Write the record.

        Raises:
            Conflict: the Lease is no longer at `version`.
        """
        ...
