"""Cases of the alerts on the operator and on what it sees."""

from tests.rules.cases.case import Case, Kind, d, flag, r, series

_BUILD = 'v4_build_info{version="1"}'
_LEADS = [
    series("leader_election_master_status", name="v4-operator", namespace="o", pod=pod)
    for pod in ("a", "b")
]
_DECIDED = d("v4_deployment_last_decision_timestamp_seconds")
_BLIND = d("v4_deployment_status_condition", condition="MetricsAvailable", status="false")
_SILENT = {r("v4_replica_metrics_age_seconds"): "90x90", r("v4_replica_ready"): "1x90"}

CASES = (
    *flag("V4OperatorDown", {}, _BUILD, 5, value="_", rest="1"),
    Case(
        alert="V4NoLeader",
        kind=Kind.FIRES,
        name="the leader is gone and the other pod may not write the Lease",
        series={_LEADS[0]: "1x10 0x60", _LEADS[1]: "0x30 1x40"},
        fires=(18, 30),
        silent=(10, 14, 32),
        needless=(_LEADS[1], _LEADS[0]),
    ),
    Case(
        alert="V4NoLeader",
        kind=Kind.RESTART,
        name="the other pod takes over within a minute",
        series={_LEADS[0]: "1x10 0x60", _LEADS[1]: "0x11 1x60"},
        silent=(10, 11, 13, 40),
    ),
    Case(
        alert="V4NoLeader",
        kind=Kind.OTHER,
        name="standalone, or somebody else's operator",
        series={
            _BUILD: "1x60",
            series("leader_election_master_status", name="cert-manager", namespace="o"): "0x60",
        },
        silent=(30, 60),
    ),
    Case(
        alert="V4DecisionsStalled",
        kind=Kind.FIRES,
        name="the time of the last decision stands still and moves again",
        series={_DECIDED: "0+60x19 1200x20 1300+60x30"},
        fires=(35, 40),
        silent=(19, 26, 45),
    ),
    Case(
        alert="V4DecisionsStalled",
        kind=Kind.OTHER,
        name="the deployment is gone",
        series={_DECIDED: "0+60x19 stale _x30"},
        silent=(21, 30, 45),
    ),
    Case(
        alert="V4DecisionsStalled",
        kind=Kind.RESTART,
        name="a new leader decides three minutes later",
        series={_DECIDED: "0+60x19 stale _x3 1400+60x30"},
        silent=(20, 24, 30, 45),
    ),
    *flag("V4FleetBlind", {d("v4_deployment_fresh_replicas"): "1x90"}, _BLIND, 5),
    Case(
        alert="V4FleetBlind",
        kind=Kind.SCALE_UP,
        name="new replicas are ready and not yet measured",
        series={d("v4_deployment_fresh_replicas"): "2x90", _BLIND: "0x9 1x2 0x60"},
        silent=(10, 12, 30),
    ),
    *flag("V4MetricsStale", _SILENT, r("v4_replica_up"), 2, value="0", rest="1"),
    Case(
        alert="V4MetricsStale",
        kind=Kind.SCALE_UP,
        name="a replica that has just become ready",
        series={
            r("v4_replica_metrics_age_seconds"): "90x90",
            r("v4_replica_ready"): "0x20 1x60",
            r("v4_replica_up"): "0x90",
        },
        silent=(19, 23, 25),
    ),
)
