"""Keeps the ConfigMap that the admission policies look things up in equal to the catalogue.

Written only where it differs, by the leader alone. What stands in it is `crdgen`'s matter.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from pydantic import Field

from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import KubeError, NotFound
from v4operator.adapters.kube_request import Kind
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import ObjectView
from v4operator.runtime.ports import Clock, ObjectKey

log = structlog.get_logger()

_CONFIG_MAPS = Kind(group="", version="v1", plural="configmaps")

_LOOK_AGAIN_SECONDS = 600.0
"""A table that somebody deleted is back after this long; one read in ten minutes costs nothing."""

_RETRY_SECONDS = 15.0
"""After no good answer: whoever applies in the meantime is told by a condition all the same."""


class _Table(ObjectView):
    data: dict[str, str] = Field(default_factory=dict)


class ClusterCapacityTable:
    """One ConfigMap; `made` makes the whole object as it should be, when it is first needed.

    It takes most of a second to make, and whoever never leads never needs it.
    """

    def __init__(self, api: KubeApi, made: Callable[[], Mapping[str, Any]], clock: Clock) -> None:
        self._made = made
        self._table: Mapping[str, Any] | None = None
        self._maps = KubeResource(api, _CONFIG_MAPS, _Table)
        self._clock = clock

    async def keep(self) -> None:
        """Keep it right for as long as this process leads; ends by being cancelled."""
        while True:
            await self._clock.sleep(await self._kept())

    async def write(self) -> bool:
        """Write it if it differs; whether it was written.

        Raises:
            KubeError: it could not be read or written.
        """
        if self._table is None:
            self._table = await asyncio.to_thread(self._made)
        metadata = self._table["metadata"]
        key = ObjectKey(metadata["namespace"], metadata["name"])
        try:
            held = (await self._maps.get(key)).data
        except NotFound:
            held = {}
        if held == self._table["data"]:
            return False
        await self._maps.apply(key, self._table, force=True)
        log.info("capacity_table_written", configmap=str(key))
        return True

    async def _kept(self) -> float:
        try:
            await self.write()
        except KubeError as error:
            log.warning("capacity_table_not_written", reason=str(error))
            return _RETRY_SECONDS
        return _LOOK_AGAIN_SECONDS
