"""A small synthetic fleet that drives the whole estimate through hours.

A fluid model with Poisson arrivals: each replica decodes as its true step-time law says, times a
noise that lasts about a minute, and its batch is what arrived and is not finished. Nothing of the
estimate but the form of the law is in it.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import cos, exp, pi, sqrt
from typing import Any

from v4operator.estimate.forecast import forecast
from v4operator.estimate.price import Price
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.deployment import (
    Deployment,
    Key,
    MemoryPlan,
    Objectives,
    Scaling,
    ScalingMode,
)
from v4operator.model.figures import Figure, Tag
from v4operator.model.forecast import Forecast, ThroughputVerdict
from v4operator.model.hbm import HbmReport, HbmVerdict, KvPool
from v4operator.model.layout import Layout
from v4operator.model.learned import Learned, key_of_fit
from v4operator.model.observation import Interval, Observation, ReplicaObservation
from v4operator.model.replica import Phase, Replica, Workload
from v4operator.model.step import StepTime

POLL = 5.0
SUBSTEPS = 20  # of a poll, for the truth
PROMPT, ANSWER = 1200.0, 600.0
FLASH = StepTime(  # V4-Flash FP8 on 4 x H200, SGLang cookbook v0.5.15
    base_seconds=2.8e-3,
    per_sequence_seconds=0.41e-3,
    per_kv_token_seconds=0.45e-9,
    per_prefill_token_seconds=19.3e-6,
)
DEPLOYMENT = Deployment(
    key=Key("chat", "flash"),
    generation=1,
    memory=MemoryPlan(
        checkpoint="deepseek-ai/DeepSeek-V4-Flash",
        engine="sglang",
        engine_version="0.5.23",
        engine_args=(),
        accelerator="h200-141",
        devices=4,
        layout=Layout(tensor=4),
        max_context_tokens=262144,
        concurrency=64,
        budget=None,
    ),
    enforce_hbm=False,
    scaling=Scaling(
        mode=ScalingMode.AUTOMATIC,
        min_replicas=1,
        max_replicas=20,
        paused=False,
        shrink_window_seconds=600.0,
        drain_timeout_seconds=600.0,
    ),
    objectives=Objectives(
        ttft_seconds=2.0, inter_token_latency_seconds=1.0 / 30.0, attainment=0.99
    ),
    endpoints=(),
    metrics_port=30000,
    metrics_path="/metrics",
    metrics_interval_seconds=POLL,
)
DECODE_PRICE = Price(
    decode_token_seconds=1e-3,
    prefill_token_seconds=0.0,
    request_decode_tokens=100.0,
    request_prefill_tokens=0.0,
    work_share=1.0,
)
"""Of a replica that does 1000 decode tokens a second and reads prompts for nothing."""

HBM = HbmReport(
    verdict=HbmVerdict.FITS,
    sentence="fits",
    decided_by=Tag.DERIVED,
    pool=KvPool(capacity_tokens=4e6, fixed_tokens_per_request=200.0),
)


def scaled(law: StepTime, factor: float) -> StepTime:
    return StepTime(
        base_seconds=law.base_seconds * factor,
        per_sequence_seconds=law.per_sequence_seconds * factor,
        per_kv_token_seconds=law.per_kv_token_seconds * factor,
        per_prefill_token_seconds=law.per_prefill_token_seconds * factor,
    )


def profile(step: StepTime) -> PerformanceProfile:
    return PerformanceProfile(
        checkpoint="deepseek-ai/DeepSeek-V4-Flash",
        engine="sglang",
        accelerator="h200-141",
        devices=4,
        step=step,
        max_running_requests=256,
        source=Figure(value=1.0, tag=Tag.PUBLISHED, source="SGLang cookbook v0.5.15"),
        note=None,
    )


def interval(
    start: float,
    end: float,
    *,
    running: float | None = 20.0,
    waiting: float = 0.0,
    decode: float | None = 1500.0,
    prefill: float | None = 1000.0,
    prompt: float | None = None,
    first: float | None = 1.0,
    kv_tokens: float | None = None,
    accept: float | None = None,
) -> Interval:
    """An interval with the figures of a loaded replica; what is not named is absent."""
    return Interval(
        start=start,
        end=end,
        running_mean=running,
        waiting_mean=waiting,
        kv_usage_mean_ratio=None,
        kv_tokens_mean=kv_tokens,
        decode_tokens_per_second=decode,
        prompt_tokens_per_second=prefill if prompt is None else prompt,
        prefill_tokens_per_second=prefill,
        first_tokens_per_second=first,
        finished_requests_per_second=None,
        preemptions_per_second=None,
        accept_length=accept,
    )


def replica_with(
    name: str, now: float, *, ready_at: float = 0.0, **figures: Any
) -> ReplicaObservation:
    """A fresh ready replica whose last poll and last minute both show these figures."""
    return ReplicaObservation(
        replica=Replica(
            name=name,
            address="http://127.0.0.1",
            phase=Phase.READY,
            created_at=ready_at - 480.0,
            ready_at=ready_at,
        ),
        fresh=True,
        age_seconds=1.0,
        unknown=None,
        reading=None,
        intervals=(interval(now - POLL, now, **figures),),
        recent=interval(now - 60.0, now, **figures),
        slow=None,
    )


@dataclass
class Engine:
    """One replica of the truth."""

    name: str
    ready_at: float
    batch: float = 10.0
    noise: float = 0.0
    past: list[Interval] = field(default_factory=list)


@dataclass(kw_only=True)
class Fleet:
    """The truth: `rate` is requests a second for all, `slow` a factor on a replica's step time."""

    rate: Callable[[float], float]
    slow: Callable[[str, float], float] = lambda _name, _time: 1.0
    answer: Callable[[float], float] = lambda _time: ANSWER
    prompt: Callable[[float], float] = lambda _time: PROMPT
    accept: Callable[[str, float], float | None] = lambda _name, _time: None
    prior: StepTime = FLASH
    names: tuple[str, ...] = ("flash-0", "flash-1", "flash-2", "flash-3")
    silent: Callable[[str, float], bool] = lambda _name, _time: False
    stuck: Callable[[str, float], bool] = lambda _name, _time: False
    noise: float = 0.05
    seed: int = 1
    ready_at: Mapping[str, float] = field(default_factory=dict)  # default: an hour ago
    learned: Learned = field(init=False)

    def run(self, hours: float) -> Iterator[Forecast]:
        chance = random.Random(self.seed)  # noqa: S311 - noise for a test, not a secret
        engines = [
            Engine(name=name, ready_at=self.ready_at.get(name, -3600.0)) for name in self.names
        ]
        self.learned = Learned.empty(key_of_fit(DEPLOYMENT))
        for step in range(1, int(hours * 3600 / POLL) + 1):
            now = step * POLL
            for engine in engines:
                self.advance(engine, now, chance)
            seen = self.observe(engines, now)
            outcome, self.learned = forecast(seen, self.learned, HBM, profile(self.prior))
            yield outcome

    def advance(self, engine: Engine, now: float, chance: random.Random) -> None:
        mean = self.rate(now) * POLL / len(self.names)
        arrivals = max(0.0, chance.gauss(mean, sqrt(mean)))
        keep = exp(-POLL / 60.0)
        engine.noise = keep * engine.noise + chance.gauss(0.0, self.noise * sqrt(1 - keep * keep))
        law = scaled(FLASH, self.slow(engine.name, now) * exp(engine.noise))
        if self.stuck(engine.name, now):
            law, arrivals = scaled(law, 1e12), 0.0
        context = self.prompt(now) + self.answer(now) / 2
        prefill = arrivals * self.prompt(now) / POLL
        batch, decode = 0.0, 0.0
        for _ in range(SUBSTEPS):
            speed = law.decode_tokens_per_second(
                sequences=engine.batch,
                kv_tokens=engine.batch * context,
                prefill_tokens_per_second=prefill,
            )
            done = min(engine.batch, speed * POLL / SUBSTEPS / self.answer(now))
            batch += engine.batch / SUBSTEPS
            decode += done * self.answer(now) / POLL
            engine.batch += arrivals / SUBSTEPS - done
        finished = decode * POLL / self.answer(now)
        engine.past.append(
            Interval(
                start=now - POLL,
                end=now,
                running_mean=batch * (1 + chance.gauss(0.0, 0.05)),
                waiting_mean=0.0,
                kv_usage_mean_ratio=None,
                kv_tokens_mean=batch * context,
                decode_tokens_per_second=0.0 if self.stuck(engine.name, now) else decode,
                prompt_tokens_per_second=prefill,
                prefill_tokens_per_second=prefill,
                first_tokens_per_second=arrivals / POLL,
                finished_requests_per_second=finished / POLL,
                preemptions_per_second=0.0,
                accept_length=self.accept(engine.name, now),
            )
        )
        del engine.past[:-60]

    def observe(self, engines: list[Engine], now: float) -> Observation:
        seen = tuple(self.observe_one(engine, now) for engine in engines)
        workload = Workload(
            desired=len(engines), version="1", replicas=tuple(r.replica for r in seen)
        )
        return Observation(now=now, deployment=DEPLOYMENT, workload=workload, replicas=seen)

    def observe_one(self, engine: Engine, now: float) -> ReplicaObservation:
        silent = self.silent(engine.name, now)
        return ReplicaObservation(
            replica=Replica(
                name=engine.name,
                address="http://127.0.0.1",
                phase=Phase.READY,
                created_at=engine.ready_at - 480.0,
                ready_at=engine.ready_at,
            ),
            fresh=not silent,
            age_seconds=1.0,
            unknown="connection refused" if silent else None,
            reading=None,
            intervals=() if silent else (engine.past[-1],),
            recent=None if silent else mean_of(engine.past[-12:]),
            slow=None,
        )


def mean_of(past: list[Interval]) -> Interval:
    def mean(figure: Callable[[Interval], float | None]) -> float:
        return sum(figure(i) or 0.0 for i in past) / len(past)

    return Interval(
        start=past[0].start,
        end=past[-1].end,
        running_mean=mean(lambda i: i.running_mean),
        waiting_mean=mean(lambda i: i.waiting_mean),
        kv_usage_mean_ratio=None,
        kv_tokens_mean=mean(lambda i: i.kv_tokens_mean),
        decode_tokens_per_second=mean(lambda i: i.decode_tokens_per_second),
        prompt_tokens_per_second=mean(lambda i: i.prompt_tokens_per_second),
        prefill_tokens_per_second=mean(lambda i: i.prefill_tokens_per_second),
        first_tokens_per_second=mean(lambda i: i.first_tokens_per_second),
        finished_requests_per_second=mean(lambda i: i.finished_requests_per_second),
        preemptions_per_second=0.0,
        accept_length=past[-1].accept_length,
    )


FAULTS = {  # verdicts that page somebody
    ThroughputVerdict.SICK_REPLICA,
    ThroughputVerdict.DEGRADED,
    ThroughputVerdict.STALLED,
    ThroughputVerdict.ACCEPTANCE_DROPPED,
}


def swing(time: float) -> float:
    """5 to 12 requests a second, twice an hour: a batch of 4 to 26 on each of four replicas."""
    return 8.5 - 3.5 * cos(2 * pi * time / 1800.0)
