"""Every policy by the name that people type, with its knobs, their defaults and their bounds.

A knob is what tuning may turn; everything else is as documented. The ranges are wide enough that
no tuned value lies at an end without saying so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from v4operator.simulate.policies.aibrix import KV_TARGET as AIBRIX_TARGET
from v4operator.simulate.policies.aibrix import AibrixKv
from v4operator.simulate.policies.constant import Constant
from v4operator.simulate.policies.dynamo_load import GROW_ABOVE, DynamoLoad
from v4operator.simulate.policies.dynamo_sla import DynamoSla
from v4operator.simulate.policies.hpa import (
    CONCURRENCY_TARGET,
    KV_TARGET,
    HpaConcurrency,
    HpaKvUsage,
)
from v4operator.simulate.policies.hpa_core import DOWN_WINDOW_SECONDS
from v4operator.simulate.policies.keda import WAITING_THRESHOLD, KedaWaiting
from v4operator.simulate.policies.kpa import TARGET_USE_RATIO, KnativeConcurrency
from v4operator.simulate.policies.ours import Ours
from v4operator.simulate.policies.policy import Briefing, Policy
from v4operator.simulate.policies.subject import SHRINK_WINDOW_SECONDS, subject_of
from v4operator.simulate.policies.wva_model import USE_RATIO, WvaModel
from v4operator.simulate.policies.wva_saturation import KV_THRESHOLD, WvaSaturation
from v4operator.simulate.policies.wva_tokens import UP_SHARE, WvaTokens

# The same scrape interval as the rivals behind Prometheus have.
_INTERVAL_SECONDS = 15.0

Knobs = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A setting that tuning may turn, between two bounds, evenly or in equal ratios.

    The first of a policy is its safety knob; `safe_is_high` tells which end costs more and misses
    less.
    """

    name: str
    default: float
    low: float
    high: float
    ratio: bool = True
    safe_is_high: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How a policy is made for a replica profile, and what can be turned."""

    name: str
    make: Callable[[str, Briefing, Knobs], Policy]
    knobs: tuple[Knob, ...] = ()

    def defaults(self) -> dict[str, float]:
        """The documented setting."""
        return {knob.name: knob.default for knob in self.knobs}

    def build(self, profile: str, briefing: Briefing, knobs: Knobs | None = None) -> Policy:
        """A fresh policy; knobs that are not given have their defaults."""
        return self.make(profile, briefing, self.defaults() | dict(knobs or {}))


def objective_batch(briefing: Briefing) -> float:
    """The profiled concurrency: the batch at the objective with the benchmark's 8:1 traffic."""
    law = briefing.law
    beta = law.per_sequence_seconds + 8.0 * law.per_prefill_token_seconds
    return (briefing.inter_token_latency_seconds - law.base_seconds) / beta


def _window(default: float) -> Knob:
    return Knob(
        name="down_window_seconds", default=default, low=60.0, high=7200.0, safe_is_high=True
    )


def _entries() -> tuple[Entry, ...]:
    hpa_window = _window(DOWN_WINDOW_SECONDS)
    wva_window = Knob(
        name="down_window_seconds",
        default=0.0,
        low=0.0,
        high=3600.0,
        ratio=False,
        safe_is_high=True,
    )
    return (
        Entry(
            name="ours",
            make=lambda profile, briefing, knobs: Ours(
                subject_of(
                    profile,
                    briefing,
                    interval_seconds=_INTERVAL_SECONDS,
                    shrink_window_seconds=knobs["shrink_window_seconds"],
                ),
                gateway=briefing.gateway,
            ),
            knobs=(
                Knob(
                    name="shrink_window_seconds",
                    default=SHRINK_WINDOW_SECONDS,
                    low=120.0,
                    high=7200.0,
                    safe_is_high=True,
                ),
            ),
        ),
        Entry(
            name="constant",
            make=lambda _, briefing, knobs: Constant(briefing.within(round(knobs["replicas"]))),
            knobs=(
                Knob(
                    name="replicas", default=1.0, low=1.0, high=64.0, ratio=False, safe_is_high=True
                ),
            ),
        ),
        Entry(
            name="hpa",
            make=lambda _, briefing, knobs: HpaConcurrency(briefing, **knobs),
            knobs=(
                Knob(name="target", default=CONCURRENCY_TARGET, low=2.0, high=256.0),
                Knob(name="queue_share", default=0.0, low=0.0, high=1.0, ratio=False),
                hpa_window,
            ),
        ),
        Entry(
            name="hpa-kv",
            make=lambda _, briefing, knobs: HpaKvUsage(briefing, **knobs),
            knobs=(Knob(name="target", default=KV_TARGET, low=0.001, high=0.95), hpa_window),
        ),
        Entry(
            name="keda",
            make=lambda _, briefing, knobs: KedaWaiting(briefing, **knobs),
            knobs=(
                Knob(name="threshold", default=WAITING_THRESHOLD, low=0.05, high=50.0),
                hpa_window,
            ),
        ),
        Entry(
            name="kpa",
            make=lambda _, briefing, knobs: KnativeConcurrency(
                briefing, concurrency=objective_batch(briefing), **knobs
            ),
            knobs=(
                Knob(name="use_ratio", default=TARGET_USE_RATIO, low=0.1, high=1.5),
                Knob(
                    name="delay_seconds",
                    default=0.0,
                    low=0.0,
                    high=3600.0,
                    ratio=False,
                    safe_is_high=True,
                ),
            ),
        ),
        Entry(
            name="wva-saturation",
            make=lambda _, briefing, knobs: WvaSaturation(briefing, **knobs),
            knobs=(
                Knob(name="kv_threshold", default=KV_THRESHOLD, low=0.101, high=0.95),
                wva_window,
            ),
        ),
        Entry(
            name="wva-tokens",
            make=lambda _, briefing, knobs: WvaTokens(briefing, **knobs),
            knobs=(Knob(name="up_share", default=UP_SHARE, low=0.05, high=1.0), wva_window),
        ),
        Entry(
            name="wva-model",
            make=lambda _, briefing, knobs: WvaModel(briefing, **knobs),
            knobs=(Knob(name="use_ratio", default=USE_RATIO, low=0.2, high=1.2), wva_window),
        ),
        Entry(
            name="dynamo-load",
            make=lambda _, briefing, knobs: DynamoLoad(briefing, **knobs),
            knobs=(Knob(name="grow_above", default=GROW_ABOVE, low=0.002, high=1.5),),
        ),
        Entry(
            name="dynamo-throughput",
            make=lambda _, briefing, knobs: DynamoSla(briefing, reactive=False, **knobs),
            knobs=(Knob(name="itl_ratio", default=1.0, low=0.2, high=1.2),),
        ),
        Entry(
            name="dynamo-hybrid",
            make=lambda _, briefing, knobs: DynamoSla(briefing, reactive=True, **knobs),
            knobs=(Knob(name="itl_ratio", default=1.0, low=0.2, high=1.2),),
        ),
        Entry(
            name="aibrix",
            make=lambda _, briefing, knobs: AibrixKv(briefing, target=knobs["target"]),
            knobs=(Knob(name="target", default=AIBRIX_TARGET, low=0.001, high=0.95),),
        ),
    )


POLICIES: Mapping[str, Entry] = {entry.name: entry for entry in _entries()}
