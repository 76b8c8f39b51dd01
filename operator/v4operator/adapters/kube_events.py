"""Events on objects, for people who read `kubectl describe`. Losing one never matters.

Only transitions are told, so nothing is counted or put together here.
"""

from enum import StrEnum

import structlog

from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import KubeError
from v4operator.adapters.kube_lease import micro_time
from v4operator.adapters.kube_request import Kind
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import ObjectView, View
from v4operator.runtime.ports import Clock

log = structlog.get_logger()

EVENTS = Kind(group="events.k8s.io", version="v1", plural="events")

_CONTROLLER = "v4serving.dev/v4-operator"
"""Who reports: the API wants a name with a domain."""

_NOTE_BYTES = 1024
"""The API refuses longer notes."""

_CLUSTER_NAMESPACE = "default"
"""Where events on objects without a namespace go, by the API's rule."""


class EventType(StrEnum):
    """The API knows these two."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Regarding(View):
    """The object that an event is about."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str
    uid: str


class KubeEvents:
    """Writes events in the name of one operator process."""

    def __init__(self, api: KubeApi, clock: Clock, instance: str) -> None:
        """`instance` is the process's identity, as in the Lease."""
        self._events = KubeResource(api, EVENTS, ObjectView)
        self._clock = clock
        self._instance = instance

    async def record(
        self, regarding: Regarding, kind: EventType, *, reason: str, action: str, note: str
    ) -> None:
        """Tell of a transition.

        Args:
            regarding: the object that it is about.
            kind: normal, or something that a person should look at.
            reason: a CamelCase constant, why.
            action: a CamelCase constant, what was done or not.
            note: the sentence; a long one is cut.
        """
        now = self._clock.now()
        namespace = regarding.namespace or _CLUSTER_NAMESPACE
        body = {
            "apiVersion": f"{EVENTS.group}/{EVENTS.version}",
            "kind": "Event",
            # The API's own habit: the object's name and the time make the event's name.
            "metadata": {"name": f"{regarding.name}.{int(now * 1e9):x}", "namespace": namespace},
            "eventTime": micro_time(now),
            "reportingController": _CONTROLLER,
            "reportingInstance": self._instance,
            "type": kind.value,
            "reason": reason,
            "action": action,
            "note": _cut(note),
            "regarding": regarding.model_dump(by_alias=True),
        }
        try:
            await self._events.create(namespace, body)
        except KubeError as error:
            log.warning("event_not_recorded", reason=str(error), object=regarding.name)


def _cut(note: str) -> str:
    """At most as many bytes as the API takes, no character cut in two."""
    raw = note.encode()
    return note if len(raw) <= _NOTE_BYTES else raw[:_NOTE_BYTES].decode(errors="ignore")
