"""Bytes from an API server -> narrow views. Only the fields that a view names are read.

The client library's own models take twenty times as long and block the loop for seconds on a large
list. An object that does not fit its view never spoils the others: it comes out as unreadable.
"""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from v4operator.adapters.kube_errors import Status, Unavailable, error_of
from v4operator.adapters.kube_request import KubeRequest
from v4operator.runtime.ports import Bookmark, Changed, Deleted, ObjectKey, Page, Unreadable


class View(BaseModel):
    """A part of a Kubernetes object: frozen, names as the API has them, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, extra="ignore", validate_by_name=True
    )


class ObjectMeta(View):
    """The least that is known of every object; extend it by what a view needs.

    A store tells of a change only where a field of the view changed, and `resourceVersion` always
    does.
    """

    name: str
    namespace: str = ""

    @property
    def key(self) -> ObjectKey:
        """The name by which stores know the object."""
        return ObjectKey(self.namespace, self.name)


class ObjectView(View):
    """A whole object; narrow it down by what is of interest."""

    metadata: ObjectMeta


V = TypeVar("V", bound=ObjectView)
Item = TypeVar("Item")
_Shape = TypeVar("_Shape", bound=View)


class _ListMeta(View):
    resource_version: str
    more: str = Field(default="", alias="continue")


class _List(View, Generic[Item]):
    metadata: _ListMeta
    items: tuple[Item, ...] | None = ()  # some servers say null for none


class _AnyMeta(View):
    """A bookmark has no name, an error no version."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _AnyObject(View):
    metadata: _AnyMeta = _AnyMeta()


class _Envelope(View):
    """A watch event whatever it holds."""

    type: str
    object: _AnyObject


class _Event(View, Generic[Item]):
    object: Item


class Decoder(Generic[V]):
    """Reads objects, lists and watch events into one type of view."""

    def __init__(self, view: type[V]) -> None:
        self._view = view
        self._list: TypeAdapter[_List[V]] = TypeAdapter(_List[view])  # type: ignore[valid-type]
        self._event: TypeAdapter[_Event[V]] = TypeAdapter(_Event[view])  # type: ignore[valid-type]

    def one(self, request: KubeRequest, body: bytes) -> V:
        """A single object.

        Raises:
            Unavailable: it does not fit the view, or is none.
        """
        try:
            return self._view.model_validate_json(body)
        except ValidationError as error:
            raise Unavailable(f"{request}: {explained(error)}") from None

    def page(self, request: KubeRequest, body: bytes) -> Page[V]:
        """A list, or a part of one.

        Raises:
            Unavailable: it is none.
        """
        try:
            whole = self._list.validate_json(body)
        except ValidationError:
            return self._page_one_by_one(request, body)
        version = whole.metadata.resource_version
        return Page(
            objects=tuple(self._changed(item, version) for item in whole.items or ()),
            version=version,
            more=whole.metadata.more or None,
        )

    def event(
        self, request: KubeRequest, line: bytes
    ) -> Changed[V] | Deleted | Unreadable | Bookmark:
        """One line of a watch.

        Raises:
            KubeError: the event is an error of the server's, or none at all.
        """
        envelope = _parsed(_EVENT_ENVELOPE, request, line)
        if envelope.type == "ERROR":
            status = _parsed(_ERROR_EVENT, request, line).object
            raise error_of(request, status)
        meta = envelope.object.metadata
        key, version = ObjectKey(meta.namespace, meta.name), meta.resource_version
        if envelope.type == "BOOKMARK":
            return Bookmark(version=version)
        if envelope.type == "DELETED":
            return Deleted(key=key, version=version)
        try:
            return self._changed(self._event.validate_json(line).object, version)
        except ValidationError as error:
            return Unreadable(key=key, reason=explained(error), version=version)

    def _page_one_by_one(self, request: KubeRequest, body: bytes) -> Page[V]:
        whole = _parsed(_ANY_LIST, request, body)
        version = whole.metadata.resource_version
        return Page(
            objects=tuple(
                self._changed_or_not(request, item, version) for item in whole.items or ()
            ),
            version=version,
            more=whole.metadata.more or None,
        )

    def _changed_or_not(
        self, request: KubeRequest, item: dict[str, Any], version: str
    ) -> Changed[V] | Unreadable:
        raw = to_json(item)
        try:
            return self._changed(self._view.model_validate_json(raw), version)
        except ValidationError as error:
            meta = _parsed(_ANY_OBJECT, request, raw).metadata
            key = ObjectKey(meta.namespace, meta.name)
            return Unreadable(key=key, reason=explained(error), version=version)

    def _changed(self, view: V, version: str) -> Changed[V]:
        return Changed(key=view.metadata.key, view=view, version=version)


def decoded(view: type[_Shape], request: KubeRequest, body: bytes) -> _Shape:
    """An answer that is no object, such as a list of what is served.

    Raises:
        Unavailable: it does not fit the view.
    """
    return _parsed(TypeAdapter(view), request, body)


def explained(error: ValidationError) -> str:
    """The first mistake, without the value: what an object holds may be nobody's business."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path}: {first['msg']}" if path else first["msg"]


_ANY_OBJECT = TypeAdapter(_AnyObject)
_ANY_LIST = TypeAdapter(_List[dict[str, Any]])
_EVENT_ENVELOPE = TypeAdapter(_Envelope)
_ERROR_EVENT = TypeAdapter(_Event[Status])

_Parsed = TypeVar("_Parsed")


def _parsed(adapter: TypeAdapter[_Parsed], request: KubeRequest, raw: bytes) -> _Parsed:
    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        raise Unavailable(f"{request}: {explained(error)}") from None
