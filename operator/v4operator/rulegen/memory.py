"""Alerts on memory: KV cache, HBM budget, prefix cache."""

from v4operator.api.conditions import ConditionReason, ConditionType
from v4operator.model.hbm import HbmVerdict
from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import (
    DEPLOYMENT,
    FLEET,
    ONE,
    PER_CENT,
    REPLICA,
    SETTLED,
    Alert,
    Group,
    Severity,
    of_deployment,
    of_replica,
    where,
    while_deployment,
)

_FULL = 0.9
"""Above this vLLM and SGLang begin to preempt as soon as running requests grow."""
_PREEMPTED = 0.05
"""One request in twenty is computed twice: a loss that is felt, and not yet thrashing."""
_COLLAPSED = 0.5
"""Half of the usual hits: twice the prefill, which no mix of conversations explains."""
_WORTH = 0.1
"""Below this the prefix cache does nothing that could be missed."""

_DOES_NOT_FIT = "|".join(
    verdict.value
    for verdict in HbmVerdict
    if not verdict.fits and verdict not in {HbmVerdict.UNKNOWN, HbmVerdict.UNSUPPORTED}
)
_PER_DEVICE = "{{ $value | humanize1024 }}B per device"


def alerts(durations: Durations) -> Group:
    """The budget first: what does not fit explains the rest."""
    return Group(
        name="v4-memory.alerts",
        rules=(
            _planned(durations),
            _live(durations),
            _demanded(durations),
            _saturated(durations),
            _preempted(durations),
            _collapsed(durations),
        ),
    )


def _planned(durations: Durations) -> Alert:
    held = (
        f'max by ({DEPLOYMENT}, verdict) (v4_deployment_hbm_verdict{{verdict=~"{_DOES_NOT_FIT}"}})'
    )
    budget = of_deployment("v4_deployment_hbm_budget_bytes")
    return Alert(
        name="V4HBMBudgetExceeded",
        severity=Severity.CRITICAL,
        expr=f"({held} == 1) * on ({DEPLOYMENT}) group_left () {budget}",
        after=durations.now,
        summary="A deployment does not fit the HBM budget of its devices.",
        description=f"{FLEET} does not fit its budget of {_PER_DEVICE}: {{{{ $labels.verdict }}}}."
        " `v4-operator plan -f` on its manifest says by how much, and what would fit.",
    )


def _live(durations: Durations) -> Alert:
    held = (
        f"sum by ({DEPLOYMENT}) (max by ({DEPLOYMENT}, component) (v4_deployment_hbm_live_bytes))"
    )
    return Alert(
        name="V4HBMLiveBudgetExceeded",
        severity=Severity.CRITICAL,
        expr=f"{held} {_reason(ConditionReason.LIVE)}",
        after=durations.confirmed,
        summary="Running replicas hold more HBM than their budget.",
        description=f"{FLEET} holds {_PER_DEVICE} by what its engines report, above its budget."
        " Lower the engine's memory fraction, or raise spec.hbm.budget if the room is there.",
    )


def _demanded(durations: Durations) -> Alert:
    usage = of_deployment("v4_replica_kv_cache_usage_ratio")
    return Alert(
        name="V4KVDemandExceedsPool",
        severity=Severity.WARNING,
        expr=f"{usage} {_reason(ConditionReason.KV_DEMAND_EXCEEDS_POOL)}",
        after=durations.now,
        summary="Running and queued requests need more KV cache than there is.",
        description=f"{FLEET} has been asked for more KV cache than its pools hold for five"
        f" minutes; the fullest is at {PER_CENT}. More replicas, shorter contexts, or fewer"
        " requests at once.",
    )


def _saturated(durations: Durations) -> Alert:
    window = spelled(durations.short)
    usage = f"min by ({REPLICA}) (min_over_time(v4_replica_kv_cache_usage_ratio[{window}]))"
    waiting = of_replica("v4_replica_waiting_requests")
    return Alert(
        name="V4KVCacheSaturated",
        severity=Severity.WARNING,
        expr=f"{usage} > {_FULL} {where(REPLICA, f'{waiting} > 0')} {SETTLED}",
        after=durations.confirmed,
        summary="A KV cache stays full while requests wait.",
        description=f"The KV cache of {ONE} has not been below {PER_CENT} for five minutes and"
        " requests wait. See whether contexts grew; more replicas or a smaller maximum would help.",
    )


def _preempted(durations: Durations) -> Alert:
    return Alert(
        name="V4PreemptionsHigh",
        severity=Severity.WARNING,
        expr=f"v4deployment:v4_preemption:ratio_rate15m > {_PREEMPTED}",
        after=durations.patient,
        summary="Requests lose their KV cache and are computed again.",
        description=f"{FLEET} preempted {PER_CENT} as many requests as it finished in the last"
        " fifteen minutes. Set the admission limit that the operator computes, or add replicas.",
    )


def _collapsed(durations: Durations) -> Alert:
    """Against the usual of a day that ended before the collapse; the day's own ratio of sums."""
    hits, prompts = (
        f"sum by ({DEPLOYMENT}) (rate({counter}[{spelled(durations.baseline)}]"
        f" offset {spelled(durations.flight)}))"
        for counter in ("v4_replica_prefix_hit_tokens_total", "v4_replica_prompt_tokens_total")
    )
    usual = f"({hits} / ({prompts} > 0) > {_WORTH})"
    return Alert(
        name="V4PrefixHitCollapse",
        severity=Severity.WARNING,
        expr=f"v4deployment:v4_prefix_hit:ratio_rate30m < {_COLLAPSED} * {usual}",
        after=durations.cache,
        summary="The prefix cache answers for far fewer tokens than usual.",
        description=f"{FLEET} took {PER_CENT} of its prompt tokens from the prefix cache in the"
        " last half hour, less than half of its usual share. Look at the routing and at new"
        " prompts.",
    )


def _reason(reason: ConditionReason) -> str:
    return while_deployment(
        f'v4_deployment_condition_reason{{condition="{ConditionType.HBM_BUDGET_EXCEEDED.value}",'
        f'reason="{reason.value}"}}'
    )
