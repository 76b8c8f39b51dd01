"""The last known view of every object of one resource, found by key or by an index.

Filled by one reflector, read by anybody of the same event loop. A change that the view does not
show is no change: nobody is told of it.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from v4operator.runtime.ports import ObjectKey

V = TypeVar("V")

IndexValues = Callable[[V], Iterable[Hashable]]
"""Under which values an object is found, such as the names of its owners. Pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(Generic[V]):
    """One object before and after, `None` where it is not there.

    Both are told, because it may have left whom it belonged to.
    """

    key: ObjectKey
    before: V | None
    after: V | None


class Store(Generic[V]):
    """Views by key. Views must be immutable and comparable."""

    def __init__(self, indices: Mapping[str, IndexValues[V]] | None = None) -> None:
        self._indices = dict(indices or {})
        self._views: dict[ObjectKey, V] = {}
        self._found: dict[tuple[str, Hashable], set[ObjectKey]] = {}

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[tuple[ObjectKey, V]]:
        """Every object, in no particular order."""
        return iter(self._views.items())

    def get(self, key: ObjectKey) -> V | None:
        """The object's view, `None` where it is not there."""
        return self._views.get(key)

    def find(self, index: str, value: Hashable) -> tuple[V, ...]:
        """The views under `value` in the index, in the order of their keys.

        Raises:
            KeyError: there is no such index.
        """
        if index not in self._indices:
            raise KeyError(f"no index {index!r}; there are {sorted(self._indices)}")
        return tuple(self._views[key] for key in sorted(self._found.get((index, value), ())))

    def put(self, key: ObjectKey, view: V) -> Transition[V] | None:
        """Take over a view; `None` where it is the one already known."""
        before = self._views.get(key)
        if before == view:
            return None
        if before is not None:
            self._unlink(key, before)
        self._views[key] = view
        for entry in self._entries(view):
            self._found.setdefault(entry, set()).add(key)
        return Transition(key=key, before=before, after=view)

    def remove(self, key: ObjectKey) -> Transition[V] | None:
        """Drop an object; `None` where it was not there."""
        before = self._views.pop(key, None)
        if before is None:
            return None
        self._unlink(key, before)
        return Transition(key=key, before=before, after=None)

    def replace(
        self, views: Mapping[ObjectKey, V], kept: Collection[ObjectKey] = ()
    ) -> tuple[Transition[V], ...]:
        """Take over a whole list: what it lacks is gone, except for `kept`, which stay as known."""
        gone = [key for key in self._views if key not in views and key not in kept]
        removed = [self.remove(key) for key in gone]
        put = [self.put(key, view) for key, view in views.items()]
        return tuple(each for each in (*removed, *put) if each is not None)

    def _entries(self, view: V) -> Iterator[tuple[str, Hashable]]:
        for name, values in self._indices.items():
            for value in values(view):
                yield name, value

    def _unlink(self, key: ObjectKey, view: V) -> None:
        for entry in self._entries(view):
            keys = self._found.get(entry, set())
            keys.discard(key)
            if not keys:
                self._found.pop(entry, None)
