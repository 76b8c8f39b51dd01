from __future__ import annotations

from dataclasses import dataclass

import pytest

from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.store import Store, Transition


@dataclass(frozen=True)
class _Pod:
    owner: str
    phase: str = "Pending"


_A, _B, _C = (ObjectKey("ns", name) for name in "abc")


@pytest.fixture
def store() -> Store[_Pod]:
    return Store({"owner": lambda pod: [pod.owner]})


def test_a_view_is_found_by_key_and_by_index(store: Store[_Pod]) -> None:
    store.put(_B, _Pod("x"))
    store.put(_A, _Pod("x", "Running"))
    store.put(_C, _Pod("y"))
    assert store.get(_C) == _Pod("y")
    assert store.find("owner", "x") == (_Pod("x", "Running"), _Pod("x"))
    assert store.find("owner", "z") == ()
    assert (len(store), dict(store)[_B]) == (3, _Pod("x"))


def test_an_object_that_changes_hands_is_found_under_the_new_owner_only(store: Store[_Pod]) -> None:
    store.put(_A, _Pod("x"))
    transition = store.put(_A, _Pod("y"))
    assert transition == Transition(key=_A, before=_Pod("x"), after=_Pod("y"))
    assert store.find("owner", "x") == ()
    assert store.find("owner", "y") == (_Pod("y"),)


def test_a_change_that_the_view_does_not_show_is_none(store: Store[_Pod]) -> None:
    store.put(_A, _Pod("x"))
    assert store.put(_A, _Pod("x")) is None


def test_an_object_that_goes_leaves_no_trace(store: Store[_Pod]) -> None:
    store.put(_A, _Pod("x"))
    store.put(_B, _Pod("x"))
    assert store.remove(_A) == Transition(key=_A, before=_Pod("x"), after=None)
    assert store.remove(_A) is None
    assert store.get(_A) is None
    assert store.find("owner", "x") == (_Pod("x"),)


def test_a_list_shows_what_was_deleted_meanwhile_but_spares_what_it_is_told_to(
    store: Store[_Pod],
) -> None:
    for key in (_A, _B, _C):
        store.put(key, _Pod("x"))
    new = ObjectKey("ns", "new")
    transitions = store.replace({_A: _Pod("x"), new: _Pod("y")}, kept={_B})
    assert transitions == (
        Transition(key=_C, before=_Pod("x"), after=None),
        Transition(key=new, before=None, after=_Pod("y")),
    )
    assert sorted(key for key, _ in store) == [_A, _B, new]


def test_an_index_that_does_not_exist_is_named(store: Store[_Pod]) -> None:
    with pytest.raises(KeyError, match=r"no index 'node'; there are \['owner'\]"):
        store.find("node", "n1")


def test_a_key_reads_like_kubectl() -> None:
    assert (str(_A), str(ObjectKey("", "node-1"))) == ("ns/a", "node-1")
