"""Builders of what the later stages read: observations and forecasts with every field filled in.

A `World` is a perfect plant in miniature: replicas that start, serve, drain and go, and a demand.
Tests say only what matters to them; the rest are the values of an uneventful fleet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from v4operator.act.plan import plan
from v4operator.decide.decide import decide
from v4operator.model.deployment import (
    Deployment,
    Key,
    MemoryPlan,
    Objectives,
    Scaling,
    ScalingMode,
)
from v4operator.model.effects import Effect, SetReplicas, SetRoutable
from v4operator.model.figures import Tag
from v4operator.model.forecast import (
    Capacity,
    CapacityBound,
    Demand,
    FleetThroughput,
    Forecast,
    ReplicaForecast,
    ThroughputVerdict,
)
from v4operator.model.hbm import Finding, HbmReport, HbmVerdict
from v4operator.model.layout import Layout
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import Observation, ReplicaObservation
from v4operator.model.reading import Engine, EngineReading
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.model.verdict import Decision, Verdict

START = 1_800_000_000.0
WINDOW = 600.0
START_UP = 480.0


def scaling(**changes: Any) -> Scaling:
    values = Scaling(
        mode=ScalingMode.AUTOMATIC,
        min_replicas=1,
        max_replicas=100,
        paused=False,
        shrink_window_seconds=WINDOW,
        drain_timeout_seconds=300.0,
    )
    return replace(values, **changes)


def deployment(**changes: Any) -> Deployment:
    memory = MemoryPlan(
        checkpoint="deepseek-ai/DeepSeek-V4-Flash",
        engine="sglang",
        engine_version=None,
        engine_args=(),
        accelerator="h200-141",
        devices=4,
        layout=Layout(tensor=4),
        max_context_tokens=None,
        concurrency=1,
        budget=None,
    )
    values = Deployment(
        key=Key("ai", "flash"),
        generation=3,
        memory=memory,
        enforce_hbm=False,
        scaling=scaling(),
        objectives=Objectives(ttft_seconds=2.0, inter_token_latency_seconds=0.033, attainment=0.99),
        endpoints=(),
        metrics_port=30000,
        metrics_path="/metrics",
        metrics_interval_seconds=5.0,
    )
    return replace(values, **changes)


def reading(**changes: Any) -> EngineReading:
    absent: dict[str, Any] = dict.fromkeys(
        name for name in EngineReading.__dataclass_fields__ if name != "timestamp"
    )
    values = absent | {
        "engine": Engine.SGLANG,
        "decode_includes_first_token": False,
        "running_requests": 20.0,
        "waiting_requests": 0.0,
        "kv_usage_ratio": 0.25,
        "ranks": (),
        "missing": (),
    }
    return EngineReading(**(values | changes))


def replica(name: str, phase: Phase = Phase.READY, **changes: Any) -> Replica:
    values = Replica(
        name=name,
        address=f"http://{name}:30000",
        phase=phase,
        created_at=START - 7200.0,
        ready_at=START - 6600.0 if phase is Phase.READY else None,
    )
    return replace(values, **changes)


def observed(of: Replica, **changes: Any) -> ReplicaObservation:
    serves = of.phase is Phase.READY
    values = ReplicaObservation(
        replica=of,
        fresh=serves,
        age_seconds=2.0 if serves else None,
        unknown=None if serves else "connection refused",
        reading=reading() if serves else None,
        intervals=(),
        recent=None,
        slow=None,
    )
    return replace(values, **changes)


def silent(name: str, reason: str = "connection refused") -> ReplicaObservation:
    return observed(replica(name), fresh=False, age_seconds=90.0, unknown=reason)


def serving(count: int, **changes: Any) -> tuple[ReplicaObservation, ...]:
    return tuple(observed(replica(f"flash-{index}"), **changes) for index in range(count))


def observation(
    replicas: Iterable[ReplicaObservation],
    *,
    now: float = START,
    desired: int | None = -1,
    findings: tuple[Finding, ...] = (),
    **of: Any,
) -> Observation:
    """`desired` is the number of replicas unless it is given; `of` are fields of the deployment."""
    held = tuple(replicas)
    count = len(held) if desired == -1 else desired
    workload = Workload(
        desired=count,
        version="7",
        replicas=tuple(r.replica for r in held),
        findings=findings,
    )
    return Observation(now=now, deployment=deployment(**of), workload=workload, replicas=held)


def demand(now: float, horizon: float | None = None, **changes: Any) -> Demand:
    values = Demand(
        computable=True,
        reason=None,
        now_replicas=now,
        horizon_replicas=now if horizon is None else horizon,
        horizon_seconds=START_UP,
        trend_replicas_per_second=0.0,
        decode_tokens_per_second=1000.0 * now,
        prefill_tokens_per_second=0.0,
        waiting_requests=0.0,
    )
    return replace(values, **changes)


def replica_forecast(name: str, speed: float = 1.0, **changes: Any) -> ReplicaForecast:
    values = ReplicaForecast(
        name=name,
        observed_tokens_per_second=1000.0 * speed,
        expected_tokens_per_second=1000.0,
        efficiency_ratio=speed,
        confidence=0.8,
        speed_ratio=speed,
        verdict=ThroughputVerdict.HEALTHY,
        sentence=f"{name} decodes as expected",
        expected_decode_tokens=5000.0,
        observed_decode_tokens=5000.0 * speed,
    )
    return replace(values, **changes)


def hbm(verdict: HbmVerdict = HbmVerdict.FITS, **changes: Any) -> HbmReport:
    values = HbmReport(verdict=verdict, sentence=f"it {verdict.value}", decided_by=Tag.DERIVED)
    return replace(values, **changes)


def forecast(
    asked: Demand, *, speeds: dict[str, float] | None = None, now: float = START, **changes: Any
) -> Forecast:
    values = Forecast(
        now=now,
        hbm=hbm(),
        step=None,
        mix=None,
        capacity=Capacity(
            sequences=54.0,
            decode_tokens_per_second=1600.0,
            requests_per_second=1.6,
            inter_token_latency_seconds=0.033,
            bound=CapacityBound.INTER_TOKEN_LATENCY,
            confidence=0.8,
            source="fitted on this fleet",
        ),
        demand=asked,
        start_up_seconds=START_UP,
        start_up_source="median of 3 starts",
        replicas=tuple(replica_forecast(n, s) for n, s in (speeds or {}).items()),
        throughput=FleetThroughput(
            verdict=ThroughputVerdict.HEALTHY,
            replica=None,
            sentence="all replicas decode as expected",
            efficiency_ratio=0.99,
            confidence=0.8,
        ),
        findings=(),
    )
    return replace(values, **changes)


def settled(count: int, need: int, *, now: float = START, every: float = 5.0) -> PolicyMemory:
    """The memory of a policy that has watched `need` for two whole windows."""
    memory = PolicyMemory()
    quiet = serving(count)
    at = now - 2 * WINDOW
    while at < now:
        seen = observation(quiet, now=at, scaling=scaling(mode=ScalingMode.DISABLED))
        _, memory = decide(seen, forecast(demand(float(need)), now=at), memory)
        at += every
    return memory


@dataclass(kw_only=True)
class World:
    """A fleet that does what it is told: effects take place, starts take `start_up` seconds."""

    replicas: list[ReplicaObservation]
    desired: int
    of: dict[str, Any] = field(default_factory=dict)
    demand: Demand = field(default_factory=lambda: demand(0.0))
    speeds: dict[str, float] = field(default_factory=dict)
    memory: PolicyMemory = field(default_factory=PolicyMemory)
    now: float = START
    start_up: float = START_UP
    quota: int | None = None
    born: int = 0
    counts: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    @classmethod
    def of_size(cls, count: int, **changes: Any) -> "World":
        return cls(replicas=list(serving(count)), desired=count, **changes)

    def observation(self) -> Observation:
        return observation(self.replicas, now=self.now, desired=self.desired, **self.of)

    def decide(self) -> Verdict:
        asked = forecast(self.demand, speeds=self.speeds, now=self.now)
        verdict, self.memory = decide(self.observation(), asked, self.memory)
        return verdict

    def step(self, seconds: float = 5.0) -> Decision:
        """One cycle: decide, carry out, let time pass."""
        seen = self.observation()
        verdict = self.decide()
        for effect in plan(seen, verdict):
            self._carry_out(effect)
        self.now += seconds
        self._live()
        self.counts.append(self.desired)
        self.decisions.append(verdict.decision)
        return verdict.decision

    def run(self, seconds: float, every: float = 5.0) -> list[Decision]:
        return [self.step(every) for _ in range(int(seconds / every))]

    def change(self, name: str, **changes: Any) -> None:
        """Other fields of the observation of one replica."""
        self.replicas = [
            replace(r, **changes) if r.replica.name == name else r for r in self.replicas
        ]

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, SetRoutable):
            self._route(effect)
        else:
            self._scale(effect)

    def _route(self, effect: SetRoutable) -> None:
        for r in self.replicas:
            if r.replica.name == effect.replica:
                self.change(effect.replica, replica=replace(r.replica, routable=effect.routable))

    def _scale(self, effect: SetReplicas) -> None:
        assert effect.expected == self.desired
        self.replicas = [r for r in self.replicas if r.replica.name != effect.victim]
        self.desired = effect.count
        while len(self.replicas) < self.desired:
            self.born += 1
            full = self.quota is not None and len(self.replicas) >= self.quota
            phase = Phase.UNSCHEDULABLE if full else Phase.STARTING
            reason = "no nvidia.com/gpu free" if full else None
            new = replica(f"new-{self.born}", phase, created_at=self.now, reason=reason)
            self.replicas.append(observed(new))

    def _live(self) -> None:
        for r in self.replicas:
            if r.reading is not None and not r.replica.routable:
                left = max(0.0, (r.reading.running_requests or 0.0) - 1.0)
                self.change(r.replica.name, reading=reading(running_requests=left))
            late = self.now - r.replica.created_at >= self.start_up
            if r.replica.phase is Phase.STARTING and late:
                ready = replace(r.replica, phase=Phase.READY, ready_at=self.now)
                self.change(ready.name, **_as_serving(ready))


def _as_serving(ready: Replica) -> dict[str, Any]:
    seen = observed(ready)
    return {
        name: getattr(seen, name)
        for name in ("replica", "fresh", "age_seconds", "unknown", "reading")
    }
