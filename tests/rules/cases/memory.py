"""Cases of the alerts on memory."""

from tests.rules.cases.case import Case, Kind, d, flag, r

_READY = {r("v4_replica_ready"): "1x120"}
_WAITING, _USAGE = r("v4_replica_waiting_requests"), r("v4_replica_kv_cache_usage_ratio")
_PREEMPTED = r("v4_replica_preemptions_total")
_FINISHED = r("v4_replica_finished_requests_total")
_HITS, _PROMPTS = r("v4_replica_prefix_hit_tokens_total"), r("v4_replica_prompt_tokens_total")


def _reason(reason: str) -> str:
    return d("v4_deployment_condition_reason", condition="HBMBudgetExceeded", reason=reason)


_FLAGS = (
    *flag(
        "V4HBMBudgetExceeded",
        {d("v4_deployment_hbm_budget_bytes"): "7e10x90"},
        d("v4_deployment_hbm_verdict", verdict="weights-exceed"),
        1,
    ),
    Case(
        alert="V4HBMBudgetExceeded",
        kind=Kind.OTHER,
        name="unknown is not exceeded",
        series={
            d("v4_deployment_hbm_budget_bytes"): "7e10x90",
            d("v4_deployment_hbm_verdict", verdict="unknown"): "1x90",
        },
        silent=(60,),
    ),
    *flag(
        "V4HBMLiveBudgetExceeded",
        {d("v4_deployment_hbm_live_bytes", component="weights"): "8e10x90"},
        _reason("Live"),
        5,
        rest="_",
    ),
    *flag(
        "V4KVDemandExceedsPool", {_USAGE: "0.99x90"}, _reason("KVDemandExceedsPool"), 1, rest="_"
    ),
    Case(
        alert="V4KVDemandExceedsPool",
        kind=Kind.SCALE_UP,
        name="the pool of a new replica is not full",
        series={_USAGE: "0.99x90", d("v4_replica_kv_cache_usage_ratio", replica="d-1"): "0x90"},
        silent=(30,),
    ),
)

_SATURATED = (
    Case(
        alert="V4KVCacheSaturated",
        kind=Kind.FIRES,
        name="full for ten minutes while requests wait, and not any more",
        series={**_READY, _WAITING: "4x120", _USAGE: "0.5x29 0.97x20 0.5x40"},
        fires=(42, 49),
        silent=(29, 38, 53),
    ),
    Case(
        alert="V4KVCacheSaturated",
        kind=Kind.OTHER,
        name="full, and nobody waits",
        series={**_READY, _WAITING: "0x120", _USAGE: "0.97x120"},
        silent=(60,),
    ),
    Case(
        alert="V4KVCacheSaturated",
        kind=Kind.LOAD_SWING,
        name="full at each peak of the load",
        series={**_READY, _WAITING: "4x120", _USAGE: "0.5x29 0.97x7 0.5x5 0.97x7 0.5x40"},
        silent=(36, 42, 50, 60),
    ),
    Case(
        alert="V4KVCacheSaturated",
        kind=Kind.SCALE_UP,
        name="a replica that fills as it becomes ready",
        series={r("v4_replica_ready"): "0x29 1x90", _WAITING: "4x120", _USAGE: "0.97x120"},
        silent=(29, 35, 39),
    ),
    Case(
        alert="V4KVCacheSaturated",
        kind=Kind.RESTART,
        name="the engine restarts with an empty cache",
        series={**_READY, _WAITING: "4x120", _USAGE: "0.97x4 0x5 0.97x4 0x60"},
        silent=(4, 9, 14, 40),
    ),
)

_PREEMPTIONS = (
    Case(
        alert="V4PreemptionsHigh",
        kind=Kind.FIRES,
        name="one in ten, and none any more",
        series={_PREEMPTED: "0x19 0+6x40 240x60", _FINISHED: "0+60x120"},
        fires=(50,),
        silent=(19, 25, 100),
    ),
    Case(
        alert="V4PreemptionsHigh",
        kind=Kind.COUNTER_RESET,
        name="counters begin again",
        series={_PREEMPTED: "100x30 0x30", _FINISHED: "5000+60x30 0+60x30"},
        silent=(32, 45, 60),
    ),
    Case(
        alert="V4PreemptionsHigh",
        kind=Kind.LOAD_SWING,
        name="a few at the peak of a fourfold load",
        series={_PREEMPTED: "0x29 0+4x20 80x60", _FINISHED: "0+60x29 1800+240x20 6600+60x60"},
        silent=(29, 40, 50, 70),
    ),
    Case(
        alert="V4PreemptionsHigh",
        kind=Kind.RESTART,
        name="the operator is away for five minutes",
        series={_PREEMPTED: "0x30 stale _x4 0x60", _FINISHED: "0+60x30 stale _x4 0+60x60"},
        silent=(30, 33, 36, 60),
    ),
    Case(
        alert="V4PreemptionsHigh",
        kind=Kind.SCALE_UP,
        name="a new replica begins from nothing",
        series={
            _PREEMPTED: "0x90",
            _FINISHED: "0+60x90",
            d("v4_replica_preemptions_total", replica="d-1"): "_x30 0x60",
            d("v4_replica_finished_requests_total", replica="d-1"): "_x30 0+60x60",
        },
        silent=(31, 45, 80),
    ),
)


def _prefix(kind: Kind, name: str, hits: str, prompts: str, *silent: int) -> Case:
    return Case(
        alert="V4PrefixHitCollapse",
        kind=kind,
        name=name,
        interval="10m",
        series={_HITS: hits, _PROMPTS: prompts},
        silent=silent,
    )


_COLLAPSE = (
    Case(
        alert="V4PrefixHitCollapse",
        kind=Kind.FIRES,
        name="from 60 to 10 per cent of the prompts, and back",
        interval="10m",
        series={_HITS: "0+600x149 90000+100x12 91200+600x40", _PROMPTS: "0+1000x220"},
        fires=(1590,),
        silent=(1480, 1510, 1720),
    ),
    _prefix(
        Kind.OTHER,
        "a cache that never did much",
        "0+50x149 7500+1x50",
        "0+1000x220",
        1590,
    ),
    _prefix(
        Kind.LOAD_SWING,
        "four times the load with the same share",
        "0+600x149 90000+2400x12 118800+600x40",
        "0+1000x149 150000+4000x12 198000+1000x40",
        *(1500, 1590, 1720),
    ),
    _prefix(
        Kind.COUNTER_RESET,
        "counters begin again",
        "0+600x149 0+600x50",
        "0+1000x149 0+1000x50",
        *(1500, 1530, 1590),
    ),
    _prefix(
        Kind.RESTART,
        "an empty cache after a restart fills within half an hour",
        "0+600x149 90000+100x2 90200+600x50",
        "0+1000x220",
        *(1500, 1520, 1540, 1590),
    ),
    Case(
        alert="V4PrefixHitCollapse",
        kind=Kind.SCALE_UP,
        name="a new replica with a cold cache takes a third of the traffic",
        interval="10m",
        series={
            _HITS: "0+600x220",
            _PROMPTS: "0+1000x220",
            d("v4_replica_prefix_hit_tokens_total", replica="d-1"): "_x149 0x12 0+300x50",
            d("v4_replica_prompt_tokens_total", replica="d-1"): "_x149 0+500x62",
        },
        silent=(1500, 1560, 1590, 1720),
    ),
)

CASES = (*_FLAGS, *_SATURATED, *_PREEMPTIONS, *_COLLAPSE)
