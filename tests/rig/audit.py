"""Reads the API server's audit log: who did what, in order.

Writes carry their request, reads only their metadata (`audit-policy.yaml`). The log is written
before the answer goes out, so a write that was answered is in it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One answered request."""

    at: str
    """When it arrived, RFC 3339 with microseconds."""
    user: str
    user_agent: str
    verb: str
    group: str
    resource: str
    """Plural; empty for a path that is no resource."""
    subresource: str
    namespace: str
    name: str
    path: str
    """The request's URI."""
    status: int
    """HTTP status of the answer."""
    request: dict[str, Any] | list[Any] | None
    """The body of a write."""

    @property
    def writes(self) -> bool:
        """Whether it would change something."""
        return self.verb in WRITES


def read(log: Path) -> Iterator[AuditEntry]:
    """Every answered request, oldest answer first; watches appear when they end."""
    with log.open() as lines:
        for line in lines:
            if line.endswith("\n"):  # the last may still be on its way
                yield _entry(json.loads(line))


def _entry(event: dict[str, Any]) -> AuditEntry:
    target = event.get("objectRef", {})
    return AuditEntry(
        at=event["requestReceivedTimestamp"],
        user=event.get("user", {}).get("username", ""),
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        path=event["requestURI"],
        status=event.get("responseStatus", {}).get("code", 0),
        request=event.get("requestObject"),
    )
