"""Writes the status of V4Deployments, rarely, and reads it back when a new leader begins.

At once where something changed that a person or a controller acts on, at most once a minute where
only figures moved, never where nothing did. A write carries the version last seen: a second writer
makes it conflict, and the object is then read anew.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from v4operator.adapters.cluster_views import V4DEPLOYMENTS, Meta
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import KubeConflict
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import ObjectView
from v4operator.model.status import Status
from v4operator.runtime.ports import Clock, ObjectKey

_REST_SECONDS = 60.0
"""Figures move all the time; a person who looks at a fleet at rest needs no fresher ones."""

_TIMES = {"time", "last_transition_time"}

_STATUS = TypeAdapter(Status)


class _Written(ObjectView):
    metadata: Meta
    status: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the API server held when it last answered; `at` is when we wrote it."""

    status: dict[str, Any]
    uid: str
    version: str
    at: float


class ClusterStatus:
    """The status subresource of V4Deployments, as one field manager."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._objects = KubeResource(api, V4DEPLOYMENTS, _Written)
        self._clock = clock
        self._known: dict[ObjectKey, _Known] = {}

    async def read(self, key: ObjectKey) -> Status | None:
        """What is written there already, if it can be understood.

        Raises:
            KubeError: no good answer.
        """
        return restored(key, await self.held(key))

    async def held(self, key: ObjectKey) -> dict[str, Any]:
        """The status document as it was last seen.

        Raises:
            KubeError: no good answer.
        """
        return (self._known.get(key) or await self._look(key)).status

    async def write(self, key: ObjectKey, status: dict[str, Any]) -> bool:
        """Write the document's status if it is due; whether it was written.

        Raises:
            KubeError: it was not.
        """
        known = self._known.get(key) or await self._look(key)
        if not self._due(known, status):
            return False
        document = {
            "apiVersion": V4DEPLOYMENTS.root.removeprefix("/apis/"),
            "kind": "V4Deployment",
            "metadata": {"name": key.name, "uid": known.uid, "resourceVersion": known.version},
            "status": status,
        }
        try:
            view = await self._objects.apply(key, document, subresource="status", force=True)
        except KubeConflict:
            del self._known[key]
            return False
        self._note(key, view, status, self._clock.now())
        return True

    def forget(self, key: ObjectKey) -> None:
        """The object is gone."""
        self._known.pop(key, None)

    async def _look(self, key: ObjectKey) -> _Known:
        view = await self._objects.get(key)
        return self._note(key, view, view.status, float("-inf"))

    def _note(self, key: ObjectKey, view: _Written, status: dict[str, Any], at: float) -> _Known:
        meta = view.metadata
        known = _Known(status=status, uid=meta.uid, version=meta.resource_version, at=at)
        self._known[key] = known
        return known

    def _due(self, known: _Known, body: dict[str, Any]) -> bool:
        if body == known.status:
            return False
        rested = self._clock.now() - known.at >= _REST_SECONDS
        return rested or headline(body) != headline(known.status)


def headline(status: dict[str, Any]) -> tuple[Any, ...]:
    """The part of a status document whose change is a transition; figures are not in it."""
    decision = status.get("lastDecision") or {}
    return (
        [status.get(name) for name in _HEADLINES],
        [decision.get(name) for name in ("action", "current", "desired", "reason")],
        [[each.get(n) for n in ("type", "status", "reason")] for each in _listed(status, _CONDS)],
        [[each.get(n) for n in ("name", "phase", "routable")] for each in _listed(status, _PARTS)],
        [each.get("reason") for each in _listed(status, "findings")],
        (status.get("hbm") or {}).get("verdict"),
        (status.get("throughput") or {}).get("verdict"),
    )


_HEADLINES = ("observedGeneration", "replicas", "readyReplicas", "desiredReplicas", "selector")
_CONDS, _PARTS = "conditions", "replicaStatuses"


def _listed(status: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return status.get(name) or []


def restored(key: ObjectKey, document: dict[str, Any]) -> Status | None:
    """The status that `report.document` made a document of; `None` where it is none of those."""
    values = _snaked({**document, "key": {"namespace": key.namespace, "name": key.name}})
    try:
        return _STATUS.validate_python(values)
    except ValidationError:
        return None


def _snaked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        named = ((_CAPITAL.sub(r"_\1", each).lower(), inner) for each, inner in value.items())
        return {each: _snaked(inner, each) for each, inner in named}
    if isinstance(value, list):
        return tuple(_snaked(each) for each in value)
    if name in _TIMES and isinstance(value, str):
        return _seconds(value)
    return value


_CAPITAL = re.compile("([A-Z])")


def _seconds(text: str) -> float | None:
    """Unix seconds of an RFC 3339 time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
