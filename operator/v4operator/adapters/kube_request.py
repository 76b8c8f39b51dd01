"""One request to an API server as a value: which verb on which resource. Sends nothing.

Paths are explicit, so that no discovery is asked for and no model of a client library is loaded.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

Verb = Literal["get", "list", "watch", "create", "patch"]

_METHODS: dict[Verb, str] = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "patch": "PATCH",
}

_SEGMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?")
"""What a name may look like within a path. Kubernetes allows less for most kinds, but nothing that
leads elsewhere: a manifest may name a workload, and ".." is one that must not be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A resource of the API; the core group is the empty one."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """The path below which the kind is found."""
        api = f"/apis/{self.group}" if self.group else "/api"
        return f"{api}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeRequest:
    """A request before it is sent. An empty namespace is all of them, or none for its kind.

    `behind` is the path that a proxy subresource is to ask its pod for.

    Raises:
        ValueError: namespace, name or a part of `behind` could lead out of the path.
    """

    verb: Verb
    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: tuple[tuple[str, str], ...] = ()
    body: dict[str, Any] | None = None
    content_type: str = "application/json"
    behind: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = (("part of a path", part) for part in self.behind)
        for what, value in (("namespace", self.namespace), ("name", self.name), *parts):
            if value and not _SEGMENT.fullmatch(value):
                raise ValueError(f"{value!r} is no {what} that an object of {self.kind} could have")

    def __str__(self) -> str:
        """For people: `patch deployments.apps/scale ns/flash`."""
        where = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {self.kind}{self._below} {where}".rstrip()

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS[self.verb]

    @property
    def path(self) -> str:
        """The path, quoted."""
        scope = f"namespaces/{self.namespace}" if self.namespace else ""
        named = (self.kind.plural, self.name, self.subresource, *self.behind)
        parts = (self.kind.root, scope, *named)
        return quote("/".join(part for part in parts if part))

    @property
    def rule(self) -> str:
        """The entry of a Role that allows this."""
        return (
            f'{{apiGroups: ["{self.kind.group}"], resources: ["{self.kind.plural}{self._below}"], '
            f'verbs: ["{self.verb}"]}}'
        )

    @property
    def _below(self) -> str:
        return f"/{self.subresource}" if self.subresource else ""
