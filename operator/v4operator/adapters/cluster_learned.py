"""Keeps what was learned of each fleet in one ConfigMap, so that a new leader does not start blind.

Beside it, who else has set a count: a fight that was given up is not taken up by the next leader.

Small and versioned: the fits and the start-up times, not the evidence of the last minutes. Nothing
depends on it: what cannot be read is learned again, what cannot be written is told and tried later.
"""

from collections.abc import Iterable

import structlog
from pydantic import Field
from pydantic_core import PydanticSerializationError

from v4operator.adapters.cluster_contest import Contest
from v4operator.adapters.cluster_views import CONFIG_MAPS, Meta
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import KubeConflict, KubeError, NotFound
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import ObjectView
from v4operator.adapters.learned_text import (
    SAVE_SECONDS,
    contest_of,
    contest_text,
    parsed,
    rendered,
)
from v4operator.model.learned import Learned
from v4operator.runtime.ports import Clock, ObjectKey

log = structlog.get_logger()

CONFIG_MAP = "v4-operator-learned"
"""Named in the operator's Role: it may touch no other."""

_MOST_BYTES = 900_000
"""A ConfigMap holds 1 MiB; a fleet takes some kilobytes."""


class _ConfigMap(ObjectView):
    metadata: Meta
    data: dict[str, str] = Field(default_factory=dict)


class ClusterLearned:
    """The ConfigMap in the operator's own namespace."""

    def __init__(self, api: KubeApi, namespace: str, clock: Clock) -> None:
        self._maps = KubeResource(api, CONFIG_MAPS, _ConfigMap)
        self._key = ObjectKey(namespace, CONFIG_MAP)
        self._clock = clock
        self._entries: dict[str, str] = {}
        self._saved: dict[str, str] = {}
        self._version: str | None = None
        self._is_read = False
        self._due = clock.now() + SAVE_SECONDS

    async def read(self, key: ObjectKey) -> Learned | None:
        """What an earlier process has kept of that V4Deployment."""
        if not self._is_read:
            await self._read_all()
        text = self._entries.get(_name(key))
        return None if text is None else parsed(text)

    async def contest(self, key: ObjectKey) -> Contest | None:
        """What an earlier process has seen of other writers of its count."""
        if not self._is_read:
            await self._read_all()
        text = self._entries.get(_contest_name(key))
        return None if text is None else contest_of(text)

    def note(self, key: ObjectKey, learned: Learned, contest: Contest | None) -> None:
        """What is to be kept from now on; written when it is due, a reversal at once."""
        try:
            self._entries[_name(key)] = rendered(learned)
        except PydanticSerializationError as error:
            log.warning("learned_not_kept", v4deployment=str(key), reason=str(error))
        name = _contest_name(key)
        if contest is None or not contest.reversals:
            gone = self._entries.pop(name, None)
            self._due = self._due if gone is None else self._clock.now()
            return
        text = contest_text(contest)
        if self._entries.get(name) != text:
            self._entries[name], self._due = text, self._clock.now()

    def forget(self, key: ObjectKey) -> None:
        """The V4Deployment is gone."""
        self._entries.pop(_name(key), None)
        self._entries.pop(_contest_name(key), None)

    async def save_if_due(self, present: Iterable[ObjectKey]) -> None:
        """Write, at most once in five minutes, if anything has changed.

        `present` are the V4Deployments that there are: what was kept of others is dropped.
        """
        if self._clock.now() >= self._due:
            await self.save(present)

    async def save(self, present: Iterable[ObjectKey]) -> None:
        """Write if anything has changed, as at a graceful end. Never raises for what the API says.

        `present` as above.
        """
        self._due = self._clock.now() + SAVE_SECONDS
        if not self._is_read:
            await self._read_all()
        if self._is_read:
            await self._save({name(key) for key in present for name in (_name, _contest_name)})

    async def _save(self, present: set[str]) -> None:
        data = _bounded({name: text for name, text in self._entries.items() if name in present})
        if data == self._saved:
            return
        metadata = {"name": self._key.name, "namespace": self._key.namespace}
        if self._version is not None:
            metadata["resourceVersion"] = self._version
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        try:
            view = await self._maps.apply(self._key, body, force=True)
        except KubeConflict:
            self._is_read = False  # somebody else wrote: their version first
        except KubeError as error:
            log.warning("learned_not_saved", reason=str(error))
        else:
            self._version, self._saved = view.metadata.resource_version, data

    async def _read_all(self) -> None:
        try:
            view = await self._maps.get(self._key)
        except NotFound:
            self._is_read, self._version = True, None
            return
        except KubeError as error:
            log.warning("learned_not_read", reason=str(error))
            return
        self._is_read, self._version = True, view.metadata.resource_version
        self._saved = dict(view.data)
        self._entries = {**view.data, **self._entries}


def _name(key: ObjectKey) -> str:
    """A key of a ConfigMap: a namespace has no dot, so that this cannot be another's."""
    return f"{key.namespace}.{key.name}"


def _contest_name(key: ObjectKey) -> str:
    """No part of a name begins with a hyphen, so that this cannot be another's."""
    return f"{_name(key)}.-contest"


def _bounded(entries: dict[str, str]) -> dict[str, str]:
    """As many as there is room for, in the order of their names."""
    kept: dict[str, str] = {}
    room = _MOST_BYTES
    for name, text in sorted(entries.items()):
        room -= len(name) + len(text)
        if room < 0:
            log.warning("learned_not_kept", reason=f"more than {_MOST_BYTES} bytes", first=name)
            break
        kept[name] = text
    return kept
