"""The operator itself in the simulated fleet: its own windows, estimate, decision and plan.

Nothing is copied and nothing is decided here. Scraped figures become engine readings, the plan's
effects become the step; in between runs the code that runs in a cluster, with the simulated clock.
"""

from collections.abc import Iterable
from dataclasses import replace

from v4operator.act.plan import plan
from v4operator.decide.decide import decide
from v4operator.estimate.forecast import forecast
from v4operator.model.effects import Effect, SetReplicas
from v4operator.model.forecast import Forecast
from v4operator.model.learned import Learned, key_of_fit
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import GatewayObservation, Observation
from v4operator.model.reading import Engine, EngineReading
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.model.verdict import Verdict
from v4operator.observe.gather import Snapshot, gather
from v4operator.observe.window import ReplicaWindow
from v4operator.simulate.policies.figures import ReplicaFigures
from v4operator.simulate.policies.policy import Seen, Step
from v4operator.simulate.policies.subject import Subject

# The collector's own limit for one scrape; it enters the rule of what is still fresh.
_SCRAPE_LIMIT_SECONDS = 2.0


class Ours:
    """One deployment's state from cycle to cycle, as `reconcile` keeps it."""

    def __init__(self, subject: Subject, *, gateway: bool) -> None:
        self._subject = subject
        self._gateway = gateway
        self._windows: dict[str, ReplicaWindow] = {}
        self._learned = Learned.empty(key_of_fit(subject.deployment))
        self._memory = PolicyMemory()
        self._seen_at: float | None = None
        self._last: tuple[Forecast, Verdict] | None = None

    @property
    def period_seconds(self) -> float:
        """A decision a poll."""
        return self._subject.deployment.metrics_interval_seconds

    @property
    def scrape_seconds(self) -> float:
        """The resource's own polling interval."""
        return self._subject.deployment.metrics_interval_seconds

    @property
    def last(self) -> tuple[Forecast, Verdict] | None:
        """What the last cycle expected and decided, for whoever wants to know why."""
        return self._last

    def decide(self, seen: Seen) -> Step:
        """One cycle: gather, estimate, decide, plan."""
        self._collect(seen)
        observation = self._observe(seen)
        subject = self._subject
        expected, self._learned = forecast(observation, self._learned, subject.hbm, subject.profile)
        verdict, self._memory = decide(observation, expected, self._memory)
        self._last = expected, verdict
        step = _step(plan(observation, verdict), seen.desired)
        if expected.capacity is None:
            return step
        return replace(step, admission_limit=int(expected.capacity.sequences))

    def _collect(self, seen: Seen) -> None:
        """Fill the windows with the scrapes since the last cycle."""
        for sample in seen.telemetry.since(-1.0 if self._seen_at is None else self._seen_at):
            for name, metrics in sample.replicas.items():
                window = self._windows.setdefault(name, ReplicaWindow())
                window.add(sample.at, reading_of(metrics))
        there = {replica.name for replica in seen.replicas}
        self._windows = {n: w for n, w in self._windows.items() if n in there}

    def _observe(self, seen: Seen) -> Observation:
        since = seen.now if self._seen_at is None else self._seen_at
        self._seen_at = seen.now
        snapshots = {
            name: Snapshot(
                window=window,
                failure=None,
                failing_since=None,
                scrape_limit_seconds=_SCRAPE_LIMIT_SECONDS,
            )
            for name, window in self._windows.items()
        }
        workload = Workload(
            desired=seen.desired,
            version=f"{seen.now}",
            replicas=tuple(replica_of(replica) for replica in seen.replicas),
        )
        return gather(
            self._subject.deployment,
            workload,
            snapshots,
            now=seen.now,
            since=since,
            gateway=self._outside(seen),
        )

    def _outside(self, seen: Seen) -> GatewayObservation | None:
        """What the gateway told at the last scrape, where there is one."""
        newest = seen.telemetry.newest
        if newest is None or not self._gateway:
            return None
        return GatewayObservation(
            waiting_requests=float(newest.gateway.queued),
            lost_total=float(newest.gateway.rejected_total),
        )


def replica_of(metrics: ReplicaFigures) -> Replica:
    """What Kubernetes says of that replica."""
    return Replica(
        name=metrics.name,
        address=f"http://{metrics.name}:30000",
        phase=Phase(metrics.phase),
        created_at=metrics.created_at,
        ready_at=metrics.ready_at,
        routable=metrics.routable,
    )


def reading_of(metrics: ReplicaFigures) -> EngineReading:
    """What the engine's metrics page would be read as; figures without a counterpart are absent."""
    return EngineReading(
        engine=Engine.SGLANG,
        version=None,
        version_reason="the simulated engine has none",
        model_name=None,
        running_requests=float(metrics.running),
        waiting_requests=float(metrics.waiting),
        kv_usage_ratio=metrics.kv_usage_ratio,
        kv_capacity_tokens=None,
        decode_tokens_total=float(metrics.decode_tokens_total),
        decode_includes_first_token=False,
        first_tokens_total=float(metrics.first_tokens_total),
        prompt_tokens_total=float(metrics.prompt_tokens_total),
        prefill_tokens_total=float(metrics.prefill_tokens_total),
        resident_tokens=float(metrics.resident_tokens),
        finished_requests_total=float(metrics.finished_total),
        finished_decode_tokens_total=float(metrics.finished_decode_tokens_total),
        preemptions_total=float(metrics.retractions_total),
        draft_tokens_total=None,
        accepted_tokens_total=None,
        accept_length=metrics.accept_length,
        num_gpu_blocks=None,
        memory_fraction=None,
        memory=None,
        time_to_first_token=None,
        inter_token_latency=None,
        ranks=(),
        missing=(),
    )


def _step(effects: Iterable[Effect], desired: int) -> Step:
    """The plan's effects as one step, written in their order."""
    count, victim, routable = desired, None, []
    for effect in effects:
        if isinstance(effect, SetReplicas):
            count, victim = effect.count, effect.victim
        else:
            routable.append((effect.replica, effect.routable))
    return Step(desired=count, victim=victim, routable=tuple(routable))
