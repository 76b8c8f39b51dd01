"""Composition root: settings -> adapters -> loop. Standalone: manifests in a folder, no cluster.

One reconcile per deployment and tick; an error with one deployment never stops the others. The
collector scrapes on its own clock beside it.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.process_collector import ProcessCollector

from v4operator.act.ports import Outcome, WorkloadWriter
from v4operator.adapters.addresses import AddressPolicy
from v4operator.adapters.emulated import EmulatedFleets, emulated_clock
from v4operator.adapters.endpoints import EndpointsView
from v4operator.adapters.learned_files import LearnedFiles
from v4operator.adapters.manifest_file import load_file
from v4operator.adapters.manifests import ManifestFolder
from v4operator.adapters.prometheus_entries import load_entries
from v4operator.adapters.prometheus_source import PrometheusSource
from v4operator.adapters.scrape import SCRAPE_SECONDS, HttpMetricsSource
from v4operator.adapters.status_files import StatusFiles
from v4operator.catalogue import load
from v4operator.model.deployment import Deployment, Key
from v4operator.model.effects import Effect
from v4operator.model.problem import Problem
from v4operator.observe.collector import Collector
from v4operator.observe.gateway import GatewayWatch
from v4operator.observe.ports import Clock, WorkloadUnavailable, WorkloadView
from v4operator.reconcile import Cycle, Reconciler, Remembered, State
from v4operator.report.decisions import Decisions, Standing
from v4operator.report.document import document
from v4operator.report.metrics import FleetMetrics
from v4operator.report.problems import WORKLOAD_UNAVAILABLE
from v4operator.report.reconciles import ReconcileMetrics
from v4operator.runtime.clock import SystemClock
from v4operator.runtime.heartbeat import Heartbeat
from v4operator.runtime.server import HealthServer, Pages
from v4operator.settings import Settings

log = structlog.get_logger()

# Of the five seconds that ending may take; the rest is for closing sockets and threads.
_LAST_TICK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The rim that the operator works on: real engines by address, or an emulated fleet."""

    clock: Clock
    speed: float
    view: WorkloadView
    writer: WorkloadWriter


class NoScaling:
    """The writer where engines are run by hand: it says so and changes nothing."""

    async def write(self, key: Key, effect: Effect) -> tuple[Outcome, str]:
        """Refuse."""
        return Outcome.REFUSED, f"{key}: scaling is off (--scaling none), not done: {effect}"


@asynccontextmanager
async def world(emulator_url: str | None) -> AsyncIterator[World]:
    """Open the rim; the emulator also lends its clock."""
    if emulator_url is None:
        clock = SystemClock()
        yield World(clock=clock, speed=1.0, view=EndpointsView(clock), writer=NoScaling())
        return
    shared = await emulated_clock(emulator_url)
    async with EmulatedFleets(emulator_url, EndpointsView(shared)) as fleets:
        yield World(clock=shared, speed=shared.speed, view=fleets, writer=fleets)


@dataclass(slots=True)
class Standalone:
    """The loop over a folder of manifests."""

    settings: Settings
    folder: ManifestFolder
    reconciler: Reconciler
    files: StatusFiles
    learned: LearnedFiles
    fleet_metrics: FleetMetrics
    decisions: Decisions
    own_metrics: ReconcileMetrics
    states: dict[Key, State] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    ticked: bool = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Tick until told to stop; a tick that is under way gets a moment to finish."""
        ticking = asyncio.create_task(self._tick_until(stopping), name="ticks")
        waiting = asyncio.create_task(stopping.wait(), name="stop")
        await asyncio.wait({ticking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await asyncio.wait({ticking}, timeout=_LAST_TICK_SECONDS)
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        self.learned.save()

    async def _tick_until(self, stopping: asyncio.Event) -> None:
        clock = self.reconciler.clock
        while not stopping.is_set():
            await self.tick()
            pause = asyncio.create_task(clock.sleep(self.settings.reconcile_seconds))
            stop = asyncio.create_task(stopping.wait())
            await asyncio.wait({pause, stop}, return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            stop.cancel()

    async def tick(self) -> None:
        """Look at the folder, then take every deployment once."""
        wanted = self.folder.read()
        self._tell(wanted.problems)
        present = {deployment.key for deployment in wanted.deployments}
        vanished = () if self.ticked or wanted.problems else self.files.vanished(present)
        # One that could never be looked at has no state, but its problem is exported.
        known = self.states.keys() | self.fleet_metrics.keys()
        for key in (*(known - present), *vanished):
            self._forget(key)
        for deployment in wanted.deployments:
            await self._one(deployment)
        self.learned.save_if_due()
        self.ticked = True

    def not_ready(self) -> str | None:
        """Why the operator is not ready, for /readyz."""
        return None if self.ticked else "the manifests have not been read yet"

    async def _one(self, deployment: Deployment) -> None:
        began = time.monotonic()
        result = "success" if await self._reconcile(deployment) else "error"
        self.own_metrics.observe(result, time.monotonic() - began)

    async def _reconcile(self, deployment: Deployment) -> bool:
        key, before = deployment.key, self.states.get(deployment.key)
        try:
            kept = None if before else self._remembered(key)
            cycle, state = await self.reconciler.reconcile(deployment, before, kept)
        except WorkloadUnavailable as error:
            log.warning("workload_unavailable", v4deployment=str(key), reason=str(error))
            self.decisions.withhold(key, WORKLOAD_UNAVAILABLE, str(error))
            self.fleet_metrics.withhold(key, WORKLOAD_UNAVAILABLE)
            return False
        except Exception:
            # A defect met by one deployment is told and must not blind the others.
            log.exception("reconcile_failed", v4deployment=str(key))
            return False
        self.states[key] = state
        self.learned.note(key, state.learned)
        self._report(key, cycle)
        return True

    def _remembered(self, key: Key) -> Remembered:
        """What an earlier process has left of it in the status folder."""
        return Remembered(status=self.files.read(key), learned=self.learned.read(key))

    def _report(self, key: Key, cycle: Cycle) -> None:
        self.fleet_metrics.record(cycle.observation, cycle.forecast, cycle.verdict, cycle.status)
        self.decisions.record(cycle.forecast, cycle.verdict, cycle.status)
        try:
            self.files.write(key, document(cycle.status))
        except OSError as error:
            log.warning("status_not_written", v4deployment=str(key), reason=str(error))
        decision = cycle.verdict.decision
        log.info(
            "decision",
            v4deployment=str(key),
            action=decision.action.value,
            current=decision.current,
            desired=decision.desired,
            reason=decision.reason,
            sentence=decision.sentence,
        )
        for applied in cycle.applied:
            log.info(
                "effect",
                v4deployment=str(key),
                outcome=applied.outcome.value,
                message=applied.message,
            )

    def _forget(self, key: Key) -> None:
        log.info("forgotten", v4deployment=str(key), reason="no manifest names it any more")
        self.states.pop(key, None)
        self.reconciler.forget(key)
        self.fleet_metrics.forget(key)
        self.decisions.forget(key)
        self.files.remove(key)
        self.learned.forget(key)

    def _tell(self, problems: tuple[Problem, ...]) -> None:
        """Say what is wrong in the folder, once per change."""
        if problems == self.problems:
            return
        self.problems = problems
        for problem in problems:
            log.error("manifest_refused", problem=str(problem))


async def run_standalone(
    settings: Settings, manifests: Path, status_folder: Path, emulator_url: str | None
) -> None:
    """Run until SIGTERM or SIGINT; everything that was opened is closed.

    Raises:
        WorkloadUnavailable: the emulator does not answer.
        OSError: the port is taken or the status folder cannot be made.
    """
    stopping = stop_on_signals()
    async with AsyncExitStack() as stack:
        rim = await stack.enter_async_context(world(emulator_url))
        registry = open_registry()
        operator = _assemble(stack, settings, rim, manifests, status_folder, registry)
        port = serve(stack, settings, registry, operator.not_ready, operator.decisions)
        log.info("started", manifests=str(manifests), port=port)
        await operator.run(stopping)
        log.info("stopping")


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. Call within the loop."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def open_registry() -> CollectorRegistry:
    """A registry of the process's own, with what is known of any process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def serve(
    stack: AsyncExitStack,
    settings: Settings,
    registry: CollectorRegistry,
    not_ready: Callable[[], str | None],
    decisions: Decisions,
) -> int:
    """Answer for metrics, health and decisions until the stack is closed; the port.

    Raises:
        OSError: the port is taken.
    """
    heartbeat = Heartbeat()
    beating = asyncio.create_task(heartbeat.run(), name="heartbeat")
    stack.callback(beating.cancel)
    pages = Pages(
        metrics=lambda: generate_latest(registry),
        not_ready=not_ready,
        heartbeat=heartbeat,
        document=decisions.page,
    )
    server = HealthServer(pages, host=settings.listen_host, port=settings.listen_port).start()
    stack.callback(server.stop)
    return server.port


def open_observers(
    stack: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    policy: AddressPolicy,
    speed: float = 1.0,
) -> tuple[Collector, GatewayWatch]:
    """What scrapes and asks over HTTP until the stack is closed; `speed` is the clock's."""
    source = HttpMetricsSource(clock, policy)
    stack.push_async_callback(source.aclose)
    prometheus = PrometheusSource(load_entries(settings.prometheus_file), clock)
    stack.push_async_callback(prometheus.aclose)
    gateways = GatewayWatch(prometheus, clock)
    stack.push_async_callback(gateways.aclose)
    collector = Collector(
        source,
        clock,
        fleets=prometheus,
        concurrency=settings.scrape_concurrency,
        scrape_limit_seconds=SCRAPE_SECONDS * speed,
    )
    stack.push_async_callback(collector.aclose)
    return collector, gateways


def _assemble(
    stack: AsyncExitStack,
    settings: Settings,
    rim: World,
    manifests: Path,
    status_folder: Path,
    registry: CollectorRegistry,
) -> Standalone:
    # Standalone engines run where the operator runs, so loopback is where they are.
    policy = AddressPolicy(allow_loopback=True)
    collector, gateways = open_observers(stack, settings, rim.clock, policy, speed=rim.speed)
    catalogue = load(settings.catalogue_dir)
    fleet_metrics = FleetMetrics(catalogue)
    registry.register(fleet_metrics)
    return Standalone(
        settings=settings,
        folder=ManifestFolder(manifests, partial(load_file, catalogue=catalogue)),
        reconciler=Reconciler(
            catalogue=catalogue,
            view=rim.view,
            writer=rim.writer,
            collector=collector,
            gateways=gateways,
            clock=rim.clock,
        ),
        files=StatusFiles(status_folder),
        learned=LearnedFiles(status_folder, rim.clock),
        fleet_metrics=fleet_metrics,
        decisions=Decisions(_alone(rim.clock)),
        own_metrics=ReconcileMetrics(registry),
    )


def _alone(clock: Clock) -> Standing:
    """Without a cluster there is one operator, and it decides."""
    name = "standalone"
    return Standing(identity=name, leads=lambda: True, leader=lambda: name, now=clock.now)
