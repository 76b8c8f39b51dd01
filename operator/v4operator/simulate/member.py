"""One replica of an emulated fleet as a cluster sees it: phase, start-up, faults."""

import math
import random
from dataclasses import dataclass

from v4operator.model.deployment import Key
from v4operator.model.reading import Engine
from v4operator.model.replica import Phase
from v4operator.simulate.profiles import ReplicaProfile
from v4operator.simulate.replica import Replica
from v4operator.simulate.traffic import Traffic
from v4operator.simulate.truth import Objective

# A scheduler places a pod within seconds where a node is free; loading then takes the minutes.
PENDING_SECONDS = 5.0
# SGLang answers /metrics, and /ready with 503, for its warm-up request: 1.5 to 2.5 s (0.5.23).
WARM_UP_SECONDS = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """Time from creation to ready: log-normal by mean and coefficient of variation."""

    seconds: float
    variation: float = 0.0
    seed: int = 0

    def draw_loading(self, chance: random.Random) -> float:
        """Seconds from placed to ready for one start."""
        mean = max(0.0, self.seconds - PENDING_SECONDS)
        if self.variation <= 0 or mean == 0:
            return mean
        variance = math.log1p(self.variation**2)
        return chance.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSpec:
    """One emulated deployment. `quota` is how many replicas find devices (`None`: all)."""

    key: Key
    engine: Engine
    model: str
    profile: ReplicaProfile
    replicas: int
    start_up: StartUp
    objective: Objective
    traffic: Traffic | None = None
    quota: int | None = None
    context_tokens: int = 262_144
    batched_tokens: int = 16_384  # vLLM's own on devices of 160 GiB and more (vLLM 0.33 source)
    weights_gib: float = 38.92  # per device: V4-Flash on four, as in SGLang's recording
    free_memory_gib: float = 9.84  # after start-up, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong with a replica. `unreachable` refuses connections, `metrics_lost` says 503."""

    speed_factor: float = 1.0
    stalled: bool = False
    metrics_lost: bool = False
    unreachable: bool = False


@dataclass(slots=True, eq=False)
class Member:
    """One replica of the fleet. `engine` is the step model, there while its process serves."""

    name: str
    ordinal: int
    created_at: float
    phase: Phase = Phase.PENDING
    reason: str | None = None
    engine: Replica | None = None
    begins_at: float = math.inf
    readies_at: float = math.inf
    ready_at: float | None = None
    routable: bool = True
    faults: Faults = Faults()

    @property
    def takes_requests(self) -> bool:
        """Whether the router sends requests here."""
        return self.phase is Phase.READY and self.routable

    @property
    def process_started_at(self) -> float:
        """When the present process began to load; before the scenario it was the creation."""
        return self.begins_at if math.isfinite(self.begins_at) else self.created_at

    @property
    def loading_seconds(self) -> float:
        """How long the present process loads, or has loaded."""
        if math.isfinite(self.readies_at):
            return self.readies_at - self.process_started_at
        return 0.0 if self.ready_at is None else self.ready_at - self.created_at

    def warming_up(self, now: float) -> bool:
        """Whether the engine has loaded and runs its warm-up request."""
        return self.phase is Phase.STARTING and now >= self.readies_at - WARM_UP_SECONDS

    def apply_faults(self, now: float) -> None:
        """Let the step model feel what is wrong."""
        if self.engine is not None:
            self.engine.set_speed(now, self.faults.speed_factor)
            self.engine.set_stalled(now, stalled=self.faults.stalled)
