from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from v4operator.runtime.controller import Controller, Observers
from v4operator.runtime.elector import Elector, LeaseLost
from v4operator.runtime.metrics import ElectionMetrics, ReflectorMetrics, WorkQueueMetrics
from v4operator.runtime.ports import (
    Bookmark,
    Changed,
    Conflict,
    Deleted,
    Lease,
    LeaseRecord,
    ObjectKey,
    Page,
    SourceError,
    Unreadable,
)
from v4operator.runtime.store import Store, Transition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.conftest import FakeClock

    _Event = Changed[str] | Deleted | Unreadable | Bookmark

_FLASH, _PRO = ObjectKey("ns", "flash"), ObjectKey("ns", "pro")


def _pod(name: str) -> ObjectKey:
    return ObjectKey("ns", name)


class _Resource:
    """A resource in memory; what is put reaches whoever watches."""

    def __init__(self, **views: str) -> None:
        self.views = {ObjectKey("ns", name): view for name, view in views.items()}
        self.listable = asyncio.Event()
        self.listable.set()
        self.defect: Exception | None = None
        self._events: asyncio.Queue[_Event] = asyncio.Queue()

    def put(self, key: ObjectKey, view: str) -> None:
        self._events.put_nowait(Changed(key=key, view=view, version="2"))

    def drop(self, key: ObjectKey) -> None:
        self._events.put_nowait(Deleted(key=key, version="3"))

    async def list(self, *, limit: int, more: str | None) -> Page[str]:
        del limit, more
        await self.listable.wait()
        if self.defect is not None:
            raise self.defect
        objects = tuple(Changed(key=k, view=v, version="1") for k, v in self.views.items())
        return Page(objects=objects, version="1", more=None)

    async def watch(
        self, version: str, *, seconds: float, silence_seconds: float
    ) -> AsyncGenerator[_Event, None]:
        del version, seconds, silence_seconds
        while True:
            yield await self._events.get()


class _Lease:
    """A Lease in memory that can be taken away."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.down = False

    async def read(self) -> Lease | None:
        if self.down:
            raise SourceError("connection refused")
        return self.lease

    async def create(self, record: LeaseRecord) -> Lease:
        return await self.update(record, "")

    async def update(self, record: LeaseRecord, version: str) -> Lease:
        if self.down:
            raise SourceError("connection refused")
        if self.lease is not None and self.lease.version != version:
            raise Conflict("somebody wrote in between")
        self.lease = Lease(record=record, version=f"{version}+")
        return self.lease

    @property
    def holder(self) -> str | None:
        return self.lease.record.holder if self.lease else None


class _Replica:
    """One operator process: deployments, pods named after theirs, and a reconcile that counts."""

    def __init__(self, name: str, lease: _Lease, clock: FakeClock) -> None:
        self.clock = clock
        self.lease = lease
        self.deployments = _Resource(flash="v1", pro="v1")
        self.pods = _Resource()
        self.nodes = _Resource()
        self.runs: list[str] = []
        self.takes_seconds = 0.0
        self.ended: list[tuple[str, str | None]] = []
        self.settled: list[str | None] = []
        self.beside: list[str] = []
        self.beside_defect: Exception | None = None
        self.stopping = asyncio.Event()
        self.registry = CollectorRegistry()
        self.deployment_store: Store[str] = Store()
        elector = Elector(
            lease,
            name,
            clock=clock,
            chance=lambda: 0.0,
            observer=ElectionMetrics(self.registry, "v4-operator"),
        )
        self.controller: Controller[ObjectKey] = Controller(
            self._reconcile,
            elector,
            workers=2,
            clock=clock,
            chance=lambda: 0.0,
            observers=Observers(
                queue=WorkQueueMetrics(self.registry, "v4deployment", clock),
                reconciles=self,
                reflector=ReflectorMetrics(self.registry).of,
            ),
            beside=self._beside,
            settle=self._settle,
        )
        self.controller.follow(
            "deployments", self.deployments, self.deployment_store, lambda t: [t.key]
        )
        self.controller.follow("pods", self.pods, Store(), _owners)
        self.nodes_missing = self.controller.follow(
            "nodes", self.nodes, Store(), lambda _: (), required=False
        )
        self.running = asyncio.create_task(self.controller.run(self.stopping))

    def observe(self, result: str, seconds: float) -> None:
        del seconds
        assert result == "success"

    def figure(self, series: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(series, labels)

    async def _reconcile(self, key: ObjectKey) -> None:
        self.runs.append(key.name)
        await self.clock.sleep(self.takes_seconds)
        self.ended.append((key.name, self.lease.holder))

    async def _settle(self) -> None:
        self.settled.append(self.lease.holder)

    async def _beside(self) -> None:
        self.beside.append("began")
        try:
            await self.clock.sleep(5.0)
            if self.beside_defect is not None:
                raise self.beside_defect
            await self.clock.sleep(1e9)
        finally:
            self.beside.append("ended")


def _owners(transition: Transition[str]) -> list[ObjectKey]:
    """A pod's view is its owner's name."""
    owners = {transition.before, transition.after} - {None}
    return [ObjectKey("ns", owner) for owner in sorted(filter(None, owners))]


@pytest.fixture
def lease() -> _Lease:
    return _Lease()


async def _stop(replica: _Replica) -> None:
    replica.stopping.set()
    await replica.clock.advance(30.0)
    assert replica.running.done()


async def test_the_leader_begins_with_everything_and_then_follows_changes(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    await clock.advance(0.0)
    assert sorted(one.runs) == ["flash", "pro"]
    one.runs.clear()
    one.deployments.put(_PRO, "v2")
    one.pods.put(_pod("flash-1"), "flash")
    await clock.advance(0.0)
    assert sorted(one.runs) == ["flash", "pro"]
    one.runs.clear()
    one.deployments.put(_PRO, "v2")
    await clock.advance(0.0)
    assert one.runs == [], "the view shows no change"
    await _stop(one)


async def test_a_pod_that_changes_hands_concerns_both_owners(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.pods.put(_pod("p"), "flash")
    await clock.advance(0.0)
    one.runs.clear()
    one.pods.put(_pod("p"), "pro")
    await clock.advance(0.0)
    assert sorted(one.runs) == ["flash", "pro"]
    one.runs.clear()
    one.pods.drop(_pod("p"))
    await clock.advance(0.0)
    assert one.runs == ["pro"]
    await _stop(one)


async def test_a_follower_knows_everything_and_does_nothing_until_it_leads(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    await clock.advance(0.0)
    two = _Replica("two", lease, clock)
    two.deployments.put(_PRO, "v2")
    await clock.advance(30.0)
    assert (two.runs, two.controller.not_ready()) == ([], None)
    assert two.deployment_store.get(_PRO) == "v2"
    assert two.figure("leader_election_master_status", name="v4-operator") == 0
    await _stop(one)
    await clock.advance(2.0)
    assert sorted(two.runs) == ["flash", "pro"]
    assert two.figure("leader_election_master_status", name="v4-operator") == 1
    assert two.figure("reflector_lists_total", name="pods") == 1
    await _stop(two)


async def test_no_work_begins_before_everything_is_known(clock: FakeClock, lease: _Lease) -> None:
    one = _Replica("one", lease, clock)
    one.pods.listable.clear()
    await clock.advance(5.0)
    assert (one.runs, one.controller.not_ready()) == ([], "not yet listed: pods")
    one.pods.listable.set()
    await clock.advance(0.0)
    assert (sorted(one.runs), one.controller.not_ready()) == (["flash", "pro"], None)
    await _stop(one)


async def test_work_does_not_wait_for_what_may_be_out_of_reach_and_says_why_it_is_missing(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    assert one.nodes_missing() == "not asked for yet"
    one.nodes.defect = SourceError("not allowed to list nodes")
    await clock.advance(0.0)
    assert (sorted(one.runs), one.controller.not_ready()) == (["flash", "pro"], None)
    assert one.nodes_missing() == "not allowed to list nodes"
    one.nodes.defect = None
    await clock.advance(1.0)
    assert one.nodes_missing() is None
    await _stop(one)


async def test_a_leader_that_stops_settles_while_it_still_holds_the_lease(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    await clock.advance(1.0)
    two = _Replica("two", lease, clock)
    await clock.advance(1.0)
    await _stop(two)
    await _stop(one)
    assert (one.settled, two.settled) == (["one"], [])


async def test_stopping_lets_work_end_before_the_lease_is_given_back(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.takes_seconds = 8.0
    await clock.advance(1.0)
    one.stopping.set()
    one.deployments.put(_FLASH, "v2")
    await clock.advance(1.0)
    assert (one.controller.not_ready(), lease.holder) == ("stopping", "one")
    await clock.advance(6.0)
    assert one.ended == [("flash", "one"), ("pro", "one")]
    assert (one.running.done(), lease.holder, len(one.runs)) == (True, None, 2)
    assert one.running.exception() is None


async def test_work_that_does_not_end_is_cut_off_after_ten_seconds(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.takes_seconds = 1e9
    await clock.advance(1.0)
    one.stopping.set()
    await clock.advance(9.9)
    assert not one.running.done()
    await clock.advance(0.1)
    assert (one.running.done(), one.ended, lease.holder) == (True, [], None)


async def test_stopping_before_everything_is_known_waits_for_nothing(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.pods.listable.clear()
    await clock.advance(1.0)
    one.stopping.set()
    await clock.advance(0.0)
    assert (one.running.done(), lease.holder) == (True, None)


async def test_a_follower_that_is_stopped_ends_at_once(clock: FakeClock, lease: _Lease) -> None:
    one = _Replica("one", lease, clock)
    await clock.advance(0.0)
    two = _Replica("two", lease, clock)
    await clock.advance(0.0)
    two.stopping.set()
    await clock.advance(0.0)
    assert (two.running.done(), lease.holder) == (True, "one")
    await _stop(one)


async def test_a_leader_that_loses_the_lease_ends_with_the_reason(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.takes_seconds = 1e9
    await clock.advance(1.0)
    lease.down = True
    await clock.advance(7.0)
    with pytest.raises(ExceptionGroup) as caught:
        one.running.result()
    assert [type(error) for error in caught.value.exceptions] == [LeaseLost]
    assert one.ended == []


async def test_a_defect_in_following_ends_the_whole_and_gives_the_lease_back(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.pods.listable.clear()
    await clock.advance(1.0)
    assert lease.holder == "one"
    one.pods.defect = KeyError("a defect")
    one.pods.listable.set()
    await clock.advance(0.0)
    with pytest.raises(ExceptionGroup) as caught:
        one.running.result()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert lease.holder is None


async def test_a_defect_in_the_timer_of_the_queue_is_raised(
    clock: FakeClock, lease: _Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: object) -> None:
        raise ZeroDivisionError(self)

    monkeypatch.setattr("v4operator.runtime.queue.WorkQueue.run", broken)
    one = _Replica("one", lease, clock)
    await clock.advance(1.0)
    with pytest.raises(ExceptionGroup) as caught:
        one.running.result()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]


async def test_what_runs_beside_the_work_runs_while_this_one_leads_and_no_longer(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    await clock.advance(1.0)
    two = _Replica("two", lease, clock)
    await clock.advance(30.0)
    assert (one.beside, two.beside) == (["began"], [])
    await _stop(one)
    await clock.advance(2.0)
    assert (one.beside, two.beside) == (["began", "ended"], ["began"])
    assert one.running.exception() is None
    await _stop(two)


async def test_what_runs_beside_the_work_does_not_wait_for_what_is_not_listed(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.pods.listable.clear()
    await clock.advance(1.0)
    assert (one.runs, one.beside) == ([], ["began"])
    await _stop(one)
    assert one.beside == ["began", "ended"]


async def test_a_defect_beside_the_work_lets_work_end_and_is_raised(
    clock: FakeClock, lease: _Lease
) -> None:
    one = _Replica("one", lease, clock)
    one.takes_seconds = 8.0
    one.beside_defect = KeyError("a defect")
    await clock.advance(7.0)
    assert not one.running.done()
    await clock.advance(1.0)
    with pytest.raises(ExceptionGroup) as caught:
        one.running.result()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert (one.ended, lease.holder) == ([("flash", "one"), ("pro", "one")], None)
