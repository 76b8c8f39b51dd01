"""The operator in a cluster: followed objects make keys, each key is reconciled and reported on.

Composition root beside `app`. Rules stand in the stages, plumbing in `runtime` and `adapters`.
"""

import random
import socket
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry

from v4operator.adapters.addresses import AddressPolicy, places_of
from v4operator.adapters.cluster_capacity_table import ClusterCapacityTable
from v4operator.adapters.cluster_learned import ClusterLearned
from v4operator.adapters.cluster_owned import OwnedWorkloads
from v4operator.adapters.cluster_pod_views import PodView
from v4operator.adapters.cluster_status import ClusterStatus
from v4operator.adapters.cluster_stores import ClusterStores
from v4operator.adapters.cluster_views import (
    NODES,
    PODS,
    SCALABLE,
    V4DEPLOYMENTS,
    ClaimView,
    NodeView,
    ScalableView,
)
from v4operator.adapters.cluster_workloads import ClusterWorkloads
from v4operator.adapters.endpoints import EndpointsView
from v4operator.adapters.kube import KubeApi
from v4operator.adapters.kube_access import SERVICE_ACCOUNT, access
from v4operator.adapters.kube_events import KubeEvents
from v4operator.adapters.kube_lease import KubeLease
from v4operator.adapters.kube_resource import KubeResource
from v4operator.app import open_observers, open_registry, serve, stop_on_signals
from v4operator.catalogue import load
from v4operator.cluster_operator import ClusterOperator
from v4operator.crdgen.admission import table
from v4operator.model.catalogue import Catalogue
from v4operator.reconcile import Reconciler
from v4operator.report.decisions import Decisions, Standing
from v4operator.report.metrics import FleetMetrics
from v4operator.report.reconciles import ReconcileMetrics
from v4operator.runtime.backoff import Backoff
from v4operator.runtime.clock import SystemClock
from v4operator.runtime.controller import Controller, Observers
from v4operator.runtime.elector import Elector
from v4operator.runtime.metrics import (
    ElectionMetrics,
    ReflectorMetrics,
    RequestMetrics,
    WorkQueueMetrics,
)
from v4operator.runtime.ports import ObjectKey
from v4operator.runtime.reflector import ReflectorLimits
from v4operator.runtime.store import Transition
from v4operator.settings import Settings

log = structlog.get_logger()

_WORKERS = 4
"""Reconciles are computation but for their writes; a few let one slow write delay no other key."""

_OPTIONAL = ReflectorLimits(backoff=Backoff(base_seconds=1.0, cap_seconds=300.0))
"""For what may be out of reach for good: a right that is missing is asked for ever more rarely."""

_NAME = "v4deployment"
"""The controller's name in metrics."""


async def run_cluster(settings: Settings, kubeconfig: Path | None) -> None:
    """Follow, compete for the Lease, reconcile while leading, until SIGTERM or SIGINT.

    Raises:
        Unavailable: there is no usable kubeconfig or service account.
        OSError: the port is taken.
        ExceptionGroup: the Lease was lost, or a part has a defect. The process should end.
    """
    stopping = stop_on_signals()
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        registry = open_registry()
        credentials = await access(clock, kubeconfig=kubeconfig)
        requests = RequestMetrics(registry, str(credentials.configuration.host))
        api = await stack.enter_async_context(KubeApi(credentials, requests))
        namespace = _own_namespace(settings)
        lease = ObjectKey(namespace, settings.lease_name)
        identity = f"{socket.gethostname()}_{uuid4()}"
        elector = Elector(
            KubeLease(api, lease),
            identity,
            clock=clock,
            chance=random.random,
            observer=ElectionMetrics(registry, lease.name),
        )
        stores = ClusterStores()
        learned = ClusterLearned(api, namespace, clock)
        catalogue = load(settings.catalogue_dir)
        policy = AddressPolicy(
            allow_loopback=settings.allow_loopback,
            # As it is reached from here. The servers behind that address stand in an EndpointSlice
            # of the namespace `default`, where an operator of one namespace has no rights; a scrape
            # shows no credentials, so that it is an anonymous GET to them.
            refused=await places_of(str(credentials.configuration.host)),
        )
        operator = _operator(
            stack, settings, api, stores, learned, elector, registry, clock, catalogue, policy
        )
        controller = Controller(
            operator.reconcile,
            elector,
            workers=_WORKERS,
            clock=clock,
            chance=random.random,
            observers=_observers(registry, clock),
            settle=operator.settle,
            beside=ClusterCapacityTable(api, partial(table, catalogue, namespace), clock).keep,
        )
        _follow(controller, settings, api, stores)
        port = serve(stack, settings, registry, controller.not_ready, operator.decisions)
        log.info("started", identity=identity, lease=str(lease), port=port)
        await controller.run(stopping)
        log.info("stopping")


def _operator(
    stack: AsyncExitStack,
    settings: Settings,
    api: KubeApi,
    stores: ClusterStores,
    learned: ClusterLearned,
    elector: Elector,
    registry: CollectorRegistry,
    clock: SystemClock,
    catalogue: Catalogue,
    policy: AddressPolicy,
) -> ClusterOperator:
    fleet_metrics = FleetMetrics(catalogue)
    registry.register(fleet_metrics)
    workloads = ClusterWorkloads(
        stores, api, is_leading=elector.is_leading, endpoints=EndpointsView(clock)
    )
    collector, gateways = open_observers(stack, settings, clock, policy)
    return ClusterOperator(
        settings=settings,
        stores=stores,
        reconciler=Reconciler(
            catalogue=catalogue,
            view=workloads,
            writer=workloads,
            collector=collector,
            gateways=gateways,
            clock=clock,
        ),
        workloads=workloads,
        owned=OwnedWorkloads(stores, api, is_leading=elector.is_leading),
        statuses=ClusterStatus(api, clock),
        learned=learned,
        events=KubeEvents(api, clock, elector.identity),
        fleet_metrics=fleet_metrics,
        decisions=Decisions(
            Standing(
                identity=elector.identity,
                leads=elector.is_leading,
                leader=lambda: elector.leader,
                now=clock.now,
            )
        ),
    )


def _observers(registry: CollectorRegistry, clock: SystemClock) -> Observers:
    return Observers(
        queue=WorkQueueMetrics(registry, _NAME, clock),
        reconciles=ReconcileMetrics(registry, _NAME),
        reflector=ReflectorMetrics(registry).of,
    )


def _follow(
    controller: Controller[ObjectKey], settings: Settings, api: KubeApi, stores: ClusterStores
) -> None:
    namespace = settings.namespace
    claims = KubeResource(api, V4DEPLOYMENTS, ClaimView, namespace=namespace)
    controller.follow("v4deployments", claims, stores.claims, _itself)
    pods = KubeResource(api, PODS, PodView, namespace=namespace)
    controller.follow("pods", pods, stores.pods, stores.concerned_by_pod)
    nodes = KubeResource(api, NODES, NodeView)
    stores.missing["nodes"] = controller.follow(
        "nodes", nodes, stores.nodes, lambda _: (), _OPTIONAL, required=False
    )
    for kind, resource in SCALABLE.items():
        scalables = KubeResource(api, resource, ScalableView, namespace=namespace)
        controller.follow(
            resource.plural, scalables, stores.scalables[kind], _concerned(stores, kind)
        )


def _itself(transition: Transition[ClaimView]) -> Iterable[ObjectKey]:
    return (transition.key,)


def _concerned(
    stores: ClusterStores, kind: str
) -> Callable[[Transition[ScalableView]], Iterable[ObjectKey]]:
    return lambda transition: stores.concerned_by_scalable(kind, transition.key)


def _own_namespace(settings: Settings) -> str:
    """As set, else where the pod runs, else the one that kubectl takes where none is named."""
    if settings.lease_namespace:
        return settings.lease_namespace
    own = SERVICE_ACCOUNT / "namespace"
    return own.read_text().strip() if own.is_file() else "default"
