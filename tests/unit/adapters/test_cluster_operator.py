"""One V4Deployment of a cluster, once: what the API server is asked to hold of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.conftest import FakeClock
from tests.e2e.operator_fleets import ADOPTED, NAME, v4deployment
from tests.unit.adapters.test_cluster_objects import READY, pod, scalable

from v4operator.adapters.cluster_learned import ClusterLearned
from v4operator.adapters.cluster_owned import OwnedWorkloads
from v4operator.adapters.cluster_status import ClusterStatus
from v4operator.adapters.cluster_stores import ClusterStores
from v4operator.adapters.cluster_views import ClaimView, ScalableView
from v4operator.adapters.cluster_workloads import ClusterWorkloads
from v4operator.adapters.endpoints import EndpointsView
from v4operator.adapters.kube_errors import NotFound
from v4operator.adapters.kube_events import KubeEvents
from v4operator.adapters.kube_request import KubeRequest
from v4operator.catalogue import load
from v4operator.cluster_operator import ClusterOperator
from v4operator.model.deployment import Key
from v4operator.observe.collector import Collector
from v4operator.observe.gateway import GatewayWatch
from v4operator.observe.ports import Scrape
from v4operator.reconcile import Reconciler
from v4operator.report.decisions import Decisions, Standing
from v4operator.report.metrics import FleetMetrics
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.workers import RetryLater
from v4operator.settings import Settings

if TYPE_CHECKING:
    from v4operator.adapters.kube import KubeApi

KEY = ObjectKey("ns", NAME)
LONG_READY = {**READY, "lastTransitionTime": "1970-01-01T00:00:00Z"}
SECONDS = Settings().reconcile_seconds


class Obliging:
    """An API server that takes everything and holds no Service and no ConfigMap."""

    def __init__(self) -> None:
        self.asked: list[KubeRequest] = []
        self.hangs = False

    async def ask(self, request: KubeRequest) -> bytes:
        self.asked.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        if request.verb == "get" and request.kind.plural in {"services", "configmaps"}:
            raise NotFound(str(request))
        metadata = {"name": request.name or "x", "namespace": "ns", "resourceVersion": "1"}
        return json.dumps({"metadata": metadata}).encode()

    def statuses(self) -> list[dict[str, Any]]:
        return [each.body["status"] for each in self.asked if each.subresource and each.body]

    def events(self) -> Iterator[tuple[str, str]]:
        for each in self.asked:
            if each.kind.plural == "events" and each.body is not None:
                yield each.body["type"], each.body["reason"]


class Silent:
    """No engine answers."""

    async def scrape(self, address: str, path: str) -> Scrape:
        del address, path
        return Scrape(at=0.0, reading=None, failure="connection refused")


class Queues:
    """A Prometheus that tells of a gateway what the test says."""

    def __init__(self) -> None:
        self.answer: float | str = "gives no sample"
        self.asked = 0

    async def figure(self, server: str, expression: str) -> float | str:
        assert (server, expression) == ("", "sum(queue)")
        self.asked += 1
        return self.answer


@pytest.fixture
def queues() -> Queues:
    return Queues()


@pytest.fixture
def server() -> Obliging:
    return Obliging()


@pytest.fixture
async def operator(
    server: Obliging, queues: Queues, clock: FakeClock
) -> AsyncIterator[ClusterOperator]:
    api, stores = cast("KubeApi", server), ClusterStores()
    collector, gateways = Collector(Silent(), clock), GatewayWatch(queues, clock)
    workloads = ClusterWorkloads(
        stores, api, is_leading=lambda: True, endpoints=EndpointsView(clock)
    )
    yield ClusterOperator(
        settings=Settings(),
        stores=stores,
        reconciler=Reconciler(
            catalogue=load(),
            view=workloads,
            writer=workloads,
            collector=collector,
            gateways=gateways,
            clock=clock,
        ),
        workloads=workloads,
        owned=OwnedWorkloads(stores, api, is_leading=lambda: True),
        statuses=ClusterStatus(api, clock),
        learned=ClusterLearned(api, "operators", clock),
        events=KubeEvents(api, clock, "operator-0"),
        fleet_metrics=FleetMetrics(load()),
        decisions=Decisions(
            Standing(identity="operator-0", leads=lambda: True, leader=lambda: None, now=clock.now)
        ),
    )
    await collector.aclose()
    await gateways.aclose()


def put(operator: ClusterOperator, manifest: dict[str, Any]) -> None:
    document = {**manifest, "metadata": {"name": NAME, "namespace": "ns", "uid": "u1"}}
    operator.stores.claims.put(KEY, ClaimView.model_validate(document))


def put_fleet(operator: ClusterOperator) -> None:
    status = {"replicas": 2, "updatedReplicas": 2}
    operator.stores.scalables["Deployment"].put(KEY, scalable(status=status))
    for name in ("a", "b"):
        each = pod(name, conditions=[LONG_READY], podIP="10.0.0.1")
        operator.stores.pods.put(each.metadata.key, each)


async def test_an_adopted_fleet_gets_a_status_events_and_another_look_after_its_next_scrapes(
    operator: ClusterOperator, server: Obliging
) -> None:
    put(operator, v4deployment(ADOPTED))
    put_fleet(operator)
    again = await operator.reconcile(KEY)
    turn = operator.reconciler.collector.next_news(Key("ns", NAME), SECONDS)
    assert turn is not None
    assert again == pytest.approx(turn + 0.5)
    (written,) = server.statuses()
    assert (written["selector"], written["readyReplicas"]) == ("app=flash", 2)
    assert set(server.events()) == {
        ("Warning", "TooFewFresh"),
        ("Warning", "Findings"),
    }
    known = len(server.asked)
    assert await operator.reconcile(KEY) == again
    assert len(server.asked) == known


async def test_a_spec_that_is_not_understood_is_a_condition_and_an_event_and_is_looked_at_again(
    operator: ClusterOperator, server: Obliging
) -> None:
    manifest = v4deployment(ADOPTED)
    manifest["spec"]["model"]["checkpoint"] = "deepseek-ai/DeepSeek-V4-Flahs"
    put(operator, manifest)
    put_fleet(operator)
    assert await operator.reconcile(KEY) == SECONDS
    (written,) = server.statuses()
    (condition,) = written["conditions"]
    assert (condition["type"], condition["status"]) == ("Ready", "False")
    assert condition["reason"] == "InvalidSpec"
    assert "DeepSeek-V4-Flash" in condition["message"]
    assert [*server.events()] == [("Warning", "InvalidSpec")]


async def test_a_target_that_comes_late_ends_the_problem(
    operator: ClusterOperator, server: Obliging
) -> None:
    put(operator, v4deployment(ADOPTED))
    await operator.reconcile(KEY)
    put_fleet(operator)
    await operator.reconcile(KEY)
    operator.stores.scalables["Deployment"].remove(KEY)
    await operator.reconcile(KEY)
    ready = [
        next(c["reason"] for c in status["conditions"] if c["type"] == "Ready")
        for status in server.statuses()
    ]
    assert ready == ["WorkloadUnavailable", "MinimumServing", "WorkloadUnavailable"]


async def test_an_owned_fleet_is_made_before_it_is_looked_at(
    operator: ClusterOperator, server: Obliging
) -> None:
    put(operator, v4deployment({"template": {"spec": {"containers": [{"name": "engine"}]}}}))
    assert await operator.reconcile(KEY) == SECONDS
    assert [str(each) for each in server.asked] == [
        f"get services ns/{NAME}",
        f"patch services ns/{NAME}",
        f"patch deployments.apps ns/{NAME}",
    ]
    body = server.asked[-1].body
    assert body is not None
    limits = body["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "4"}


async def test_a_v4deployment_that_is_deleted_is_forgotten(
    operator: ClusterOperator, server: Obliging
) -> None:
    put(operator, v4deployment(ADOPTED))
    put_fleet(operator)
    await operator.reconcile(KEY)
    assert operator.reconciler.collector.windows(Key("ns", NAME))
    operator.stores.claims.remove(KEY)
    known = len(server.asked)
    assert await operator.reconcile(KEY) is None
    assert (operator.states, len(server.asked)) == ({}, known)
    assert operator.reconciler.collector.windows(Key("ns", NAME)) == {}


async def test_a_queue_that_is_not_told_is_a_finding_and_one_that_is_a_figure(
    operator: ClusterOperator, server: Obliging, queues: Queues, clock: FakeClock
) -> None:
    manifest = v4deployment(ADOPTED)
    manifest["spec"]["demand"] = {"query": "sum(queue)"}
    put(operator, manifest)
    put_fleet(operator)
    for answer in ("gives no sample", 12.0):
        queues.answer = answer
        await operator.reconcile(KEY)
        await clock.advance(6.0)
        await operator.reconcile(KEY)
    told = [
        (
            "GatewayQueueUnknown" in [finding["reason"] for finding in status["findings"]],
            status["observed"]["gatewayWaitingRequests"],
        )
        for status in server.statuses()
    ]
    assert told == [(False, None), (True, None), (False, 12.0)]
    operator.stores.claims.remove(KEY)
    await operator.reconcile(KEY)
    asked = queues.asked
    await clock.advance(60.0)
    assert queues.asked == asked


async def test_a_reconcile_that_hangs_gives_its_worker_back(
    operator: ClusterOperator, server: Obliging, clock: FakeClock
) -> None:
    put(operator, v4deployment(ADOPTED))
    put_fleet(operator)
    server.hangs = True
    reconciling = asyncio.create_task(operator.reconcile(KEY))
    await clock.advance(59.0)
    assert not reconciling.done()
    await clock.advance(1.0)
    with pytest.raises(RetryLater, match="not done within 60 s"):
        await reconciling


async def test_what_was_learned_is_kept_at_the_end_by_whoever_has_led(
    operator: ClusterOperator, server: Obliging
) -> None:
    await operator.settle()
    assert server.asked == []
    put(operator, v4deployment(ADOPTED))
    put_fleet(operator)
    await operator.reconcile(KEY)
    await operator.settle()
    assert str(server.asked[-1]) == "patch configmaps operators/v4-operator-learned"
    body = server.asked[-1].body
    assert body is not None
    assert set(body["data"]) == {f"ns.{NAME}"}


async def test_an_owned_template_stays_the_same_however_the_fit_moves(
    operator: ClusterOperator, server: Obliging
) -> None:
    manifest = v4deployment({"template": {"spec": {"containers": [{"name": "engine"}]}}})
    put(operator, manifest)
    await operator.reconcile(KEY)
    made = server.asked[-1].body
    assert made is not None
    args = made["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--max-running-requests" in args
    owner = {"ownerReferences": [{"uid": "u1", "controller": True}]}
    meta = {**made["metadata"], **owner, "resourceVersion": "7"}
    live = ScalableView.model_validate({**made, "metadata": meta})
    operator.stores.scalables["Deployment"].put(KEY, live)
    manifest["spec"]["objectives"] = {"interTokenLatency": "100ms"}
    put(operator, manifest)
    operator.owned.forget(KEY)
    await operator.reconcile(KEY)
    (again,) = [
        each.body
        for each in server.asked[3:]
        if each.body is not None and each.kind.plural == "deployments"
    ]
    assert again["spec"]["template"] == made["spec"]["template"]
