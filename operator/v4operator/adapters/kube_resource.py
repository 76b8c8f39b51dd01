"""One resource of an API server: listed, followed, read and written through narrow views.

Implements `runtime.ports.Resource`. Writes name their fields and, where it matters, the version
they were decided on, so that a late writer can only conflict.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_errors import NotFound
from v4operator.adapters.kube_request import Kind, KubeRequest, Verb
from v4operator.adapters.kube_views import Decoder, ObjectMeta, ObjectView, View
from v4operator.runtime.ports import Bookmark, Changed, Deleted, ObjectKey, Page, Unreadable

FIELD_MANAGER = "v4-operator"
"""Under this name the operator owns fields. It must never change: a new one would share them."""

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"

V = TypeVar("V", bound=ObjectView)


class ScaleMeta(ObjectMeta):
    """With the version, which is that of the scaled object."""

    resource_version: str


class Count(View):
    """The number of replicas; absent in the JSON where it is 0."""

    replicas: int = 0


class ScaleStatus(Count):
    """With the pods that it counts, as `kubectl -l` takes them."""

    selector: str = ""


class Scale(ObjectView):
    """What the `scale` subresource says: asked for, and there."""

    metadata: ScaleMeta
    spec: Count = Count()
    status: ScaleStatus = ScaleStatus()


class KubeResource(Generic[V]):
    """Objects of one kind as views of one type, in one namespace or in all of them."""

    def __init__(
        self,
        api: KubeApi,
        kind: Kind,
        view: type[V],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        """An empty namespace is all of them; the selectors narrow what is listed and followed."""
        self.kind = kind
        self._api = api
        self._decoder = Decoder(view)
        self._namespace = namespace
        selectors = (("labelSelector", label_selector), ("fieldSelector", field_selector))
        self._selectors = tuple((name, value) for name, value in selectors if value)

    async def list(self, *, limit: int, more: str | None) -> Page[V]:
        """One page of at most `limit` objects, the first one where `more` is `None`.

        Raises:
            KubeError: as the port has it; `Gone` where `more` has expired.
        """
        page = (("continue", more),) if more else ()
        request = KubeRequest(
            verb="list",
            kind=self.kind,
            namespace=self._namespace,
            query=(("limit", str(limit)), *page, *self._selectors),
        )
        return self._decoder.page(request, await self._api.ask(request))

    async def watch(
        self, version: str, *, seconds: float, silence_seconds: float
    ) -> AsyncGenerator[Changed[V] | Deleted | Unreadable | Bookmark, None]:
        """What happens after `version`; bookmarks come about once a minute.

        Raises:
            KubeError: as the port has it; `Gone` where `version` has been forgotten.
        """
        request = KubeRequest(
            verb="watch",
            kind=self.kind,
            namespace=self._namespace,
            query=(
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("resourceVersion", version),
                ("timeoutSeconds", f"{seconds:.0f}"),
                *self._selectors,
            ),
        )
        lines = self._api.follow(request, seconds=seconds, silence_seconds=silence_seconds)
        async with aclosing(lines):
            async for line in lines:
                yield self._decoder.event(request, line)

    async def get(self, key: ObjectKey) -> V:
        """The object now.

        Raises:
            KubeError: `NotFound` and others.
        """
        return await self._view_of(self._request("get", key))

    async def create(self, namespace: str, body: Mapping[str, Any]) -> V:
        """Make an object; its name stands in the body.

        Raises:
            KubeError: `KubeConflict` where it exists, `Rejected` where it is not valid, and others.
        """
        query = (("fieldManager", FIELD_MANAGER),)
        key = ObjectKey(namespace, "")
        return await self._view_of(self._request("create", key, query=query, body=body))

    async def apply(
        self,
        key: ObjectKey,
        body: Mapping[str, Any],
        *,
        subresource: str = "",
        force: bool = False,
    ) -> V:
        """Server-side apply: the fields in `body` are ours from now on, those left out no more.

        Fields that this operator wrote by `merge` or `set_scale` count as another manager's here.

        Args:
            key: the object, which is made if it does not exist.
            body: with `apiVersion`, `kind` and `metadata.name`.
            subresource: such as `status`.
            force: take fields over that belong to another manager, instead of a conflict.

        Raises:
            KubeError: `KubeConflict` names the other manager, `Rejected` the field, and others.
        """
        return await self._view_of(self._apply_request(key, body, subresource, force=force))

    async def check(self, key: ObjectKey, body: Mapping[str, Any]) -> None:
        """Have the server judge what `apply` would write, admission included, and store nothing.

        Raises:
            KubeError: `Rejected` says what is wrong, and others.
        """
        dry = (("dryRun", "All"),)
        await self._api.ask(self._apply_request(key, body, "", force=True, query=dry))

    async def merge(self, key: ObjectKey, patch: Mapping[str, Any], *, subresource: str = "") -> V:
        """Merge patch: `None` removes a field; a `metadata.resourceVersion` is a precondition.

        Raises:
            KubeError: `KubeConflict` where the version is another, and others.
        """
        return await self._view_of(self._merge_request(key, patch, subresource))

    async def scale(self, key: ObjectKey) -> Scale:
        """The count that an object asks for, and its version.

        Raises:
            KubeError: `NotFound` also where the kind cannot be scaled, and others.
        """
        request = self._request("get", key, "scale")
        return _SCALE.one(request, await self._api.ask(request))

    async def set_scale(self, key: ObjectKey, replicas: int, version: str) -> Scale:
        """Ask for another count, only if the object is still at `version`.

        Raises:
            KubeError: `KubeConflict` where it is not, and others.
        """
        patch = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
        request = self._merge_request(key, patch, "scale")
        return _SCALE.one(request, await self._api.ask(request))

    def _apply_request(
        self,
        key: ObjectKey,
        body: Mapping[str, Any],
        subresource: str,
        *,
        force: bool,
        query: tuple[tuple[str, str], ...] = (),
    ) -> KubeRequest:
        query = (("fieldManager", FIELD_MANAGER), ("force", str(force).lower()), *query)
        return self._request("patch", key, subresource, query=query, body=body, content_type=_APPLY)

    def _merge_request(
        self, key: ObjectKey, patch: Mapping[str, Any], subresource: str
    ) -> KubeRequest:
        query = (("fieldManager", FIELD_MANAGER),)
        return self._request(
            "patch", key, subresource, query=query, body=patch, content_type=_MERGE
        )

    def _request(
        self,
        verb: Verb,
        key: ObjectKey,
        subresource: str = "",
        *,
        query: tuple[tuple[str, str], ...] = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> KubeRequest:
        try:
            return KubeRequest(
                verb=verb,
                kind=self.kind,
                namespace=key.namespace,
                name=key.name,
                subresource=subresource,
                query=query,
                body=None if body is None else dict(body),
                content_type=content_type,
            )
        except ValueError as error:
            raise NotFound(str(error)) from None

    async def _view_of(self, request: KubeRequest) -> V:
        return self._decoder.one(request, await self._api.ask(request))


_SCALE = Decoder(Scale)
