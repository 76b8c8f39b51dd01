"""A Lease of an API server as the elector wants it; implements `runtime.ports.LeaseClient`.

Written by merge patches with the version as a precondition: what others keep in the Lease stays.
"""

from datetime import UTC, datetime
from typing import Any

from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import NotFound
from v4operator.adapters.kube_request import Kind
from v4operator.adapters.kube_resource import KubeResource
from v4operator.adapters.kube_views import ObjectMeta, ObjectView, View
from v4operator.runtime.ports import Lease, LeaseRecord, ObjectKey

LEASES = Kind(group="coordination.k8s.io", version="v1", plural="leases")


class _Meta(ObjectMeta):
    resource_version: str


class _Spec(View):
    """Everything in a Lease may be missing: anybody can make one by hand."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class _Lease(ObjectView):
    metadata: _Meta
    spec: _Spec = _Spec()


class KubeLease:
    """The Lease of that key."""

    def __init__(self, api: KubeApi, key: ObjectKey) -> None:
        self._key = key
        self._leases = KubeResource(api, LEASES, _Lease)

    async def read(self) -> Lease | None:
        """The Lease, or `None` where there is none yet.

        Raises:
            KubeError: no good answer.
        """
        try:
            return _lease(await self._leases.get(self._key))
        except NotFound:
            return None

    async def create(self, record: LeaseRecord) -> Lease:
        """Make the Lease.

        Raises:
            KubeError: `KubeConflict` where it exists, `NotFound` where the namespace does not.
        """
        body = {
            "apiVersion": f"{LEASES.group}/{LEASES.version}",
            "kind": "Lease",
            "metadata": {"name": self._key.name},
            "spec": _spec(record),
        }
        return _lease(await self._leases.create(self._key.namespace, body))

    async def update(self, record: LeaseRecord, version: str) -> Lease:
        """Write the record.

        Raises:
            KubeError: `KubeConflict` where the Lease is no longer at `version`.
        """
        patch = {"metadata": {"resourceVersion": version}, "spec": _spec(record)}
        return _lease(await self._leases.merge(self._key, patch))


def micro_time(seconds: float) -> str:
    """Unix seconds as the API's MicroTime: RFC 3339 with six decimals."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(record: LeaseRecord) -> dict[str, Any]:
    return {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": record.duration_seconds,
        "acquireTime": None if record.acquired_at is None else micro_time(record.acquired_at),
        "renewTime": None if record.renewed_at is None else micro_time(record.renewed_at),
        "leaseTransitions": record.transitions,
    }


def _lease(view: _Lease) -> Lease:
    spec = view.spec
    record = LeaseRecord(
        holder=spec.holder_identity or None,
        duration_seconds=spec.lease_duration_seconds or 0,
        acquired_at=spec.acquire_time.timestamp() if spec.acquire_time else None,
        renewed_at=spec.renew_time.timestamp() if spec.renew_time else None,
        transitions=spec.lease_transitions or 0,
    )
    return Lease(record=record, version=view.metadata.resource_version)
