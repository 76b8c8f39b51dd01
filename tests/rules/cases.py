"""What must make each alert fire, what must not, and when it resolves: as promtool reads it.

Values are promtool's notation, one a minute: `1x30` is 1 and thirty times the same, `0+60x30` grows
by 60 each time, `_x5` is missing.
"""

from dataclasses import dataclass

Series = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, and the minutes at which the alert fires or is silent."""

    alert: str
    name: str
    series: Series
    fires: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    interval: str = "1m"


def d(metric: str, **labels: str) -> str:
    """A series of the deployment."""
    return _series(metric, {"namespace": "n", "v4deployment": "d", **labels})


def r(metric: str, **labels: str) -> str:
    """A series of the replica."""
    return d(metric, replica="d-0", **labels)


def _series(metric: str, labels: dict[str, str]) -> str:
    told = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{told}}}"


_READY = {r("v4_replica_ready"): "1x120"}
_FRESH = {r("v4_replica_ready"): "_x60 1x60"}
_VERDICT = "v4_{}_throughput_verdict"


def _of_replica(alert: str, verdict: str, value: Series, minutes: int) -> tuple[Case, ...]:
    held = {r(_VERDICT.format("replica"), verdict=verdict): "0x59 1x20 0x40"}
    at = 60 + minutes
    return (
        Case(
            alert=alert,
            name="fires after its time and resolves",
            series={**_READY, **value, **held},
            fires=(at + 1, 79),
            silent=(59, at - 1, 82),
        ),
        Case(alert=alert, name="a fresh replica", series={**_FRESH, **value, **held}, silent=(64,)),
        Case(
            alert=alert,
            name="a restart of the replica under the same name",
            series={r("v4_replica_ready"): "1x60 0x3 1x60", **value, **held},
            silent=(61, 63, 66),
        ),
        Case(alert=alert, name="the verdict is missing", series={**_READY, **value}, silent=(70,)),
    )


def _of_fleet(alert: str, verdict: str, value: str) -> tuple[Case, ...]:
    held = d(_VERDICT.format("deployment"), verdict=verdict)
    return (
        Case(
            alert=alert,
            name="fires after ten minutes and resolves",
            series={d(value): "0.6x120", held: "0x9 1x20 0x60"},
            fires=(21, 29),
            silent=(9, 18, 32),
        ),
        Case(
            alert=alert,
            name="a load swing makes it come and go",
            series={d(value): "0.6x120", held: "0x4 1x7 0x4 1x7 0x40"},
            silent=(11, 16, 22, 40),
        ),
        Case(alert=alert, name="missing", series={d(value): "0.6x60"}, silent=(30,)),
    )


def _flag(
    alert: str,
    series: Series,
    held: str,
    minutes: int,
    *,
    value: str = "1",
    rest: str = "0",
) -> tuple[Case, ...]:
    """An alert on one series that takes a value and gives it up."""
    return (
        Case(
            alert=alert,
            name="fires after its time and resolves",
            series={
                **series,
                held: " ".join((_times(rest, 9), _times(value, minutes + 10), _times(rest, 40))),
            },
            fires=(minutes + 11, minutes + 19),
            silent=(9, 10 + minutes - 1, minutes + 23),
        ),
        Case(
            alert=alert, name="at rest", series={**series, held: _times(rest, 60)}, silent=(30, 60)
        ),
        Case(alert=alert, name="the series is missing", series=series, silent=(30, 60)),
    )


def _times(value: str, more: int) -> str:
    """The value and so many times the same; a series that ends is marked stale, as by a scrape."""
    return f"stale _x{more}" if value == "_" else f"{value}x{more}"


_OBSERVED, _EXPECTED = "v4_replica_decode_tokens_total", "v4_replica_expected_decode_tokens_total"
_KNOWN = {
    d(_VERDICT.format("deployment"), verdict="Unknown"): "0x200",
    d(_VERDICT.format("deployment"), verdict="MixChanged"): "0x200",
}


def _ratio(observed: str, expected: str) -> Series:
    return {**_KNOWN, r(_OBSERVED): observed, r(_EXPECTED): expected}


_BELOW = (
    Case(
        alert="V4ThroughputBelowModel",
        name="a third less than expected, and well again",
        series=_ratio("0+100x39 4000+65x60 8000+100x60", "0+100x200"),
        fires=(75,),
        silent=(40, 50, 120),
    ),
    Case(
        alert="V4ThroughputBelowModel",
        name="a fourfold load swing of a healthy fleet",
        series=_ratio("0+100x39 4000+400x40 20000+100x60", "0+100x39 4000+400x40 20000+100x60"),
        silent=(41, 55, 82, 100),
    ),
    Case(
        alert="V4ThroughputBelowModel",
        name="both counters begin again with a new leader",
        series=_ratio("0+100x39 0+100x60", "0+100x39 0+100x60"),
        silent=(40, 41, 45, 60),
    ),
    Case(
        alert="V4ThroughputBelowModel",
        name="nothing is expected while a fleet calibrates",
        series=_ratio("0+100x90", "_x90"),
        silent=(30, 60),
    ),
    Case(
        alert="V4ThroughputBelowModel",
        name="the cause is not known to be speed",
        series={
            **_ratio("0+65x90", "0+100x90"),
            d(_VERDICT.format("deployment"), verdict="Unknown"): "1x90",
        },
        silent=(60,),
    ),
)


def _burn(alert: str, slo: str) -> tuple[Case, ...]:
    def counted(missed: str, met: str, undecided: str = "0x400") -> Series:
        name = "v4_slo_requests_total"
        return {
            d("v4_slo_target_ratio", slo=slo): "0.99x400",
            d(name, slo=slo, verdict="missed"): missed,
            d(name, slo=slo, verdict="met"): met,
            d(name, slo=slo, verdict="undecided"): undecided,
        }

    return (
        Case(
            alert=alert,
            name="every second request late, and in time again",
            series=counted("0x59 0+30x40 1200+0x400", "0+60x59 3600+30x40 4800+60x400"),
            fires=(90,),
            silent=(59, 61, 490),
        ),
        Case(
            alert=alert,
            name="one in two hundred, as promised, under a load swing",
            series=counted("0+0.3x60 18+1.2x60 90+0.3x100", "0+60x60 3600+240x60 18000+60x100"),
            silent=(60, 90, 120, 180),
        ),
        Case(
            alert=alert,
            name="what the buckets do not tell counts as met",
            series=counted("0x200", "0+30x200", "0+30x200"),
            silent=(100, 200),
        ),
        Case(
            alert=alert,
            name="a handful of requests says nothing",
            series=counted("0+0.05x200", "0+0.05x200"),
            silent=(100, 200),
        ),
        Case(
            alert=alert,
            name="an engine without the histogram",
            series={d("v4_slo_target_ratio", slo=slo): "0.99x200"},
            silent=(100,),
        ),
    )


_CONDITION = "v4_deployment_condition_reason"
_HBM = "HBMBudgetExceeded"

CASES: tuple[Case, ...] = (
    *_flag("V4OperatorDown", {}, 'v4_build_info{version="1"}', 5, value="_", rest="1")[:2],
    Case(
        alert="V4OperatorDown",
        name="a restart of two minutes",
        series={'v4_build_info{version="1"}': "1x20 _x2 1x20"},
        silent=(22, 30),
    ),
    Case(
        alert="V4DecisionsStalled",
        name="fires when the time of the last decision stands still and resolves when it moves",
        series={d("v4_deployment_last_decision_timestamp_seconds"): "0+60x19 1200x20 1300+60x30"},
        fires=(35, 40),
        silent=(19, 26, 45),
    ),
    Case(
        alert="V4DecisionsStalled",
        name="the deployment is gone",
        series={d("v4_deployment_last_decision_timestamp_seconds"): "0+60x19 _x30"},
        silent=(21, 30, 45),
    ),
    *_flag(
        "V4FleetBlind",
        {d("v4_deployment_fresh_replicas"): "1x90"},
        d("v4_deployment_status_condition", condition="MetricsAvailable", status="false"),
        5,
    ),
    *_flag(
        "V4MetricsStale",
        {r("v4_replica_metrics_age_seconds"): "90x90", r("v4_replica_ready"): "1x90"},
        r("v4_replica_up"),
        2,
        value="0",
        rest="1",
    ),
    Case(
        alert="V4MetricsStale",
        name="a replica that has just become ready",
        series={
            r("v4_replica_metrics_age_seconds"): "90x90",
            r("v4_replica_ready"): "0x20 1x60",
            r("v4_replica_up"): "0x90",
        },
        silent=(19, 23, 25),
    ),
    *_of_replica("V4EngineStalled", "Stalled", {r("v4_replica_running_requests"): "8x120"}, 2),
    *_of_replica(
        "V4SickReplica", "SickReplica", {r("v4_replica_decode_efficiency_ratio"): "0.5x120"}, 5
    ),
    *_of_fleet("V4AcceptanceDropped", "AcceptanceDropped", "v4_deployment_decode_efficiency_ratio"),
    *_of_fleet("V4FleetDegraded", "Degraded", "v4_deployment_decode_efficiency_ratio"),
    *_of_fleet("V4Overloaded", "Overloaded", "v4_deployment_decode_tokens_per_second"),
    *_BELOW,
    *_flag(
        "V4HBMBudgetExceeded",
        {d("v4_deployment_hbm_budget_bytes"): "7e10x90"},
        d("v4_deployment_hbm_verdict", verdict="weights-exceed"),
        1,
    ),
    *_flag(
        "V4HBMLiveBudgetExceeded",
        {d("v4_deployment_hbm_live_bytes", component="weights"): "8e10x90"},
        d(_CONDITION, condition=_HBM, reason="Live"),
        5,
        rest="_",
    )[:2],
    *_flag(
        "V4KVDemandExceedsPool",
        {r("v4_replica_kv_cache_usage_ratio"): "0.99x90"},
        d(_CONDITION, condition=_HBM, reason="KVDemandExceedsPool"),
        1,
        rest="_",
    )[:2],
    Case(
        alert="V4KVCacheSaturated",
        name="full for ten minutes while requests wait, and not any more",
        series={
            **_READY,
            r("v4_replica_waiting_requests"): "4x120",
            r("v4_replica_kv_cache_usage_ratio"): "0.5x29 0.97x20 0.5x40",
        },
        fires=(42, 49),
        silent=(29, 38, 53),
    ),
    Case(
        alert="V4KVCacheSaturated",
        name="full, and nobody waits",
        series={
            **_READY,
            r("v4_replica_waiting_requests"): "0x120",
            r("v4_replica_kv_cache_usage_ratio"): "0.97x120",
        },
        silent=(60,),
    ),
    Case(
        alert="V4PreemptionsHigh",
        name="one in ten, and none any more",
        series={
            r("v4_replica_preemptions_total"): "0x19 0+6x40 240x60",
            r("v4_replica_finished_requests_total"): "0+60x120",
        },
        fires=(50,),
        silent=(19, 25, 100),
    ),
    Case(
        alert="V4PreemptionsHigh",
        name="counters begin again",
        series={
            r("v4_replica_preemptions_total"): "100+0x30 0x30",
            r("v4_replica_finished_requests_total"): "5000+60x30 0+60x30",
        },
        silent=(32, 45, 60),
    ),
    Case(
        alert="V4PrefixHitCollapse",
        name="from 60 to 10 per cent of the prompts, and back",
        interval="10m",
        series={
            r("v4_replica_prefix_hit_tokens_total"): "0+600x149 90000+100x12 91200+600x40",
            r("v4_replica_prompt_tokens_total"): "0+1000x220",
        },
        fires=(1590,),
        silent=(1480, 1510, 1720),
    ),
    Case(
        alert="V4PrefixHitCollapse",
        name="a cache that never did much",
        interval="10m",
        series={
            r("v4_replica_prefix_hit_tokens_total"): "0+50x149 7500+1x50",
            r("v4_replica_prompt_tokens_total"): "0+1000x220",
        },
        silent=(1590,),
    ),
    *_burn("V4TTFTBudgetBurn", "ttft"),
    *_burn("V4InterTokenLatencyBudgetBurn", "inter-token-latency"),
    *(
        case
        for limiter in ("quota", "pending", "hbm", "bounds", "other-writer")
        for case in _flag(
            "V4CannotScale",
            {d("v4_deployment_ready_replicas"): "2x90"},
            d("v4_deployment_limited", limiter=limiter),
            15,
        )[: 3 if limiter == "quota" else 1]
    ),
    Case(
        alert="V4CannotScale",
        name="paused by somebody",
        series={
            d("v4_deployment_ready_replicas"): "2x90",
            d("v4_deployment_limited", limiter="paused"): "1x90",
        },
        silent=(60,),
    ),
    Case(
        alert="V4CannotScale",
        name="a scale-up of eight minutes",
        series={
            d("v4_deployment_ready_replicas"): "2x90",
            d("v4_deployment_limited", limiter="pending"): "0x9 1x8 0x40",
        },
        silent=(12, 17, 30),
    ),
    *_flag(
        "V4EngineStuckLoading",
        {d("v4_deployment_start_up_seconds"): "480x90"},
        r("v4_replica_overdue"),
        2,
    ),
    *_flag(
        "V4ConfigurationCannotAct",
        {},
        d("v4_deployment_problems", code="MetricsNotFound"),
        10,
        rest="_",
    )[:2],
    Case(
        alert="V4ConfigurationCannotAct",
        name="a finding with which one can live",
        series={d("v4_deployment_problems", code="AdmissionLimitDrift"): "1x60"},
        silent=(30,),
    ),
    *_flag(
        "V4CountIsFixed",
        {},
        d("v4_deployment_problems", code="MinimumEqualsMaximum"),
        10,
        rest="_",
    )[:2],
    *_flag(
        "V4CostOverBudget",
        {d("v4_deployment_cost_budget_dollars_per_hour"): "100x90"},
        d("v4_deployment_cost_dollars_per_hour"),
        15,
        value="120",
        rest="90",
    ),
)
