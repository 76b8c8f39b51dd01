"""Asks the leading operator for its decisions: at a URL, or through the API server's proxy.

In the cluster the leader is the pod that holds the Lease; where the Lease changed hands in between
the one that the answer names is asked once more. Only reads, with the rights of whoever asks.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.fetch import Fetcher, FetchError, Limits
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_access import access
from v4operator.adapters.kube_errors import Forbidden, KubeError
from v4operator.adapters.kube_lease import KubeLease
from v4operator.adapters.kube_request import Kind, KubeRequest
from v4operator.runtime.clock import SystemClock
from v4operator.runtime.ports import ObjectKey

_PODS = Kind(group="", version="v1", plural="pods")

_LIMITS = Limits(seconds=10.0, body_bytes=8 * 2**20)
"""A record is some 10 kB, and 2 kB more for each replica; the operator answers from memory."""

Page = dict[str, Any]
Ask = Callable[[str], Awaitable[Page]]
"""The page of that path, such as `v4deployments/ns/name`."""


class NoAnswerError(Exception):
    """No leader answered; the message says who was asked, and what else may work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the operator is: at `url`, or in `namespace` of the cluster of a kubeconfig."""

    url: str | None
    kubeconfig: Path | None
    context: str | None
    namespace: str
    lease_name: str


@asynccontextmanager
async def open_decisions(place: Place) -> AsyncIterator[Ask]:
    """How to ask, until the block ends.

    Raises:
        NoAnswerError: there is no access to a cluster; when asking, no leader answers.
    """
    if place.url is not None:
        async with Fetcher(AddressPolicy(allow_loopback=True)) as fetcher:
            yield _At(fetcher, place.url.rstrip("/")).ask
        return
    try:
        credentials = await access(
            SystemClock(), kubeconfig=place.kubeconfig, context=place.context
        )
    except KubeError as error:
        raise NoAnswerError(f"{error}; or name the operator's own address: --operator") from error
    async with KubeApi(credentials, _Unobserved()) as api:
        yield _Through(api, place).ask


@dataclass(frozen=True, slots=True)
class _At:
    """An operator by its address; a standby cannot be followed from there."""

    fetcher: Fetcher
    url: str

    async def ask(self, path: str) -> Page:
        url = f"{self.url}/v1/{path}"
        try:
            answer = await self.fetcher.fetch(url, limits=_LIMITS, accept="application/json")
        except FetchError as error:
            raise NoAnswerError(f"{url}: {error}") from error
        if answer.status != HTTPStatus.OK:
            raise NoAnswerError(f"{url}: HTTP {answer.status}; is this a v4-operator?")
        page = _page(url, answer.body)
        if not page["leads"]:
            raise NoAnswerError(
                f"{url}: {page['identity']} is a standby; the leader is"
                f" {page['leader'] or 'nobody yet'}"
            )
        return page


@dataclass(frozen=True, slots=True)
class _Through:
    """The pod that leads, by way of the API server."""

    api: KubeApi
    place: Place

    async def ask(self, path: str) -> Page:
        holder = await self._holder()
        page = await self._of(holder, path)
        if not page["leads"] and page["leader"] not in {None, holder}:
            holder = page["leader"]
            page = await self._of(holder, path)
        if not page["leads"]:
            raise NoAnswerError(f"{_pod(holder)} does not lead any more, and nobody else does yet")
        return page

    async def _holder(self) -> str:
        key = ObjectKey(self.place.namespace, self.place.lease_name)
        try:
            lease = await KubeLease(self.api, key).read()
        except KubeError as error:
            raise NoAnswerError(f"the Lease {key} says who leads: {error}") from error
        if lease is None or not lease.record.holder:
            what = "is not there" if lease is None else "has no holder"
            raise NoAnswerError(
                f"the Lease {key} {what}: no operator leads. Is it installed elsewhere"
                " (--operator-namespace), or are its pods not running?"
            )
        return lease.record.holder

    async def _of(self, holder: str, path: str) -> Page:
        request = KubeRequest(
            verb="get",
            kind=_PODS,
            namespace=self.place.namespace,
            name=_pod(holder),
            subresource="proxy",
            behind=("v1", *path.split("/")),
        )
        try:
            return _page(str(request), await self.api.ask(request))
        except KubeError as error:
            raise NoAnswerError(f"{error}. {self._another_way(holder, error)}") from error

    def _another_way(self, holder: str, error: KubeError) -> str:
        namespace = self.place.namespace
        role = (
            f"The Role v4-operator-decisions in {namespace} has it; or" if _refused(error) else "Or"
        )
        return (
            f"{role}: kubectl -n {namespace} port-forward {_pod(holder)} 8080, then --operator"
            " http://127.0.0.1:8080"
        )


def _refused(error: KubeError) -> bool:
    return isinstance(error, Forbidden)


def _pod(holder: str) -> str:
    """An operator's identity begins with the name of its pod, which has no underscore."""
    return holder.partition("_")[0]


def _page(where: str, body: bytes) -> Page:
    try:
        page = json.loads(body)
    except ValueError:
        page = None
    if not isinstance(page, dict) or not {"leads", "identity", "leader"} <= page.keys():
        raise NoAnswerError(f"{where}: this is no answer of a v4-operator")
    return page


class _Unobserved:
    """Nobody counts the requests of a command."""

    def seen(self, method: str, code: str) -> None:
        """Let it pass."""
