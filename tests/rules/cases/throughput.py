"""Cases of the alerts on throughput."""

from tests.rules.cases.case import Case, Kind, Series, d, r

_READY = {r("v4_replica_ready"): "1x120"}
_VERDICT = "v4_{}_throughput_verdict"
_OBSERVED, _EXPECTED = "v4_replica_decode_tokens_total", "v4_replica_expected_decode_tokens_total"
_UNKNOWN = d(_VERDICT.format("deployment"), verdict="Unknown")
_MIX = d(_VERDICT.format("deployment"), verdict="MixChanged")
_KNOWN = {_UNKNOWN: "0x200", _MIX: "0x200"}


def _of_replica(alert: str, verdict: str, value: Series, minutes: int) -> tuple[Case, ...]:
    name = r(_VERDICT.format("replica"), verdict=verdict)
    held = {name: "0x59 1x20 0x40"}
    at = 60 + minutes
    return (
        Case(
            alert=alert,
            kind=Kind.FIRES,
            name="fires after its time",
            series={**_READY, **value, **held},
            fires=(at + 1, 79),
            silent=(59, at - 1, 82),
        ),
        Case(
            alert=alert,
            kind=Kind.SCALE_UP,
            name="a fresh replica",
            series={r("v4_replica_ready"): "_x60 1x60", **value, **held},
            silent=(64, 64 + minutes),  # judged from minute 65 on
        ),
        Case(
            alert=alert,
            kind=Kind.RESTART,
            name="a restart of the replica under the same name",
            series={r("v4_replica_ready"): "1x60 0x3 1x60", **value, **held},
            silent=(61, 63, 66, 68 + minutes),  # judged again from minute 69 on
        ),
        Case(
            alert=alert,
            kind=Kind.LOAD_SWING,
            name="the verdict flickers while the load swings",
            series={**_READY, **value, name: "0x59 1x1 0x2 1x1 0x2 1x1 0x50"},
            silent=(61, 64, 68, 80),
        ),
    )


def _of_fleet(alert: str, verdict: str, value: Series) -> tuple[Case, ...]:
    held = d(_VERDICT.format("deployment"), verdict=verdict)
    return (
        Case(
            alert=alert,
            kind=Kind.FIRES,
            name="fires after ten minutes",
            series={**value, held: "0x9 1x20 0x60"},
            fires=(21, 29),
            silent=(9, 18, 32),
        ),
        Case(
            alert=alert,
            kind=Kind.LOAD_SWING,
            name="a load swing makes it come and go",
            series={**value, held: "0x4 1x7 0x4 1x7 0x40"},
            silent=(11, 16, 22, 40),
        ),
        Case(
            alert=alert,
            kind=Kind.RESTART,
            name="the operator restarts half-way to the alert",
            series={**value, held: "0x9 1x7 stale _x3 1x7 0x40"},
            silent=(16, 22, 27, 40),
        ),
        Case(
            alert=alert,
            kind=Kind.SCALE_UP,
            name="a new replica is there before the ten minutes are over",
            series={**value, held: "0x9 1x9 0x60"},
            silent=(18, 20, 40),
        ),
    )


def _ratio(observed: str, expected: str) -> Series:
    return {**_KNOWN, r(_OBSERVED): observed, r(_EXPECTED): expected}


def _below(kind: Kind, name: str, series: Series, *silent: int) -> Case:
    return Case(alert="V4ThroughputBelowModel", kind=kind, name=name, series=series, silent=silent)


_BELOW = (
    Case(
        alert="V4ThroughputBelowModel",
        kind=Kind.FIRES,
        name="a third less than expected, and well again",
        series=_ratio("0+100x39 4000+65x60 8000+100x60", "0+100x200"),
        fires=(75,),
        silent=(40, 50, 120),
        needless=(_UNKNOWN, _MIX),  # one of the two is enough to know that the rest is known
    ),
    _below(
        Kind.LOAD_SWING,
        "a fourfold load swing of a healthy fleet",
        _ratio("0+100x39 4000+400x40 20000+100x60", "0+100x39 4000+400x40 20000+100x60"),
        *(41, 55, 82, 100),
    ),
    _below(
        Kind.COUNTER_RESET,
        "both counters begin again with a new leader",
        _ratio("0+100x39 0+100x60", "0+100x39 0+100x60"),
        *(40, 41, 45, 60),
    ),
    _below(
        Kind.RESTART,
        "nothing is expected while a fleet calibrates after a restart",
        _ratio("0+100x90", "_x90"),
        *(30, 60),
    ),
    _below(
        Kind.SCALE_UP,
        "a new replica begins from nothing and keeps up",
        {
            **_ratio("0+100x120", "0+100x120"),
            d(_OBSERVED, replica="d-1"): "_x40 0+50x80",
            d(_EXPECTED, replica="d-1"): "_x40 0+50x80",
        },
        *(41, 50, 70, 100),
    ),
    _below(
        Kind.OTHER,
        "the cause is not known to be speed",
        {**_ratio("0+65x90", "0+100x90"), _UNKNOWN: "1x90"},
        60,
    ),
)

_SLOW = {d("v4_deployment_decode_efficiency_ratio"): "0.6x120"}

CASES = (
    *_of_replica("V4EngineStalled", "Stalled", {r("v4_replica_running_requests"): "8x120"}, 2),
    *_of_replica(
        "V4SickReplica", "SickReplica", {r("v4_replica_decode_efficiency_ratio"): "0.5x120"}, 5
    ),
    *_of_fleet("V4AcceptanceDropped", "AcceptanceDropped", _SLOW),
    *_of_fleet("V4FleetDegraded", "Degraded", _SLOW),
    *_of_fleet(
        "V4Overloaded", "Overloaded", {d("v4_deployment_decode_tokens_per_second"): "4812x120"}
    ),
    *_BELOW,
)
